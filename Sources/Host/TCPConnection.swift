// SPDX-License-Identifier: Apache-2.0
import Network

/// An open TCP connection of this host.
package struct TCPConnection: Sendable, Hashable {
    package struct End: Sendable, Hashable {
        package var address: IPAddress
        package var port: UInt16

        package init(_ address: IPAddress, _ port: UInt16) {
            self.address = address
            self.port = port
        }
    }

    /// This host's end.
    package var local: End
    package var remote: End
    /// The inode of the network namespace that it ends in.
    package var namespace: UInt64

    package init(local: End, remote: End, namespace: UInt64) {
        self.local = local
        self.remote = remote
        self.namespace = namespace
    }

    /// Whether its address says nothing of the link that its packets take.
    package var isLinkLocal: Bool {
        remote.address.family == .v6 && WellKnown.linkLocal.contains(remote.address)
    }
}

extension TCPConnection {
    /// Reads the established connections in `/proc/net/tcp` or `tcp6`, by the inode of their socket.
    static func established(_ text: String, _ namespace: UInt64) -> [UInt64: TCPConnection] {
        let lines = SocketTable(text).lines.filter { $0.state == SocketTable.established }
        let found = lines.map { ($0.inode, TCPConnection(local: $0.local, remote: $0.remote, namespace: namespace)) }
        return Dictionary(found) { _, last in last }
    }
}
