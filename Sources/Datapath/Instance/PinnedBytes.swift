// SPDX-License-Identifier: Apache-2.0
import CLibbpf
import Glibc
import Libbpf

/// Bytes that outlive the process: a pinned array that no program reads. They are written before they are pinned, so a
/// pin always has all of them.
enum PinnedBytes {
    private static let piece = 4096

    /// Keeps bytes under a name; a name that is taken is an error (EEXIST).
    static func keep(_ bytes: [UInt8], as name: String, in folder: PinFolder) throws(BPFError) {
        let pieces = max((bytes.count + piece - 1) / piece, 1)
        guard let count = UInt32(exactly: pieces) else {
            throw BPFError("keep \(bytes.count) bytes as", "\(folder.path)/\(name)", errno: E2BIG)
        }
        let map = try Map(
            type: BPF_MAP_TYPE_ARRAY, name: "bulkhead_text", valueSize: UInt32(piece), maxEntries: count,
            flags: UInt32(BPF_F_MMAPABLE))
        try Mapping(map, writable: true).write(bytes)
        try map.pin(at: folder / name)
    }

    /// The first bytes that were kept under a name; nil if they are not there.
    ///
    /// - Parameter count: How many; nil: all, with the zeros that follow them.
    static func read(_ name: String, count: Int? = nil, in folder: PinFolder) throws(BPFError) -> [UInt8]? {
        let map: Map
        do throws(BPFError) {
            guard folder.holds(name) else { return nil }
            map = try Map(pinnedAt: folder / name, name: name)
        } catch {
            if error.errno == .noSuchFileOrDirectory { return nil }
            throw error
        }
        guard map.info.flags & UInt32(BPF_F_MMAPABLE) != 0 else { return nil }
        return try Mapping(map, writable: false).withBytes { $0.copy(at: 0, count: count ?? $0.byteCount) }
    }
}
