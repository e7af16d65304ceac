// SPDX-License-Identifier: Apache-2.0
import Network

/// The lines of a table of sockets below `/proc/net`: of `tcp`, `udp` or `raw`, or the same of IPv6.
struct SocketTable {
    struct Line {
        var local: TCPConnection.End
        var remote: TCPConnection.End
        /// As TCP numbers its states; an unconnected UDP socket has that of a closed one.
        var state: UInt8
        var inode: UInt64
    }

    static let established: UInt8 = 1
    /// One end has said that it will send no more, and the other may send on.
    static let halfClosed: Set<UInt8> = [4, 5, 8]
    static let closed: UInt8 = 7
    static let listening: UInt8 = 10

    private(set) var lines: [Line] = []

    init(_ text: String) {
        for line in text.split(separator: "\n").dropFirst() {
            let words = line.split(separator: " ")
            guard words.count > 9, let local = TCPConnection.End(hexadecimal: words[1]),
                let remote = TCPConnection.End(hexadecimal: words[2]), let state = UInt8(words[3], radix: 16),
                let inode = UInt64(words[9])
            else { continue }
            lines.append(Line(local: local, remote: remote, state: state, inode: inode))
        }
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
