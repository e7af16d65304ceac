// SPDX-License-Identifier: Apache-2.0
import Glibc
import Libbpf
import SystemPackage

/// A file or folder that this process alone may change, until the end of this value's life or of the process.
package struct FileLock: ~Copyable, Sendable {
    package let descriptor: Descriptor

    /// Locks what is open.
    ///
    /// - Throws: `wouldBlock` where someone else has it.
    package init(_ descriptor: consuming Descriptor) throws(Errno) {
        guard flock(descriptor.value, LOCK_EX | LOCK_NB) == 0 else { throw Errno(rawValue: errno) }
        self.descriptor = descriptor
    }

    /// Whether what is locked was removed, and has no name any more.
    package var isRemoved: Bool {
        var status = stat()
        return unsafe fstat(descriptor.value, &status) == 0 && status.st_nlink == 0
    }

    /// Unlocks rather than only closes: a child that was forked in this moment, and has not got to its own program yet,
    /// holds the file open too, and with it the lock.
    deinit { flock(descriptor.value, LOCK_UN) }
}

extension PinFolder {
    /// Locks the folder for this process alone; the kernel lets go of it when the process ends. nil: someone else has
    /// it, or it is not there.
    package func lock() throws(DatapathError) -> FileLock? {
        guard let open = try open() else { return nil }
        return try lock(open)
    }

    /// Locks the folder that was opened, where it still has this one's name: someone may have removed it, and even
    /// made another.
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
