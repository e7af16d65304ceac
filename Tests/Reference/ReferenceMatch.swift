// SPDX-License-Identifier: Apache-2.0
import Network
import Policy
import Wire

extension Packet {
    /// Whether the packet has the fields that a rule asks for, written from the policy language.
    func fits(_ match: RuleMatch, _ marks: PacketMarks? = nil) -> Bool {
        let isIP = family != nil
        func holds<Value>(_ asked: Value?, _ test: (Value) -> Bool) -> Bool { asked.map(test) ?? true }
        return holds(match.tcpFlags) { isIP && isTCP && hasL4 && tcpFlags & $0.of == $0.set }
            && holds(match.hopLimit) { isIP && $0.contains(hopLimit) }
            && holds(match.length) { isIP && $0.contains(UInt32(end - l3Offset)) }
            && holds(match.fragment) { isIP && (fragment == .first) == $0 }
            && holds(match.dscp) { isIP && marks?.codePoint.map($0.contains) ?? false }
            && holds(match.pcp) { marks?.priority.map($0.contains) ?? false }
            && holds(match.sourceMACs) { $0.contains(sourceMAC) }
            && holds(match.destinationMACs) { $0.contains(destinationMAC) }
    }
}

/// What a sender marks a frame with, and no parse of a packet has.
public struct PacketMarks: Sendable, Hashable {
    /// The code point of an IP packet (RFC 2474).
    public var codePoint: UInt8?
    /// The priority in the outermost tag (IEEE 802.1Q).
    public var priority: UInt8?

    public init(codePoint: UInt8? = nil, priority: UInt8? = nil) {
        self.codePoint = codePoint
        self.priority = priority
    }

    /// Those of a packet that was read from a frame.
    ///
    /// - Parameter tag: Tag control information that stands beside the frame, as the outermost tag.
    public init(of packet: Packet, in frame: [UInt8], besides tag: UInt16? = nil) {
        let place = packet.l3Offset
        if packet.family != nil, place + 1 < frame.count {
            // In IPv6 the traffic class stands behind the version's four bits.
            codePoint =
                packet.family == .v4
                ? frame[place + 1] >> 2 : (frame[place] & 15) << 2 | frame[place + 1] >> 6
        }
        if let tag {
            priority = UInt8(tag >> 13)
        } else if packet.vlanTags > 0, frame.count > 14 {
            priority = frame[14] >> 5
        }
    }
}
