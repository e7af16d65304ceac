// SPDX-License-Identifier: Apache-2.0
import Network

/// What a packet of one specific service carries above IP.
package enum ProbeService: Sendable, Hashable {
    case tcp(port: UInt16)
    case udp(port: UInt16)
    case sctp(port: UInt16)
    /// ICMP or ICMPv6, depending on the packet's family.
    case icmp(type: UInt8, code: UInt8)
    /// A protocol known by its number only.
    case other(protocol: UInt8)

    package var protocolNumber: (AddressFamily) -> UInt8 {
        { family in
            switch self {
            case .tcp: 6
            case .udp: 17
            case .sctp: 132
            case .icmp: family == .v4 ? 1 : 58
            case .other(let number): number
            }
        }
    }
}

/// Which segment of a TCP connection a packet is.
package enum ProbeSegment: Sendable, Hashable {
    /// The SYN that opens it.
    case opening
    /// The SYN and ACK of the other end.
    case answer
    /// The first without a SYN of the end that opened it.
    case later
    /// The first without a SYN of the other end.
    case laterAnswer

    /// The sequence number, that which is acknowledged, and the flags. Each end starts at its own number.
    fileprivate var header: (sequence: UInt8, acknowledged: UInt8, flags: UInt8) {
        switch self {
        case .opening: (1, 0, 0x02)
        case .answer: (101, 2, 0x12)
        case .later: (2, 102, 0x10)
        case .laterAnswer: (102, 2, 0x10)
        }
    }
}

/// A synthetic packet as it is on the wire: the opening packet that `explain` asks about.
package struct ProbeFrame: Sendable {
    package var source: IPAddress
    package var destination: IPAddress
    package var sourceMAC: MACAddress
    package var destinationMAC: MACAddress
    package var service: ProbeService
    /// For TCP, UDP and SCTP.
    package var sourcePort: UInt16
    /// The VLAN of an 802.1Q tag; nil for untagged.
    package var vlan: UInt16?
    /// For TCP.
    package var segment = ProbeSegment.opening

    package init(
        source: IPAddress, destination: IPAddress, sourceMAC: MACAddress, destinationMAC: MACAddress,
        service: ProbeService, sourcePort: UInt16, vlan: UInt16?
    ) {
        self.source = source
        self.destination = destination
        self.sourceMAC = sourceMAC
        self.destinationMAC = destinationMAC
        self.service = service
        self.sourcePort = sourcePort
        self.vlan = vlan
    }

    /// The Ethernet frame. The checksums of IPv4 and ICMP are right; all others are zero, because the datapath does not
    /// read them.
    package var bytes: [UInt8] {
        let payload = transport
        var frame = destinationMAC.bytes + sourceMAC.bytes
        if let vlan { frame += [0x81, 0x00] + Self.bigEndian(vlan) }
        switch source.family {
        case .v4: frame += [0x08, 0x00] + header4(payload.count) + payload
        case .v6: frame += [0x86, 0xdd] + header6(payload.count) + payload
        }
        return frame
    }

    private func header4(_ payload: Int) -> [UInt8] {
        var header: [UInt8] = [0x45, 0] + Self.bigEndian(UInt16(20 + payload))
        header += [0, 1, 0x40, 0, hopLimit, service.protocolNumber(.v4), 0, 0]
        header += Self.wire(source) + Self.wire(destination)
        header.replaceSubrange(10..<12, with: Self.bigEndian(Self.checksum(header)))
        return header
    }

    private func header6(_ payload: Int) -> [UInt8] {
        [0x60, 0, 0, 0] + Self.bigEndian(UInt16(payload)) + [service.protocolNumber(.v6), hopLimit]
            + Self.wire(source) + Self.wire(destination)
    }

    /// 255 for neighbour discovery and 1 for listener reports, as required; else a sender's usual value.
    private var hopLimit: UInt8 {
        guard source.family == .v6, case .icmp(let type, _) = service else { return 64 }
        switch type {
        case 133...137: return 255
        case 130...132, 143: return 1
        default: return 64
        }
    }

    private var transport: [UInt8] {
        switch service {
        case .tcp(let port):
            let (sequence, acknowledged, flags) = segment.header
            return Self.bigEndian(sourcePort) + Self.bigEndian(port)
                + [0, 0, 0, sequence, 0, 0, 0, acknowledged, 0x50, flags, 0xfa, 0xf0, 0, 0, 0, 0]
        case .udp(let port):
            return Self.bigEndian(sourcePort) + Self.bigEndian(port) + [0, 8, 0, 0]
        case .sctp(let port):
            let initiation: [UInt8] = [1, 0, 0, 20, 0, 0, 0, 1, 0, 0, 0xff, 0xff, 0, 1, 0, 1, 0, 0, 0, 1]
            return Self.bigEndian(sourcePort) + Self.bigEndian(port) + [0, 0, 0, 0, 0, 0, 0, 0] + initiation
        case .icmp(let type, let code):
            var message: [UInt8] = [type, code, 0, 0] + icmpBody(type)
            if source.family == .v4 { message.replaceSubrange(2..<4, with: Self.bigEndian(Self.checksum(message))) }
            return message
        case .other(let number):
            return other(number)
        }
    }

    /// The fixed part of a message without options, long enough for any type.
    private func icmpBody(_ type: UInt8) -> [UInt8] {
        guard source.family == .v6 else { return [UInt8](repeating: 0, count: 36) }
        switch type {
        case 133: return [UInt8](repeating: 0, count: 4)
        case 134: return [UInt8](repeating: 0, count: 12)
        // The target of a solicitation or an advertisement.
        case 135: return [0, 0, 0, 0] + Self.wire(destination)
        case 136: return [0, 0, 0, 0] + Self.wire(source)
        case 130...132, 143: return [UInt8](repeating: 0, count: 20)
        default: return [UInt8](repeating: 0, count: 36)
        }
    }

    /// The shortest valid header of a protocol known by its number only, if the datapath looks into it.
    private func other(_ number: UInt8) -> [UInt8] {
        // Next header 59: nothing follows.
        let none: UInt8 = 59
        switch (number, source.family) {
        case (6, _), (17, _), (132, _), (1, .v4), (58, .v6): return likeness(number)
        case (0, .v6), (60, .v6): return [none, 0, 1, 4, 0, 0, 0, 0]
        case (43, .v6), (44, .v6): return [none, 0, 0, 0, 0, 0, 0, 0]
        case (51, _): return [none, 1, 0, 0] + [UInt8](repeating: 0, count: 8)
        default: return [UInt8](repeating: 0, count: 16)
        }
    }

    /// The transport part of a protocol that has ports or types, with an arbitrary port or type.
    private func likeness(_ number: UInt8) -> [UInt8] {
        var frame = self
        switch number {
        case 6: frame.service = .tcp(port: 0)
        case 17: frame.service = .udp(port: 0)
        case 132: frame.service = .sctp(port: 0)
        case 1: frame.service = .icmp(type: 8, code: 0)
        default: frame.service = .icmp(type: 128, code: 0)
        }
        return frame.transport
    }

    private static func bigEndian(_ value: UInt16) -> [UInt8] { [UInt8(value >> 8), UInt8(value & 255)] }

    private static func wire(_ address: IPAddress) -> [UInt8] {
        let bytes = address.family.bits / 8
        return (0..<bytes).map { UInt8(truncatingIfNeeded: address.value >> UInt128(8 * (bytes - 1 - $0))) }
    }

    /// The Internet checksum over an even number of bytes.
    private static func checksum(_ bytes: [UInt8]) -> UInt16 {
        var sum: UInt32 = 0
        for index in stride(from: 0, to: bytes.count, by: 2) {
            sum += UInt32(bytes[index]) << 8 | UInt32(bytes[index + 1])
        }
        while sum > 0xffff { sum = (sum & 0xffff) + (sum >> 16) }
        return ~UInt16(sum)
    }
}
