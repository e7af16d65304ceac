// SPDX-License-Identifier: Apache-2.0
import CLibbpf

/// Reusable room for one entry of a per-CPU map on all CPUs.
@safe public final class PerCPUValues<Value: BitwiseCopyable> {
    private let values: UnsafeMutableBufferPointer<Value>

    /// - Parameter value: the first content. Its size must be that of the map's values, and a multiple of eight bytes.
    public init(_ map: Map, repeating value: Value) throws(BPFError) {
        let size = MemoryLayout<Value>.size
        guard size == Int(map.info.valueSize), size % 8 == 0, size == MemoryLayout<Value>.stride else {
            throw BPFError("use a value of \(size) bytes with", "\(map.name) of \(map.info.valueSize)", errno: 22)
        }
        unsafe values = .allocate(capacity: Map.possibleCPUs)
        unsafe values.initialize(repeating: value)
    }

    deinit { unsafe values.deallocate() }

    /// The value of a possible CPU.
    public subscript(cpu: Int) -> Value { unsafe values[cpu] }

    /// The first value that `condition` holds for.
    public func first(where condition: (Value) -> Bool) -> Value? { unsafe values.first(where: condition) }

    /// Writes `value` to an entry of the map, on all CPUs.
    public func store(_ value: Value, in map: Map, at index: UInt32) throws(BPFError) {
        unsafe values.update(repeating: value)
        var key = index
        let result = unsafe bpf_map_update_elem(map.descriptor.value, &key, values.baseAddress, UInt64(BPF_ANY))
        guard result >= 0 else { throw BPFError("update entry \(index) of", map.name, errno: -result) }
    }

    /// Reads an entry of the map, of all CPUs.
    public func load(from map: Map, at index: UInt32) throws(BPFError) {
        var key = index
        let result = unsafe bpf_map_lookup_elem(map.descriptor.value, &key, values.baseAddress)
        guard result >= 0 else { throw BPFError("look up entry \(index) of", map.name, errno: -result) }
    }
}
