// SPDX-License-Identifier: Apache-2.0
import Glibc
import UnixSockets

/// Who is at the other end of a Unix socket, as the kernel noted when they connected. Whoever is handed an open
/// connection speaks as the one who made it.
package struct Peer: Sendable, Hashable {
    package var user: UInt32
    /// The group of the process, and those that it is in besides.
    package var groups: Set<UInt32>
    /// Of the process that connected. It may have ended, and the number may be another's now: for logs alone.
    package var process: Int32

    package init(user: UInt32, groups: Set<UInt32>, process: Int32 = 0) {
        self.user = user
        self.groups = groups
        self.process = process
    }

    /// - Returns: nil if the socket is not a Unix socket.
    package init?(of socket: Int32) {
        guard let credentials = PeerCredentials(of: socket), let others = Self.groups(of: socket) else { return nil }
        self.init(
            user: credentials.user, groups: others.union([credentials.group]), process: credentials.process)
    }

    /// The kernel allows a process 65,536 groups at most.
    private static func groups(of socket: Int32) -> Set<UInt32>? {
        var groups = [gid_t](repeating: 0, count: 64)
        for _ in 0..<2 {
            var length = socklen_t(groups.count * MemoryLayout<gid_t>.stride)
            if unsafe getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, &groups, &length) == 0 {
                return Set(groups.prefix(Int(length) / MemoryLayout<gid_t>.stride))
            }
            guard errno == ERANGE else { return nil }
            groups = [gid_t](repeating: 0, count: Int(length) / MemoryLayout<gid_t>.stride)
        }
        return nil
    }
}
