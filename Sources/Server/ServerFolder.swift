// SPDX-License-Identifier: Apache-2.0
import Glibc
import SystemPackage
import UnixSockets

/// The folder that a server's socket is in, held open. Nobody but root can put something else in its place, or into it.
struct ServerFolder: ~Copyable {
    private let descriptor: FileDescriptor
    private let name: String
    /// For messages.
    let path: String

    /// Walks to the folder of `path`, without following a symbolic link.
    init(of path: String) throws(ServerError) {
        self.path = path
        var parts = path.split(separator: "/").map(String.init)
        name = parts.removeLast()
        var folder = try Self.open("/", in: nil)
        var walked = ""
        do throws(ServerError) {
            for part in parts {
                try Self.check(folder, walked, isLast: false)
                walked += "/\(part)"
                let next = try Self.open(part, in: folder, as: walked)
                try? folder.close()
                folder = next
            }
            try Self.check(folder, walked, isLast: true)
        } catch {
            try? folder.close()
            throw error
        }
        descriptor = folder
    }

    deinit { try? descriptor.close() }

    private static func open(
        _ name: String, in folder: FileDescriptor?, as path: String = "/"
    ) throws(ServerError) -> FileDescriptor {
        let flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC
        let value = unsafe openat(folder?.rawValue ?? AT_FDCWD, name, flags)
        guard value >= 0 else {
            let reason = Errno(rawValue: errno)
            throw ServerError(
                reason == .notDirectory || reason == .tooManySymbolicLinkLevels
                    ? "\(path) is a symbolic link, or no folder" : "cannot open folder \(path): \(reason)",
                advice: "name an existing folder of root's, without symbolic links on the way")
        }
        return FileDescriptor(rawValue: value)
    }

    /// - Parameter isLast: Whether it is the folder itself; of one above it is enough that others cannot rename what is
    ///   in it.
    private static func check(_ folder: FileDescriptor, _ path: String, isLast: Bool) throws(ServerError) {
        var status = stat()
        guard unsafe fstat(folder.rawValue, &status) == 0 else {
            throw ServerError("cannot ask about \(path): \(Errno(rawValue: errno))", advice: "run it as root")
        }
        let isWritable = status.st_mode & 0o022 != 0 && (isLast || status.st_mode & UInt32(S_ISVTX) == 0)
        guard status.st_uid == 0 || status.st_uid == geteuid(), !isWritable else {
            throw ServerError(
                "folder \(path.isEmpty ? "/" : path) is not root's alone: others could put a socket of theirs there",
                advice: "use a folder that root owns and only root may write to, such as /run/bulkhead")
        }
    }

    /// The socket's, by the folder's descriptor: that leads nowhere else, and keeps the path short.
    private var address: UnixAddress {
        get throws(ServerError) {
            guard let address = UnixAddress("/proc/self/fd/\(descriptor.rawValue)/\(name)") else {
                throw ServerError("the name of \(path) is too long for a socket", advice: "use a shorter name")
            }
            return address
        }
    }

    /// The inode and kind of what has the socket's name now.
    private var present: (inode: UInt64, isSocket: Bool)? {
        var status = stat()
        guard unsafe fstatat(descriptor.rawValue, name, &status, AT_SYMLINK_NOFOLLOW) == 0 else { return nil }
        return (UInt64(status.st_ino), status.st_mode & UInt32(S_IFMT) == UInt32(S_IFSOCK))
    }

    /// Gives a socket its name here; a name that an earlier process has left is taken over.
    ///
    /// - Returns: the inode that it has got.
    func bind(_ socket: FileDescriptor, mode: mode_t) throws(ServerError) -> UInt64 {
        try makeRoom()
        guard try unsafe address.with({ unsafe Glibc.bind(socket.rawValue, $0, $1) }) == 0 else {
            throw ServerError("cannot bind \(path): \(Errno(rawValue: errno))", advice: "see who uses it: ss -xlp")
        }
        // The process's mask took away what it did; nobody can connect yet, because nothing listens.
        guard unsafe fchmodat(descriptor.rawValue, name, mode, 0) == 0, let present else {
            throw ServerError("cannot set the mode of \(path): \(Errno(rawValue: errno))", advice: "run it as root")
        }
        return present.inode
    }

    private func makeRoom() throws(ServerError) {
        guard let present else { return }
        guard present.isSocket else {
            throw ServerError("\(path) is not a socket; it is left as it is", advice: "name another path, or remove it")
        }
        let probe = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        defer { close(probe) }
        let isRefused = try !address.connect(probe) && errno == ECONNREFUSED
        guard isRefused else {
            throw ServerError("somebody listens at \(path) already", advice: "stop it, or name another path")
        }
        _ = unsafe unlinkat(descriptor.rawValue, name, 0)
    }

    /// Takes a socket's name away, if it is still that socket's.
    func remove(_ inode: UInt64) {
        if present?.inode == inode { _ = unsafe unlinkat(descriptor.rawValue, name, 0) }
    }
}
