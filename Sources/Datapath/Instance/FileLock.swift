// SPDX-License-Identifier: Apache-2.0
import Glibc
import Libbpf
import SystemPackage

/// An exclusive lock on a file or folder. It ends with this value, or with the process.
package struct FileLock: ~Copyable, Sendable {
    package let descriptor: Descriptor

    /// Locks an open file or folder, without waiting.
    ///
    /// - Throws: `wouldBlock` if another process has the lock.
    package init(_ descriptor: consuming Descriptor) throws(Errno) {
        guard flock(descriptor.value, LOCK_EX | LOCK_NB) == 0 else { throw Errno(rawValue: errno) }
        self.descriptor = descriptor
    }

    /// Whether what is locked was removed, and has no name any more.
    package var isRemoved: Bool {
        var status = stat()
        return unsafe fstat(descriptor.value, &status) == 0 && status.st_nlink == 0
    }

    /// Closing alone is not enough: a child that was forked just now, and has not started its own program yet, also
    /// holds the file open, and with it the lock.
    deinit { flock(descriptor.value, LOCK_UN) }
}

extension PinFolder {
    /// Locks the folder; the kernel releases the lock when the process ends. nil: another process has the lock, or the
    /// folder does not exist.
    package func lock() throws(DatapathError) -> FileLock? {
        guard let open = try open() else { return nil }
        return try lock(open)
    }

    /// Locks a folder that was opened before. nil: another process has the lock, or the folder no longer has this name,
    /// because it was removed or replaced.
    package func lock(_ open: OpenFolder) throws(DatapathError) -> FileLock? {
        let copy: Descriptor
        do throws(BPFError) {
            copy = try open.descriptor.duplicate()
        } catch {
            throw DatapathError("cannot lock \(path)", error)
        }
        let lock: FileLock
        do throws(Errno) {
            lock = try FileLock(copy)
        } catch {
            if error == .wouldBlock { return nil }
            throw DatapathError("cannot lock \(path): \(error)")
        }
        guard isStill(open) else { return nil }
        return lock
    }
}
