// SPDX-License-Identifier: Apache-2.0

/// Why a file could not be read.
public struct FileError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The cause in words, as in "is a directory": what follows the file's name in a sentence.
    public var description: String

    public init(_ description: String) { self.description = description }

    public static let missing = FileError("does not exist")
    public static let denied = FileError("cannot be read: permission denied")
    public static let directory = FileError("is a directory, not a file")

    static let notRegular = FileError("is not a regular file (a symbolic link to one would do)")

    static func tooLarge(limit: Int) -> FileError {
        FileError("is larger than \(limit >> 20) MiB, the most that is read")
    }
}

/// What a path may lead to.
public enum FileSource: Sendable {
    /// A regular file, or a symbolic link to one. Reading it never waits for another process.
    case regularFile
    /// Also a pipe, whose end may be a long time in coming: only for what the user of a command has named himself.
    case fileOrPipe
}

/// Where a policy's files come from.
public protocol PolicyFiles: Sendable {
    /// The whole of a file. Refuses one of more than `limit` bytes without reading it all.
    func read(_ path: String, limit: Int, from source: FileSource) throws(FileError) -> [UInt8]
    /// The names in a directory, in any order.
    func names(in directory: String) throws(FileError) -> [String]
}

/// Files that a test or a tool holds in memory, by path.
public struct MemoryFiles: PolicyFiles {
    private let files: [String: [UInt8]]

    public init(_ files: [String: [UInt8]]) { self.files = files }

    public init(_ files: [String: String]) { self.init(files.mapValues { Array($0.utf8) }) }

    public func read(_ path: String, limit: Int, from source: FileSource) throws(FileError) -> [UInt8] {
        guard let bytes = files[path] else {
            throw files.keys.contains { $0.hasPrefix(path + "/") } ? .directory : .missing
        }
        guard bytes.count <= limit else { throw .tooLarge(limit: limit) }
        return bytes
    }

    public func names(in directory: String) throws(FileError) -> [String] {
        let prefix = directory == "." ? "" : directory + "/"
        let names = files.keys.filter { $0.hasPrefix(prefix) }
            .compactMap { $0.dropFirst(prefix.count).split(separator: "/").first.map(String.init) }
        if names.isEmpty { throw .missing }
        return Array(Set(names))
    }
}
