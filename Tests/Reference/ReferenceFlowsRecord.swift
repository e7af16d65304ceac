// SPDX-License-Identifier: Apache-2.0
import Compiler
import Network
import Policy
import Wire

/// What the model keeps of a flow.
extension ReferenceFlows {
    struct End: Hashable {
        var address: IPAddress?
        var port: UInt16
    }

    struct Key: Hashable {
        var scope: Int
        var ipProtocol: UInt8
        /// Who sends what goes `in`, and to whom.
        var sender: End
        var receiver: End
        var outerVLAN: UInt16
        var innerVLAN: UInt16
        /// Behind an authentication header it is another conversation.
        var isAuthenticated: Bool

        /// `tags`: of the frame that carries it, where `packet` is a quotation.
        init(_ packet: Packet, _ direction: Direction, scope: Int, tags: Packet) {
            self.scope = scope
            ipProtocol = packet.ipProtocol
            let ports = packet.flowPorts
            let source = End(address: packet.source, port: ports.source)
            let destination = End(address: packet.destination, port: ports.destination)
            (sender, receiver) = direction == .in ? (source, destination) : (destination, source)
            (outerVLAN, innerVLAN) = (tags.outerVLAN, tags.innerVLAN)
            isAuthenticated = packet.headers.contains(51)
        }
    }

    struct Counted: Hashable {
        var rule: String
        var by: RuleConnections
    }

    struct Record: Hashable {
        /// Of the opening packet.
        var direction: Direction
        /// Rank of what accepted it; nil: the default.
        var rule: Int?
        var generation: Int
        /// The name of the rule that counts it, and by what it does; nil: none does.
        var counted: Counted?
        /// When it is to be judged again; nil: when the policy changes.
        var lapses: Int?
        /// Of the opening packet.
        var headers: Set<UInt8>
        /// Of the opening packet, if it is an echo message. Like its origin it is no part of the key.
        var code: UInt8
        /// Where the opening packet came from.
        var origin: ReferenceOrigin?
        /// It was adopted by a packet that went against ``direction``.
        var isByAnswerer = false
        /// It was adopted, and one end alone was seen: whether that is the answerer.
        var lonely: Bool?
        /// Of what is not TCP.
        var state = FlowState.opening
        /// It is there until then, and gone after the other.
        var surelyUntil: Int
        var perhapsUntil: Int

        /// Whether rules may say otherwise of a packet of the flow than of the one that opened it: it has another code,
        /// or comes from elsewhere.
        func isUnlike(_ packet: Packet, from origin: ReferenceOrigin?) -> Bool {
            let isEcho = packet.isEchoRequest || packet.isEchoReply
            return isEcho && packet.code != code || origin != nil && origin != self.origin
        }

        /// Whether it cannot be told from another.
        func isAlike(_ other: Record) -> Bool {
            direction == other.direction && rule == other.rule && isByAnswerer == other.isByAnswerer
        }
    }
}
