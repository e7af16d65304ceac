// SPDX-License-Identifier: Apache-2.0
import Glibc

/// The descriptors 0, 1 and 2, which a process may be started without.
enum StandardDescriptors {
    /// Takes those that are closed. Otherwise the next file that is opened gets such a number, and lines for standard
    /// output or standard error are written into it: a capture, a pinned object, a socket.
    ///
    /// What is written to a descriptor that was closed is discarded, as its user asked for. Where there is no
    /// `/dev/null` (in a bare root directory), the number is taken by a directory, which can be neither read nor
    /// written.
    static func fill() {
        for number in STDIN_FILENO...STDERR_FILENO {
            guard fcntl(number, F_GETFD) < 0, errno == EBADF else { continue }
            // The kernel gives the lowest free number, which is this one: those below are taken.
            if unsafe open("/dev/null", O_RDWR) < 0 { _ = unsafe open("/", O_RDONLY | O_DIRECTORY) }
        }
    }
}
