// SPDX-License-Identifier: Apache-2.0
import CLibbpf
import Glibc

/// A set of names that lives in the kernel: the keys of a hash map, NUL-terminated text. Each is put in or taken out in
/// one step.
public struct NameSet: Sendable {
    /// Bytes of the longest name, and the NUL after it.
    private static let keySize = 256

    private let map: Map

    /// The names that a map of ``makeMap(_:capacity:)`` holds.
    public init(_ map: Map) { self.map = map }

    /// A map for a set of names.
    public static func makeMap(_ name: String, capacity: UInt32) throws(BPFError) -> Map {
        try Map(
            type: BPF_MAP_TYPE_HASH, name: name, keySize: UInt32(keySize), valueSize: 4, maxEntries: capacity,
            flags: UInt32(BPF_F_NO_PREALLOC))
    }

    /// Puts a name in; one that is there already is fine. More than 255 bytes are an error (ENAMETOOLONG).
    public func insert(_ name: String) throws(BPFError) {
        let key = try key(name)
        var value: UInt32 = 1
        let descriptor = map.descriptor.value
        try check("put '\(name)' into", map.name) {
            unsafe bpf_map_update_elem(descriptor, key, &value, UInt64(BPF_ANY))
        }
    }

    /// Takes a name out; one that is not there is fine.
    public func remove(_ name: String) throws(BPFError) {
        let key = try key(name)
        try checkFound("take '\(name)' out of", map.name) { unsafe bpf_map_delete_elem(map.descriptor.value, key) }
    }

    /// All of them. One that is put in or taken out at the same time may be missed.
    public func all() throws(BPFError) -> Set<String> {
        var names: Set<String> = []
        var key = [UInt8](repeating: 0, count: NameSet.keySize)
        var result = unsafe bpf_map_get_next_key(map.descriptor.value, nil, &key)
        // If a key is taken out during the walk, the walk starts again; so it is bounded.
        for _ in 0..<2 * Int(map.info.maxEntries) where result >= 0 {
            names.insert(String(decoding: key.prefix { $0 != 0 }, as: UTF8.self))
            let last = key
            result = unsafe bpf_map_get_next_key(map.descriptor.value, last, &key)
        }
        guard result >= 0 || result == -ENOENT else { throw BPFError("read", map.name, errno: -result) }
        return names
    }

    private func key(_ name: String) throws(BPFError) -> [UInt8] {
        let bytes = Array(name.utf8)
        guard bytes.count < NameSet.keySize else { throw BPFError("keep '\(name)' in", map.name, errno: ENAMETOOLONG) }
        return bytes + [UInt8](repeating: 0, count: NameSet.keySize - bytes.count)
    }
}
