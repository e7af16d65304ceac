// SPDX-License-Identifier: Apache-2.0
import CLibbpf
import Libbpf

/// The mark of an instance's folder: a pinned map of one value. A folder without it is another tool's, whatever its
/// name. The mark is made first in a new folder, and removed last.
enum InstanceMark {
    static let name = "bulkhead"
    /// What the map holds.
    private static let value: UInt64 = 0x6275_6c6b_6865_6164  // "bulkhead"

    /// Marks a folder; one that is marked already is fine.
    static func set(in folder: OpenFolder) throws(BPFError) {
        guard !folder.holds(name) else { return }
        let map = try Map(type: BPF_MAP_TYPE_ARRAY, name: "bulkhead_mark", valueSize: 8, maxEntries: 1)
        try map.update(0, to: value)
        try map.pin(at: Pin(name, in: folder))
    }

    /// Whether a folder has the mark. Something else that is pinned under its name does not count.
    static func isSet(in folder: OpenFolder) -> Bool {
        guard folder.holds(name), let map = try? Map(pinnedAt: Pin(name, in: folder), name: name) else { return false }
        return (try? map.lookup(0, as: UInt64.self)) == value
    }
}
