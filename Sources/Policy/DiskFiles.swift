import FoundationEssentials

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// The machine's files. Takes regular files and pipes (so that a policy can come from another command); refuses what would never end.
public struct DiskFiles: PolicyFiles {
    public init() {}

    public func read(_ path: String, limit: Int) throws(FileError) -> [UInt8] {
        // Without O_NONBLOCK a FIFO that nobody writes to would wait for ever here.
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw DiskFiles.error(errno) }
        defer { close(descriptor) }
        var status = stat()
        guard unsafe fstat(descriptor, &status) == 0 else { throw DiskFiles.error(errno) }
        switch status.st_mode & S_IFMT {
        case S_IFREG:
            guard status.st_size <= limit else { throw .tooLarge(limit: limit) }
        case S_IFIFO:
            guard fcntl(descriptor, F_SETFL, 0) == 0 else { throw DiskFiles.error(errno) }
        case S_IFDIR:
            throw .directory
        default:
            throw FileError("is neither a file nor a pipe")
        }
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
        case ELOOP: FileError("is a symbolic link to itself")
        default: FileError("cannot be read: \(unsafe String(cString: strerror(code)))")
        }
    }
}
