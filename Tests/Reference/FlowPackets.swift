// SPDX-License-Identifier: Apache-2.0
import Network
import Wire

/// What flows need to know of a packet.
extension Packet {
    package static let fin: UInt8 = 1
    package static let syn: UInt8 = 2
    package static let rst: UInt8 = 4
    package static let ack: UInt8 = 16

    package func has(_ flag: UInt8) -> Bool { tcpFlags & flag != 0 }

    package var isTCP: Bool { ipProtocol == 6 }

    private var isOfICMP: Bool { ipProtocol == (family == .v4 ? 1 : 58) }
    package var isEchoRequest: Bool { isOfICMP && type == (family == .v4 ? 8 : 128) }
    package var isEchoReply: Bool { isOfICMP && type == (family == .v4 ? 0 : 129) }

    /// Every IP packet, but of ICMP only echo.
    package var isTracked: Bool { family != nil && (!isOfICMP || isEchoRequest || isEchoReply) }

    /// Whether it can be the first of its flow.
    package var isOpening: Bool {
        if isTCP { return has(Packet.syn) && tcpFlags & (Packet.ack | Packet.rst | Packet.fin) == 0 }
        return !isOfICMP || isEchoRequest
    }

    /// Whether its ports, or its type, say that another packet opened its connection. Of what is not TCP.
    package var suggestsAnswer: Bool {
        isOfICMP ? isEchoReply : sourcePort < destinationPort && sourcePort < 32768
    }

    /// An ICMP error that may be related to a flow: unreachable, too big, time exceeded, parameter problem; never a
    /// redirect.
    public var isError: Bool { isICMP && (family == .v4 ? [3, 11, 12].contains(type) : (1...4).contains(type)) }

    /// The ports, or for echo the identifier at both ends.
    package var flowPorts: (source: UInt16, destination: UInt16) {
        isOfICMP ? (echo, echo) : (sourcePort, destinationPort)
    }

    /// The packet that this one would answer.
    package var reversed: Packet {
        var packet = self
        (packet.source, packet.destination) = (destination, source)
        (packet.sourcePort, packet.destinationPort) = (destinationPort, sourcePort)
        return packet
    }

    /// As an echo reply, where it is of ICMP.
    package var asReply: Packet {
        var packet = self
        if isOfICMP { packet.type = family == .v4 ? 0 : 129 }
        return packet
    }

    /// As an echo request, where it is of ICMP.
    package var asRequest: Packet {
        var packet = self
        if isOfICMP { packet.type = family == .v4 ? 8 : 128 }
        return packet
    }
}
