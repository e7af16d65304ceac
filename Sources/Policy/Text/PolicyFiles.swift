// SPDX-License-Identifier: Apache-2.0

/// Why a file could not be read.
public struct FileError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The cause as a predicate that follows the file's name in a sentence, such as "is a directory".
    public var description: String

    public init(_ description: String) { self.description = description }

    public static let missing = FileError("does not exist")
    public static let denied = FileError("cannot be read: permission denied")
    public static let directory = FileError("is a directory, not a file")

    static let notRegular = FileError("is not a regular file or a symbolic link to one")

    static func tooLarge(limit: Int) -> FileError {
        FileError("is larger than \(limit >> 20) MiB, the most that is read")
    }
}

/// What kind of file a path may lead to.
public enum FileSource: Sendable {
    /// A regular file or a symbolic link to one. Reading it never waits for another process.
    case regularFile
    /// Also a pipe, which may take long to end. Only for files that the user named on the command line.
    case fileOrPipe
}

/// Where a policy's files come from.
public protocol PolicyFiles: Sendable {
    /// The contents of a file. Throws for a file of more than `limit` bytes, without reading it all.
    func read(_ path: String, limit: Int, from source: FileSource) throws(FileError) -> [UInt8]
    /// The names in a directory, in no particular order.
    func names(in directory: String) throws(FileError) -> [String]
}

/// Files in memory, by path; for tests and tools.
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
        let prefix = directory == "." ? "" : directory == "/" ? "/" : directory + "/"
        let names = files.keys.filter { prefix.isEmpty ? !$0.hasPrefix("/") : $0.hasPrefix(prefix) }
            .compactMap { $0.dropFirst(prefix.count).split(separator: "/").first.map(String.init) }
        if names.isEmpty { throw .missing }
        return Array(Set(names))
    }
}
