import Glibc
import Libbpf

/// A file or folder that this process alone may change, until the end of this value's life or of the process.
struct FileLock: ~Copyable, Sendable {
    let descriptor: Descriptor

    /// Locks what is open. nil: `errno` says why; EWOULDBLOCK: someone else has it.
    init?(_ descriptor: consuming Descriptor) {
        guard flock(descriptor.value, LOCK_EX | LOCK_NB) == 0 else { return nil }
        self.descriptor = descriptor
    }

    /// Unlocks rather than only closes: a child that was forked in this moment, and has not got to its own program yet, holds the file open
    /// too, and with it the lock.
    deinit { flock(descriptor.value, LOCK_UN) }
}

extension PinFolder {
    /// Locks the folder for this process alone; the kernel lets go of it when the process ends. nil: someone else has it.
    func lock() throws(DatapathError) -> FileLock? {
        let value = unsafe open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard value >= 0 else {
            if errno == ENOENT { return nil }
            throw DatapathError("cannot open \(path): \(text(errno))")
        }
        guard let lock = FileLock(Descriptor(owning: value)) else {
            if errno == EWOULDBLOCK { return nil }
            throw DatapathError("cannot lock \(path): \(text(errno))")
        }
        // Someone may have removed it, and even made another, between the two calls.
        var held = stat()
        var present = stat()
        guard unsafe fstat(value, &held) == 0, unsafe stat(path, &present) == 0, held.st_ino == present.st_ino else {
            return nil
        }
        return lock
    }
}
