// SPDX-License-Identifier: Apache-2.0
import CLibbpf
import Libbpf
import TestSupport
import Testing

@Suite struct MapTests {
    private struct Pair: BitwiseCopyable, Hashable {
        var first: UInt64
        var second: UInt64
    }

    /// Fails without root, and says so.
    init() throws { _ = try Lab() }

    @Test func anArrayHoldsWhatIsPutIn() throws {
        let map = try Map(type: BPF_MAP_TYPE_ARRAY, name: "a_name_of_many_letters", valueSize: 16, maxEntries: 4)
        #expect(map.info.maxEntries == 4)
        #expect(map.info.valueSize == 16)
        #expect(map.memory > 0)
        try map.update(3, to: Pair(first: 1, second: 2))
        #expect(try map.lookup(3, as: Pair.self) == Pair(first: 1, second: 2))
        #expect(try map.lookup(0, as: Pair.self) == Pair(first: 0, second: 0))
        #expect(try map.lookup(4, as: Pair.self) == nil)
        let wrong = #expect(throws: BPFError.self) { try map.lookup(0, as: UInt32.self) }
        #expect(wrong?.object.contains("of 16") == true)
        let beyond = #expect(throws: BPFError.self) { try map.update(4, to: Pair(first: 0, second: 0)) }
        #expect(beyond?.errno.rawValue == 7)
        #expect(try Map(id: map.info.id, name: "again").lookup(3, as: Pair.self)?.second == 2)
    }

    @Test func aPerCPUMapHasAValueForEachCPU() throws {
        let map = try Map(type: BPF_MAP_TYPE_PERCPU_ARRAY, name: "counts", valueSize: 16, maxEntries: 9000)
        let values = try PerCPUValues(map, repeating: Pair(first: 0, second: 0))
        try values.store(Pair(first: 7, second: 8), in: map, at: 8999)
        let all = try map.lookupPerCPU(0...8999, as: Pair.self)
        #expect(all.count == 9000)
        #expect(all.allSatisfy { $0.count == Map.possibleCPUs })
        #expect(all[8999].allSatisfy { $0 == Pair(first: 7, second: 8) })
        #expect(all[8998].allSatisfy { $0 == Pair(first: 0, second: 0) })
        #expect(try map.lookupPerCPU(8990...8999, as: Pair.self).last == all[8999])
        try map.zeroPerCPU([3, 8999])
        #expect(try map.lookupPerCPU(8999, as: Pair.self).allSatisfy { $0 == Pair(first: 0, second: 0) })
        #expect(throws: BPFError.self) { try PerCPUValues(map, repeating: UInt64(0)) }
    }

    @Test func aMappedArrayIsSharedMemory() throws {
        let map = try Map(
            type: BPF_MAP_TYPE_ARRAY, name: "mapped", valueSize: 8, maxEntries: 4, flags: UInt32(BPF_F_MMAPABLE))
        let mapping = try Mapping(map, writable: true)
        mapping.store(UInt64(0x1122), at: 8)
        #expect(try map.lookup(1, as: UInt64.self) == 0x1122)
        try map.update(2, to: UInt64.max)
        mapping.withBytes { bytes in
            #expect(bytes.load(UInt64.self, at: 16) == .max)
            #expect(bytes.load(UInt64.self, at: bytes.byteCount - 7) == nil)
            #expect(bytes.load(UInt64.self, at: -1) == nil)
            #expect(bytes.copy(at: 8, count: 2) == [0x22, 0x11])
            #expect(bytes.copy(at: bytes.byteCount, count: 1) == nil)
        }
        mapping.store(5, in: \Pair.second, at: 8)
        #expect(try map.lookup(2, as: UInt64.self) == 5)
        #expect(mapping.load(\Pair.first, at: 16) == 5)
        #expect(mapping.load(\Pair.first) == 0)
        #expect(mapping.load(\Pair.second, at: mapping.count - 8) == nil)
        mapping.write([0x61, 0x62, 0], at: 24)
        #expect(mapping.withBytes { $0.text(at: 24) } == "ab")
        let plain = try Map(type: BPF_MAP_TYPE_ARRAY, name: "plain", valueSize: 8, maxEntries: 4)
        #expect(throws: BPFError.self) { _ = try Mapping(plain, writable: false) }
    }

    @Test func aMapOfMapsIsReplacedAndEmptied() throws {
        let model = try Map(type: BPF_MAP_TYPE_ARRAY, name: "inner", valueSize: 8, maxEntries: 1)
        let outer = try Map(ofMaps: "outer", maxEntries: 2, model: model)
        #expect(try outer.lookup(0, as: UInt32.self) == nil)
        try outer.update(0, to: model)
        #expect(try outer.lookup(0, as: UInt32.self) == model.info.id)
        try outer.delete(0)
        try outer.delete(0)
        #expect(try outer.lookup(0, as: UInt32.self) == nil)
        let other = try Map(type: BPF_MAP_TYPE_ARRAY, name: "other", valueSize: 16, maxEntries: 1)
        #expect(throws: BPFError.self) { try outer.update(0, to: other) }
    }

    @Test func anEmptyRingHasNothing() throws {
        let map = try Map(type: BPF_MAP_TYPE_RINGBUF, name: "ring", keySize: 0, valueSize: 0, maxEntries: 4096)
        var ring = try RingBuffer(map)
        var records = 0
        try ring.poll(milliseconds: 1) { _ in records += 1 }
        #expect(records == 0)
        let array = try Map(type: BPF_MAP_TYPE_ARRAY, name: "array", valueSize: 8, maxEntries: 1)
        #expect(throws: BPFError.self) { _ = try RingBuffer(array) }
    }

    @Test func aMapThatCannotBeMadeIsExplained() {
        let error = #expect(throws: BPFError.self) {
            _ = try Map(type: BPF_MAP_TYPE_ARRAY, name: "none", valueSize: 8, maxEntries: 0)
        }
        #expect(error?.operation == "make map")
        #expect(error?.object == "none")
        #expect(error?.cause == "Invalid argument")
    }
}
