// SPDX-License-Identifier: Apache-2.0
import Glibc

/// The few calls that files need; the only place of this module that touches raw memory.
enum SystemCall {
    /// Opens for reading. Returns the descriptor, or the negated error number.
    static func openToRead(_ path: String) -> Int32 {
        result(unsafe open(path, O_RDONLY | O_CLOEXEC))
    }

    /// Creates or empties a file that only its owner may read: captures hold what people send each other.
    static func openToWrite(_ path: String) -> Int32 {
        result(unsafe open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600))
    }

    /// Fills `buffer` from its start; returns how many bytes were read (0 at the end), or the negated error number.
    static func read(_ descriptor: Int32, into buffer: inout [UInt8]) -> Int {
        while true {
            let count = unsafe buffer.withUnsafeMutableBytes { bytes in
                unsafe Glibc.read(descriptor, bytes.baseAddress, bytes.count)
            }
            if count >= 0 { return count }
            if errno != EINTR { return -Int(errno) }
        }
    }

    /// Writes all of `bytes`; returns 0 or the error number.
    static func write(_ descriptor: Int32, _ bytes: [UInt8]) -> Int32 {
        var done = 0
        while done < bytes.count {
            let count = unsafe bytes.withUnsafeBytes { all in
                let rest = unsafe UnsafeRawBufferPointer(rebasing: all[done...])
                return unsafe Glibc.write(descriptor, rest.baseAddress, rest.count)
            }
            if count > 0 {
                done += count
            } else if errno != EINTR {
                return errno
            }
        }
        return 0
    }

    static func close(_ descriptor: Int32) { _ = Glibc.close(descriptor) }

    static func message(_ errno: Int32) -> String { unsafe String(cString: strerror(errno)) }

    private static func result(_ descriptor: Int32) -> Int32 { descriptor >= 0 ? descriptor : -errno }
}
