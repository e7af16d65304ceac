// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials
import SystemPackage

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Files on disk: regular files, and pipes where the caller allows them. Devices and other endless sources are refused.
public struct DiskFiles: PolicyFiles {
    /// `O_PATH`, which Glibc's Swift module does not define.
    private static let pathOnly: Int32 = 0o10_000_000

    public init() {}

    /// `-` is standard input where a pipe may be read.
    public func read(_ path: String, limit: Int, from source: FileSource) throws(FileError) -> [UInt8] {
        if path == "-", source == .fileOrPipe {
            return try DiskFiles.contents(STDIN_FILENO, limit: limit, expected: 0)
        }
        // O_PATH shows what the path leads to without opening it. Opening alone may start a watchdog, or let the writer
        // of a FIFO go on.
        let found = unsafe open(path, DiskFiles.pathOnly | O_CLOEXEC)
        guard found >= 0 else { throw DiskFiles.error(errno) }
        defer { close(found) }
        var status = stat()
        guard unsafe fstat(found, &status) == 0 else { throw DiskFiles.error(errno) }
        switch (status.st_mode & S_IFMT, source) {
        case (S_IFREG, _):
            guard status.st_size <= limit else { throw .tooLarge(limit: limit) }
        case (S_IFDIR, _):
            throw .directory
        case (S_IFIFO, .fileOrPipe):
            break
        case (_, .fileOrPipe):
            throw FileError("is neither a file nor a pipe")
        case (_, .regularFile):
            throw .notRegular
        }
        // Open through the descriptor, so that the file opened is the file checked. O_NONBLOCK, because a FIFO without
        // a writer would block here for ever, and some regular files of /proc block until there is data.
        let descriptor = unsafe open("/proc/self/fd/\(found)", O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
        guard descriptor >= 0 else { throw DiskFiles.error(errno) }
        defer { close(descriptor) }
        if status.st_mode & S_IFMT == S_IFIFO, fcntl(descriptor, F_SETFL, 0) != 0 { throw DiskFiles.error(errno) }
        return try DiskFiles.contents(descriptor, limit: limit, expected: Int(status.st_size))
    }

    public func names(in directory: String) throws(FileError) -> [String] {
        do {
            return try FileManager.default.contentsOfDirectory(atPath: directory)
        } catch {
            throw FileManager.default.fileExists(atPath: directory)
                ? FileError("cannot be listed") : .missing
        }
    }

    private static func contents(
        _ descriptor: Int32, limit: Int, expected: Int
    ) throws(FileError) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(expected)
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = unsafe chunk.withUnsafeMutableBytes { buffer in
                unsafe Glibc.read(descriptor, buffer.baseAddress, buffer.count)
            }
            if count < 0 {
                if errno == EINTR { continue }
                throw error(errno)
            }
            if count == 0 { return bytes }
            bytes += chunk[..<count]
            guard bytes.count <= limit else { throw .tooLarge(limit: limit) }
        }
    }

    private static func error(_ code: Int32) -> FileError {
        switch code {
        case ENOENT, ENOTDIR: .missing
        case EACCES, EPERM: .denied
        case EISDIR: .directory
        case ELOOP: FileError("leads through too many symbolic links")
        case EAGAIN: FileError("cannot be read: it waits for more to come")
        default: FileError("cannot be read: \(Errno(rawValue: code))")
        }
    }
}
