// SPDX-License-Identifier: Apache-2.0
import Glibc

/// Who is at the other end of a connected Unix socket, as the kernel noted when they connected or listened:
/// `struct ucred`, which the C library hides from Swift.
package struct PeerCredentials: Sendable, Hashable {
    package let process: pid_t
    package let user: uid_t
    package let group: gid_t

    /// - Returns: nil if nobody is there, or the socket is not a Unix socket.
    package init?(of socket: Int32) {
        var words: [UInt32] = [0, .max, .max]
        let size = socklen_t(words.count * MemoryLayout<UInt32>.stride)
        var length = size
        guard unsafe getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &words, &length) == 0, length == size,
            words[1] != .max
        else { return nil }
        process = pid_t(bitPattern: words[0])
        user = words[1]
        group = words[2]
    }
}
