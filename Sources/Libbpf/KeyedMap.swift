// SPDX-License-Identifier: Apache-2.0
import CLibbpf
import Glibc

/// A map whose keys are structures rather than numbers. In a trie of prefixes a look-up finds the longest one that
/// covers the key.
public struct KeyedMap<Key: BitwiseCopyable, Value: BitwiseCopyable>: Sendable {
    private let map: Map

    /// - Throws: if the map's keys or values have another size.
    public init(_ map: Map) throws(BPFError) {
        guard Int(map.info.keySize) == MemoryLayout<Key>.size, Int(map.info.valueSize) == MemoryLayout<Value>.size
        else {
            throw BPFError("read", map.name, errno: EINVAL)
        }
        self.map = map
    }

    /// Makes a trie of prefixes. Keys start with the number of their bits that count, as a `UInt32`. It takes memory as
    /// it is filled.
    public static func makeTrie(_ name: String, capacity: UInt32) throws(BPFError) -> Map {
        try Map(
            type: BPF_MAP_TYPE_LPM_TRIE, name: name, keySize: UInt32(MemoryLayout<Key>.size),
            valueSize: UInt32(MemoryLayout<Value>.size), maxEntries: capacity, flags: UInt32(BPF_F_NO_PREALLOC))
    }

    /// The value of a key, or in a trie of the longest prefix that covers it; nil if there is none.
    public func lookup(_ key: Key) throws(BPFError) -> Value? {
        var key = key
        let memory = UnsafeMutablePointer<Value>.allocate(capacity: 1)
        defer { unsafe memory.deallocate() }
        let isFound = try checkFound("look up an entry of", map.name) {
            unsafe bpf_map_lookup_elem(map.descriptor.value, &key, memory)
        }
        return isFound ? unsafe memory.pointee : nil
    }

    /// Writes the value of a key, which is added if it is missing.
    public func update(_ key: Key, to value: Value) throws(BPFError) {
        var (key, value) = (key, value)
        let descriptor = map.descriptor.value
        try check("update an entry of", map.name) {
            unsafe bpf_map_update_elem(descriptor, &key, &value, UInt64(BPF_ANY))
        }
    }

    /// Takes an entry out; one that is not there is fine.
    public func delete(_ key: Key) throws(BPFError) {
        var key = key
        try checkFound("delete an entry of", map.name) { unsafe bpf_map_delete_elem(map.descriptor.value, &key) }
    }

    /// Up to `limit` entries that follow a key which is there, or with nil the first ones; fewer only if there are no
    /// more. In a trie, a prefix comes after those under it, and lower addresses come first.
    public func entries(after key: Key?, limit: Int) throws(BPFError) -> [(key: Key, value: Value)] {
        let keys = UnsafeMutablePointer<Key>.allocate(capacity: limit + 1)
        let values = UnsafeMutablePointer<Value>.allocate(capacity: limit)
        defer {
            unsafe keys.deallocate()
            unsafe values.deallocate()
        }
        var count = UInt32(limit)
        let descriptor = map.descriptor.value
        try checkFound("read", map.name) {
            // The position where the walk ended is written after the keys.
            if var key { return unsafe bulkhead_map_read_batch(descriptor, &key, keys + limit, keys, values, &count) }
            return unsafe bulkhead_map_read_batch(descriptor, nil, keys + limit, keys, values, &count)
        }
        return (0..<Int(count)).map { unsafe (keys[$0], values[$0]) }
    }
}
