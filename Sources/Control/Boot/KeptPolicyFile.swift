// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials
import Glibc
import Policy
import SystemPackage

/// The last policy that was put in force, with all files that it was read from, on disk: the kernel forgets it when the
/// host goes down. It is read when the host starts and the policy's own file is refused.
///
/// One file holds all of it: a line of JSON with the paths and sizes, then the bytes. It is replaced in one step.
struct KeptPolicyFile: Sendable {
    /// The package makes this folder. Where it does not exist, nothing is kept.
    static let folder = "/var/lib/bulkhead"

    let path: String

    /// - Parameter instance: Its name.
    init(instance: String, folder: String = KeptPolicyFile.folder) { path = "\(folder)/\(instance).policy" }

    private struct Header: Codable {
        struct Entry: Codable {
            var path: String
            var size: Int
        }
        var version = 1
        var files: [Entry]
    }

    /// The most that is read; a policy that is kept has less.
    private static let limit = 160 << 20

    private var isWanted: Bool { unsafe access(FilePath(path).removingLastComponent().string, F_OK) == 0 }

    /// The policy's own file first; nil: none is kept.
    func read() throws(Refusal) -> [RecordingFiles.File]? {
        let bytes: [UInt8]
        do throws(FileError) {
            bytes = try DiskFiles().read(path, limit: Self.limit, from: .regularFile)
        } catch {
            if error == .missing { return nil }
            throw Refusal("the policy that was kept in \(path) \(error)")
        }
        guard let files = Self.decode(bytes), !files.isEmpty else {
            throw Refusal("the policy that was kept in \(path) is not whole", advice: "apply a policy to keep it anew")
        }
        return files
    }

    private static func decode(_ bytes: [UInt8]) -> [RecordingFiles.File]? {
        guard let end = bytes.firstIndex(of: UInt8(ascii: "\n")),
            let header = try? JSONDecoder().decode(Header.self, from: Data(bytes[..<end])), header.version == 1
        else { return nil }
        var files: [RecordingFiles.File] = []
        var rest = bytes[(end + 1)...]
        for entry in header.files {
            guard entry.size >= 0, entry.size <= rest.count else { return nil }
            files.append(RecordingFiles.File(path: entry.path, bytes: Array(rest.prefix(entry.size))))
            rest = rest.dropFirst(entry.size)
        }
        return rest.isEmpty ? files : nil
    }

    private static func encode(_ files: [RecordingFiles.File]) throws -> [UInt8] {
        let header = Header(files: files.map { Header.Entry(path: $0.path, size: $0.bytes.count) })
        return try Array(JSONEncoder().encode(header)) + [UInt8(ascii: "\n")] + files.flatMap(\.bytes)
    }

    /// Keeps a policy in place of the one before. Only its owner may read it.
    func write(_ files: [RecordingFiles.File]) throws {
        guard isWanted else { return }
        try OwnedFile.replace(path, with: Self.encode(files), isDurable: true)
    }

    func remove() throws(Errno) {
        // A file system that is read-only refuses to remove even what is not there.
        guard unsafe access(path, F_OK) == 0, unsafe unlink(path) != 0 else { return }
        throw Errno(rawValue: errno)
    }
}
