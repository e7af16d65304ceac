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
        var found: [UInt64: TCPConnection] = [:]
        for line in text.split(separator: "\n").dropFirst() {
            let words = line.split(separator: " ")
            guard words.count > 9, words[3] == "01", let local = End(hexadecimal: words[1]),
                let remote = End(hexadecimal: words[2]), let inode = UInt64(words[9])
            else { continue }
            found[inode] = TCPConnection(local: local, remote: remote, namespace: namespace)
        }
        return found
    }
}

extension TCPConnection.End {
    /// Reads `0100007F:0016`: words of four bytes of the address, each in this machine's order, and the port.
    fileprivate init?(hexadecimal text: Substring) {
        let parts = text.split(separator: ":")
        guard parts.count == 2, let port = UInt16(parts[1], radix: 16), [8, 32].contains(parts[0].utf8.count) else {
            return nil
        }
        var value: UInt128 = 0
        var rest = parts[0]
        while !rest.isEmpty {
            guard let word = UInt32(rest.prefix(8), radix: 16) else { return nil }
            value = value << 32 | UInt128(UInt32(bigEndian: word))
            rest = rest.dropFirst(8)
        }
        // IPv4 within a socket of both versions.
        let isMapped = parts[0].utf8.count == 32 && value >> 32 == 0xffff
        let isV4 = parts[0].utf8.count == 8 || isMapped
        self.init(IPAddress(family: isV4 ? .v4 : .v6, value: isMapped ? value & 0xffff_ffff : value), port)
    }
}
