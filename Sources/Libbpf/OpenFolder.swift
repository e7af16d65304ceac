// SPDX-License-Identifier: Apache-2.0
import CLibbpf
import Glibc

/// A folder that is held open. What is in it is found, made and removed relative to the descriptor, so renaming or
/// replacing a folder leads no call elsewhere.
public final class OpenFolder: Sendable {
    /// The path, for messages.
    public let path: String
    public let descriptor: Descriptor
    /// What the kernel says of the folder that was opened.
    public let status: Status

    public struct Status: Sendable, Hashable {
        public var inode: UInt64
        /// The user id of its owner.
        public var owner: UInt32
        /// The permissions and the sticky bit.
        public var mode: UInt32
        /// Whether it is in a BPF file system.
        public var isBPF: Bool

        public init(inode: UInt64, owner: UInt32, mode: UInt32, isBPF: Bool) {
            self.inode = inode
            self.owner = owner
            self.mode = mode
            self.isBPF = isBPF
        }
    }

    private init(_ descriptor: consuming Descriptor, path: String) throws(BPFError) {
        var folder = bulkhead_folder()
        let value = descriptor.value
        try check("ask about", path) { unsafe bulkhead_folder(value, &folder) }
        status = Status(inode: folder.inode, owner: folder.owner, mode: folder.mode, isBPF: folder.is_bpf)
        self.descriptor = descriptor
        self.path = path
    }

    /// Opens a folder by its path, as the parent of others. A symbolic link on the way is an error (ELOOP).
    public convenience init(path: String) throws(BPFError) {
        let value = try check("open folder", path) { unsafe bulkhead_open_folder(-1, path, true) }
        try self.init(Descriptor(owning: value), path: path)
    }

    /// Opens a folder in this one; nil if there is none of that name. A symbolic link is an error (ELOOP).
    public func folder(_ name: String) throws(BPFError) -> OpenFolder? {
        let value = unsafe bulkhead_open_folder(descriptor.value, name, false)
        if value == -ENOENT { return nil }
        guard value >= 0 else { throw BPFError("open folder", "\(path)/\(name)", errno: -value) }
        return try OpenFolder(Descriptor(owning: value), path: "\(path)/\(name)")
    }

    /// Makes a folder in this one that only its owner may enter; one that exists is fine.
    public func make(_ name: String) throws(BPFError) {
        guard unsafe mkdirat(descriptor.value, name, 0o700) != 0 else {
            // Whatever the umask is.
            _ = unsafe fchmodat(descriptor.value, name, 0o700, 0)
            return
        }
        guard errno == EEXIST else { throw BPFError("make folder", "\(path)/\(name)", errno: errno) }
    }

    /// The names in it, sorted.
    public var names: [String] {
        get throws(BPFError) {
            // Opened again, because a walk moves the descriptor's position.
            let value = unsafe openat(descriptor.value, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
            guard value >= 0, let folder = unsafe fdopendir(value) else {
                throw BPFError("list", path, errno: errno)
            }
            defer { unsafe closedir(folder) }
            var result: [String] = []
            while let entry = unsafe readdir(folder) {
                let name = unsafe text(of: entry.pointee.d_name)
                if name != ".", name != ".." { result.append(name) }
            }
            return result.sorted()
        }
    }

    /// Whether there is something of that name; a symbolic link counts, wherever it leads.
    public func holds(_ name: String) -> Bool { inode(of: name) != nil }

    /// The inode of what has that name, or of the symbolic link itself; nil if there is nothing.
    public func inode(of name: String) -> UInt64? {
        var status = stat()
        guard unsafe fstatat(descriptor.value, name, &status, AT_SYMLINK_NOFOLLOW) == 0 else { return nil }
        return UInt64(status.st_ino)
    }

    /// Removes a pin; one that is gone already is fine.
    public func unpin(_ name: String) throws(BPFError) {
        guard unsafe unlinkat(descriptor.value, name, 0) == 0 || errno == ENOENT else {
            throw BPFError("remove", "\(path)/\(name)", errno: errno)
        }
    }

    /// Removes an empty folder; one that is gone already is fine.
    public func removeFolder(_ name: String) throws(BPFError) {
        guard unsafe unlinkat(descriptor.value, name, AT_REMOVEDIR) == 0 || errno == ENOENT else {
            throw BPFError("remove", "\(path)/\(name)", errno: errno)
        }
    }

    /// Gives a pin another name; a pin that has it is replaced in one step.
    public func rename(_ old: String, to new: String) throws(BPFError) {
        guard unsafe renameat(descriptor.value, old, descriptor.value, new) == 0 else {
            throw BPFError("rename pin", "\(path)/\(old)", errno: errno)
        }
    }
}
