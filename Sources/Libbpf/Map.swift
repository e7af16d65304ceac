// SPDX-License-Identifier: Apache-2.0
import CLibbpf
import Glibc

/// An open map, closed with its last reference. The methods are for maps with numbered entries; see ``KeyedMap`` and
/// ``NameSet`` for others.
public final class Map: Sendable {
    public let name: String
    public let info: Info
    let descriptor: Descriptor

    /// What the kernel tells of a map.
    public struct Info: Sendable, Hashable {
        public var id: UInt32
        /// Cut to 15 bytes by the kernel.
        public var name: String
        /// `BPF_MAP_TYPE_*`.
        public var type: UInt32
        public var keySize: UInt32
        public var valueSize: UInt32
        public var maxEntries: UInt32
        public var flags: UInt32
    }

    /// CPUs that a per-CPU map has values for.
    public static let possibleCPUs = max(Int(libbpf_num_possible_cpus()), 1)

    init(_ descriptor: consuming Descriptor, name: String) throws(BPFError) {
        var info = bpf_map_info()
        let value = descriptor.value
        try check("ask about map", name) { unsafe bulkhead_map_info(value, &info) }
        self.name = name
        self.info = Info(
            id: info.id, name: text(of: info.name), type: info.type, keySize: info.key_size, valueSize: info.value_size,
            maxEntries: info.max_entries, flags: info.map_flags)
        self.descriptor = descriptor
    }

    /// Makes a map. In the kernel its name is cut to 15 characters.
    public convenience init(
        type: bpf_map_type, name: String, keySize: UInt32 = 4, valueSize: UInt32, maxEntries: UInt32,
        flags: UInt32 = 0
    ) throws(BPFError) {
        let short = String(name.prefix(15))
        let value = try check("make map", name) {
            unsafe bulkhead_map_create(type, short, keySize, valueSize, maxEntries, flags, -1)
        }
        try self.init(Descriptor(owning: value), name: name)
    }

    /// Makes a map of maps. `model` is like the maps that it will hold.
    public convenience init(
        ofMaps name: String, maxEntries: UInt32, flags: UInt32 = 0, model: Map
    ) throws(BPFError) {
        let short = String(name.prefix(15))
        let inner = model.descriptor.value
        let value = try check("make map", name) {
            unsafe bulkhead_map_create(BPF_MAP_TYPE_ARRAY_OF_MAPS, short, 4, 4, maxEntries, flags, inner)
        }
        try self.init(Descriptor(owning: value), name: name)
    }

    /// A pinned map.
    public convenience init(pinnedAt pin: Pin, name: String) throws(BPFError) {
        let value = try check("open pinned map", "\(pin)") { unsafe bpf_obj_get(pin.path) }
        try self.init(Descriptor(owning: value), name: name)
    }

    /// The map with an id, which a look-up in a map of maps returns.
    public convenience init(id: UInt32, name: String) throws(BPFError) {
        let value = try check("open map", "\(name) (id \(id))") { bpf_map_get_fd_by_id(id) }
        try self.init(Descriptor(owning: value), name: name)
    }

    /// Pins the map; a name that is taken is an error (EEXIST).
    public func pin(at pin: Pin) throws(BPFError) {
        let value = descriptor.value
        try check("pin map", "\(pin)") { unsafe bpf_obj_pin(value, pin.path) }
        pin.setMode()
    }

    /// Bytes of kernel memory that the map takes; 0 if the kernel does not tell.
    public var memory: Int {
        guard let file = unsafe fopen("/proc/self/fdinfo/\(descriptor.value)", "re") else { return 0 }
        defer { unsafe fclose(file) }
        var line = [CChar](repeating: 0, count: 256)
        while unsafe fgets(&line, Int32(line.count), file) != nil {
            guard unsafe strncmp(line, "memlock:", 8) == 0 else { continue }
            return unsafe strtol(Array(line[8...]), nil, 10)
        }
        return 0
    }

    // MARK: One entry

    /// The value at an index; nil if there is none. `Value` must be as large as the map's values.
    public func lookup<Value: BitwiseCopyable>(_ index: UInt32, as type: Value.Type) throws(BPFError) -> Value? {
        try checkSize(MemoryLayout<Value>.size)
        var key = index
        return try unsafe withZeroed(type) { pointer throws(BPFError) in
            try checkFound("look up entry \(index) of", name) {
                unsafe bpf_map_lookup_elem(descriptor.value, &key, pointer)
            }
        }
    }

    /// Writes the value at an index. `Value` must be as large as the map's values.
    public func update<Value: BitwiseCopyable>(_ index: UInt32, to value: Value) throws(BPFError) {
        try checkSize(MemoryLayout<Value>.size)
        var key = index
        var value = value
        let descriptor = descriptor.value
        try check("update entry \(index) of", name) {
            unsafe bpf_map_update_elem(descriptor, &key, &value, UInt64(BPF_ANY))
        }
    }

    /// Takes an entry out; one that is not there is fine.
    public func delete(_ index: UInt32) throws(BPFError) {
        var key = index
        try checkFound("delete entry \(index) of", name) { unsafe bpf_map_delete_elem(descriptor.value, &key) }
    }

    /// Puts a map into an entry of this map of maps.
    public func update(_ index: UInt32, to map: Map) throws(BPFError) {
        try update(index, to: UInt32(bitPattern: map.descriptor.value))
    }

    /// Puts a program into an entry of this array of programs.
    public func update(_ index: UInt32, to program: borrowing Program) throws(BPFError) {
        try update(index, to: UInt32(bitPattern: program.descriptor.value))
    }

    // MARK: Per CPU

    /// The values of one entry, by CPU. `Value` must be as large as the map's values, and a multiple of eight bytes.
    public func lookupPerCPU<Value: BitwiseCopyable>(_ index: UInt32, as type: Value.Type) throws(BPFError) -> [Value] {
        try lookupPerCPU(index...index, as: type).first ?? []
    }

    /// The values of entries that follow each other, each by CPU. `Value` must be as large as the map's values, and a
    /// multiple of eight bytes.
    public func lookupPerCPU<Value: BitwiseCopyable>(
        _ indices: ClosedRange<UInt32>, as type: Value.Type
    ) throws(BPFError) -> [[Value]] {
        try checkSize(MemoryLayout<Value>.size)
        precondition(MemoryLayout<Value>.size % 8 == 0, "a per-CPU value is a multiple of eight bytes")
        let cpus = Map.possibleCPUs
        let batch = 4096
        var result: [[Value]] = []
        var first = indices.lowerBound
        var keys = [UInt32](repeating: 0, count: min(batch, indices.count))
        let bytes = UnsafeMutableRawBufferPointer.allocate(
            byteCount: keys.count * cpus * MemoryLayout<Value>.size, alignment: 16)
        defer { unsafe bytes.deallocate() }
        let values = unsafe bytes.bindMemory(to: Value.self)
        while first <= indices.upperBound {
            var count = UInt32(min(keys.count, Int(indices.upperBound - first) + 1))
            let wanted = count
            // At the end of the map, the rest is reported as not found.
            try checkFound("look up entries of", name) {
                unsafe bulkhead_map_lookup_batch(descriptor.value, first, &keys, bytes.baseAddress, &count)
            }
            for entry in 0..<Int(count) {
                unsafe result.append(Array(values[entry * cpus..<(entry + 1) * cpus]))
            }
            guard count == wanted, first.addingReportingOverflow(wanted).overflow == false else { break }
            first += wanted
        }
        return result
    }

    /// Zeroes these entries on all CPUs.
    public func zeroPerCPU(_ indices: [UInt32]) throws(BPFError) {
        let size = (Int(info.valueSize) + 7) / 8 * 8 * Map.possibleCPUs
        let zeros = [UInt8](repeating: 0, count: size * min(indices.count, 4096))
        var rest = indices[...]
        while !rest.isEmpty {
            let keys = Array(rest.prefix(4096))
            let descriptor = descriptor.value
            try check("zero entries of", name) {
                unsafe bulkhead_map_update_batch(descriptor, keys, zeros, UInt32(keys.count))
            }
            rest = rest.dropFirst(keys.count)
        }
    }

    private func checkSize(_ size: Int) throws(BPFError) {
        guard size == Int(info.valueSize) else {
            throw BPFError("use a value of \(size) bytes with", "\(name) of \(info.valueSize)", errno: EINVAL)
        }
    }

    /// A value whose memory `fill` wrote, or nil if it returned false.
    private func withZeroed<Value: BitwiseCopyable>(
        _ type: Value.Type, _ fill: (UnsafeMutableRawPointer) throws(BPFError) -> Bool
    ) throws(BPFError) -> Value? {
        let memory = UnsafeMutableRawPointer.allocate(
            byteCount: MemoryLayout<Value>.size, alignment: MemoryLayout<Value>.alignment)
        defer { unsafe memory.deallocate() }
        guard unsafe try fill(memory) else { return nil }
        return unsafe memory.loadUnaligned(as: type)
    }
}
