/// One connection in the model of the flow table: its state, and what its ends have said.
struct ReferenceFlow: Sendable {
    private struct Side {
        /// Whether anything was seen of it.
        var isSeen = false
        var hasFinished = false
        /// Sequence number behind what it has sent.
        var end: UInt32 = 0
        /// Highest acknowledgement that it has sent.
        var acknowledged: UInt32 = 0
    }

    private(set) var state = FlowState.opening
    private let isAdopted: Bool
    private var opener = Side()
    private var answerer = Side()

    init(_ packet: Packet, isAnswer: Bool, isAdopted: Bool) {
        self.isAdopted = isAdopted
        note(packet, isAnswer: isAnswer)
    }

    private static func isAfter(_ left: UInt32, _ right: UInt32) -> Bool { Int32(bitPattern: left &- right) > 0 }

    private mutating func note(_ packet: Packet, isAnswer: Bool) {
        let flags = (packet.has(Packet.syn) ? 1 : 0) + (packet.has(Packet.fin) ? 1 : 0)
        let end = packet.sequence &+ UInt32(truncatingIfNeeded: packet.payload + flags)
        var side = isAnswer ? answerer : opener
        if !side.isSeen {
            side.isSeen = true
            side.end = packet.sequence
            side.acknowledged = packet.acknowledgement
        }
        if ReferenceFlow.isAfter(end, side.end) { side.end = end }
        if packet.has(Packet.ack), ReferenceFlow.isAfter(packet.acknowledgement, side.acknowledged) {
            side.acknowledged = packet.acknowledgement
        }
        if isAnswer { answerer = side } else { opener = side }
    }

    /// Whether a reset's sequence number lies between what the other end has acknowledged and what its sender has sent.
    func isSound(reset: Packet, isAnswer: Bool) -> Bool {
        let (sender, other) = isAnswer ? (answerer, opener) : (opener, answerer)
        if isAnswer, state == .opening {
            return reset.has(Packet.ack) && reset.acknowledgement == other.end
        }
        if other.acknowledged == 0 { return reset.sequence == sender.end }
        return !ReferenceFlow.isAfter(other.acknowledged, reset.sequence)
            && !ReferenceFlow.isAfter(reset.sequence, sender.end)
    }

    /// Takes note of one more packet.
    mutating func advance(_ packet: Packet, isAnswer: Bool) {
        guard packet.isTCP else {
            if isAnswer, state == .opening {
                state = .answered
            } else if !isAnswer, state == .answered {
                state = .established
            }
            return
        }
        note(packet, isAnswer: isAnswer)
        if packet.has(Packet.rst) {
            state = .closed
            return
        }
        if state == .opening, opener.isSeen, answerer.isSeen {
            state = isAdopted ? .established : .answered
        } else if state == .answered, !isAnswer, packet.has(Packet.ack),
            answerer.end &- packet.acknowledgement <= 0xffff
        {
            state = .established
        }
        if packet.has(Packet.fin) {
            if isAnswer { answerer.hasFinished = true } else { opener.hasFinished = true }
        }
        if opener.hasFinished, answerer.hasFinished { state = .closing }
    }
}
