// SPDX-License-Identifier: Apache-2.0
import Compiler
import Network
import Wire

/// A packet's fields in the contract's words; a field that the packet does not have is nil.
package struct PacketWords {
    package let packet: Packet

    package init(_ packet: Packet) { self.packet = packet }

    /// Whether the frame was long enough for an Ethernet header.
    private var hasEthernet: Bool { packet.length >= 14 }

    package var sourceMAC: String? { hasEthernet ? "\(packet.sourceMAC)" : nil }
    package var destinationMAC: String? { hasEthernet ? "\(packet.destinationMAC)" : nil }

    /// nil for LLC, whose field is a length.
    package var etherType: UInt16? { packet.etherType == 0 ? nil : packet.etherType }

    package var vlan: UInt16? { packet.vlanTags > 0 ? packet.outerVLAN : nil }

    /// `tcp`, `udp`, `sctp`, `icmp`, `icmpv6`, else `proto/N`, as a policy's service is written.
    package var protocolName: String? {
        guard let family = packet.family, packet.refusal == nil || packet.ipProtocol != 0 else { return nil }
        return PacketWords.name(ofProtocol: packet.ipProtocol, family)
    }

    package static func name(ofProtocol number: UInt8, _ family: AddressFamily) -> String {
        switch (number, family) {
        case (6, _): "tcp"
        case (17, _): "udp"
        case (132, _): "sctp"
        case (1, .v4): "icmp"
        case (58, .v6): "icmpv6"
        default: "proto/\(number)"
        }
    }

    private var hasPorts: Bool { packet.hasL4 && ["tcp", "udp", "sctp"].contains(protocolName) }
    private var isICMP: Bool { packet.hasL4 && ["icmp", "icmpv6"].contains(protocolName) }

    package var sourcePort: UInt16? { hasPorts ? packet.sourcePort : nil }
    package var destinationPort: UInt16? { hasPorts ? packet.destinationPort : nil }
    package var icmpType: UInt8? { isICMP ? packet.type : nil }
    package var icmpCode: UInt8? { isICMP ? packet.code : nil }

    /// The letters of the flags that are set, in the order FIN, SYN, RST, PSH, ACK, URG, ECE, CWR: `S`, `SA`, `FPU`.
    package var tcpFlags: String? {
        guard packet.hasL4, protocolName == "tcp" else { return nil }
        return String("FSRPAUEC".enumerated().filter { packet.tcpFlags >> UInt8($0.offset) & 1 == 1 }.map(\.element))
    }
}

extension PacketWords {
    /// One phrase for people: `tcp 198.51.100.10:40000 > 198.51.100.20:22 S`.
    package var phrase: String {
        var words: [String] = []
        if let vlan { words.append("vlan \(vlan)") }
        words.append(protocolName ?? frameKind)
        if let source = packet.source, let destination = packet.destination {
            let (from, to) = (source.written(with: sourcePort), destination.written(with: destinationPort))
            words.append("\(from) > \(to)")
        } else if let sourceMAC, let destinationMAC {
            words.append("\(sourceMAC) > \(destinationMAC)")
        }
        if let tcpFlags, !tcpFlags.isEmpty { words.append(tcpFlags) }
        if let icmpType, let icmpCode { words.append("type \(icmpType) code \(icmpCode)") }
        if packet.fragment == .later { words.append("later fragment") }
        return words.joined(separator: " ")
    }

    private var frameKind: String {
        if packet.isARP { return "arp" }
        if let family = packet.family { return family == .v4 ? "ip" : "ipv6" }
        guard hasEthernet else { return "frame of \(packet.length) bytes" }
        guard let etherType else { return "llc" }
        let digits = String(etherType, radix: 16)
        return "ethertype/0x" + String(repeating: "0", count: 4 - digits.count) + digits
    }
}
