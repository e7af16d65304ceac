// SPDX-License-Identifier: Apache-2.0

/// What a filter between two hosts must do with each segment, may do, or must not, given what it has seen. The hosts
/// themselves say what they would make of a segment; where that cannot be known from what has passed, the filter may do
/// either.
public struct TCPJudge: Sendable {
    public enum Ruling: Sendable, Hashable {
        case mustPass(String)
        case mustDrop(String)
        case may(String)
    }

    /// Seconds without a packet, see docs/policy.md: a flow lives at least so long, and no longer than so long.
    enum Timeout {
        static let opening = 30
        static let answered = 60
        static let established = (least: 7440, most: 7500)
        static let closing = 120
        static let closed = 10
    }

    /// From when to when a flow may still be there, or be gone already.
    struct Life: Sendable {
        var surelyUntil: Int
        var perhapsUntil: Int
    }

    /// RFC 7323: 65,535 bytes by the largest scale, rounded up.
    static let largestWindow = 1 << 30

    struct Connection: Sendable {
        var initial: [Side: UInt32]
        var heard: [Side: TCPHeard] = [:]
        /// Whose SYN was acknowledged by the peer.
        var isAcknowledged: [Side: Bool] = [:]
        var opener: Side?
        /// A host has accepted a reset.
        var hasEnded = false
        /// It began with the answer to a SYN that the filter may have forgotten, or was adopted where the filter may
        /// still have had what was reset.
        var isPerhapsUnknown = false
        var life: Life
    }

    /// A SYN that the rules accepted and nobody has answered.
    struct Pending: Sendable {
        var from: Side
        var segment: TCPSegment
        var life: Life
        /// When it was seen last.
        var seen: Int
        /// What the other end said to it that was no answer: the acknowledgement of another connection.
        var strange: [(acknowledgement: UInt32, window: Int)] = []

        var initial: UInt32 { segment.sequence }
    }

    let isStrict: Bool
    let adopts: Bool
    /// From which side the rules accept a SYN.
    let accepted: Set<Side>
    public private(set) var clock = 0
    var connection: Connection?
    var pending: [Pending] = []
    /// Somebody guessed a number, and the hosts themselves are led astray: nothing more can be said.
    public internal(set) var isSpoilt = false

    public init(isStrict: Bool, adopts: Bool, accepts accepted: Set<Side>) {
        self.isStrict = isStrict
        self.adopts = adopts
        self.accepted = accepted
    }

    public mutating func pass(seconds: Int) {
        clock += seconds
        pending.removeAll { $0.life.perhapsUntil < clock }
        if let connection, connection.life.perhapsUntil < clock {
            self.connection = nil
            // It may have taken the connection's place at once, and then has lived as long as any other.
            for index in pending.indices where pending[index].life.perhapsUntil == Int.max {
                pending[index].life.perhapsUntil = pending[index].seen + Timeout.opening
            }
            pending.removeAll { $0.life.perhapsUntil < clock }
        }
    }

    /// Whether both ends of a connection were heard.
    public var hasHeardBoth: Bool { connection?.heard.count == 2 }

    // MARK: Rulings

    /// - Parameters:
    ///   - sender: the host that sent it, as it was then; nil: somebody else, who uses its addresses.
    ///   - receiver: as it is now.
    public func rule(
        _ segment: TCPSegment, from side: Side, sender: (own: UInt32, peer: UInt32?)?, isHonest: Bool,
        to receiver: TCPEndpoint
    ) -> Ruling {
        if isSpoilt { return .may("spoilt") }
        if segment.flags.contains(.syn), !segment.flags.isDisjoint(with: [.fin, .rst]) {
            return .mustDrop("SYN with FIN or RST")
        }
        if segment.isOpening {
            return accepted.contains(side) ? .mustPass("rules accept the SYN") : .mustDrop("rules deny the SYN")
        }
        guard isPerhapsAlive else {
            guard adopts else { return .mustDrop("no flow covers it") }
            let isFirst = isHonest && clock == 0 && !segment.flags.contains(.rst)
            return isFirst ? .mustPass("adopted") : .may("adopted")
        }
        if adopts, !isSurelyAlive { return .may("adopted") }
        if segment.flags.contains(.rst) { return rule(reset: segment, from: side, to: receiver) }
        return isHonest ? rule(honest: segment, from: side, sender) : rule(forged: segment, from: side)
    }

    var isPerhapsAlive: Bool { connection != nil || !pending.isEmpty }
    var isSurelyAlive: Bool { isConnectionAlive || pending.contains { $0.life.surelyUntil > clock } }
    var isConnectionAlive: Bool { connection.map { $0.life.surelyUntil > clock } ?? false }

    private func rule(honest segment: TCPSegment, from side: Side, _ sender: (own: UInt32, peer: UInt32?)?) -> Ruling {
        guard isSurelyAlive else { return .may("perhaps no flow") }
        if !isStrict, connection == nil || isConnectionAlive || answers(segment, side) != nil {
            return .mustPass("honest, liberal")
        }
        if let connection, belongs(sender, segment, to: connection, side) {
            guard isConnectionAlive else { return .may("perhaps over") }
            return isStale(segment, from: side, in: connection) ? .may("very old") : .mustPass("honest")
        }
        if let pending = answers(segment, side) {
            return pending.life.surelyUntil > clock ? .mustPass("answers a SYN") : .may("answers an old SYN")
        }
        if connection == nil, segment.flags == [.ack], segment.payload == 0, pending.count == 1,
            pending.contains(where: { $0.from == side.other && $0.life.surelyUntil > clock })
        {
            return .mustPass("acknowledges something else than the SYN")
        }
        return .may("of another connection")
    }

    /// The SYN that a SYN/ACK, or a refusal, speaks of.
    func answers(_ segment: TCPSegment, _ side: Side) -> Pending? {
        guard segment.flags.contains(.ack) else { return nil }
        return pending.last { pending in
            guard pending.from == side.other else { return false }
            let distance = Int(segment.acknowledgement &- pending.initial)
            return (1...pending.segment.length).contains(distance)
        }
    }

    /// Whether a segment is of a connection, by the initial numbers that its sender knows. Another connection may have
    /// the same: then it acknowledges what was not heard.
    func belongs(
        _ sender: (own: UInt32, peer: UInt32?)?, _ segment: TCPSegment, to connection: Connection, _ side: Side
    ) -> Bool {
        guard let sender, let peer = sender.peer else { return false }
        guard connection.initial[side] == sender.own, connection.initial[side.other] == peer else { return false }
        guard !adopts, segment.flags.contains(.ack), let receiver = connection.heard[side.other] else { return true }
        return receiver.position(segment.acknowledgement) <= receiver.end
    }

    /// More than a window behind what is known: a copy that the network kept.
    private func isStale(_ segment: TCPSegment, from side: Side, in connection: Connection) -> Bool {
        let (sender, receiver) = (connection.heard[side], connection.heard[side.other])
        if let sender, let receiver, let known = receiver.acknowledged {
            let end = sender.position(segment.sequence) + segment.length
            if end < sender.position(known) - receiver.largestWindow { return true }
        }
        if let sender, let known = sender.acknowledged {
            let behind = Int(Int32(bitPattern: known &- segment.acknowledgement))
            if behind > sender.largestWindow || receiver.map({ behind > $0.end }) == true { return true }
        }
        return false
    }

    private func rule(forged segment: TCPSegment, from side: Side) -> Ruling {
        guard isConnectionAlive, let connection, !connection.hasEnded else { return .may("nothing established") }
        guard connection.isAcknowledged[side] == true, connection.isAcknowledged[side.other] == true else {
            return .may("half open")
        }
        if !isStrict { return .mustPass("forged, liberal") }
        // Somebody guessed what somebody else had sent.
        if answers(segment, side) != nil { return .may("answers a SYN") }
        return isOutside(segment, from: side, in: connection) ? .mustDrop("outside the windows") : .may("forged")
    }

    /// Whether no window that was granted holds it, by a whole window's margin on the side of what is old.
    ///
    /// Of a connection that nobody saw begin, no scale is known, and what an end has sent may be more than was heard:
    /// then by the largest window that there is.
    func isOutside(_ segment: TCPSegment, from side: Side, in connection: Connection) -> Bool {
        guard let sender = connection.heard[side], let receiver = connection.heard[side.other],
            let left = receiver.acknowledged
        else { return false }
        let unknown = sender.hasSYN && receiver.hasSYN ? 0 : Self.largestWindow
        let base = sender.position(left)
        let position = space(sender, segment.sequence, near: base)
        if position > base + max(receiver.grantedAtMost, unknown) { return true }
        if position + segment.length < base - max(receiver.grantedAtMost, receiver.largestAtMost, 131072, unknown) {
            return true
        }
        guard segment.flags.contains(.ack) else { return false }
        let acknowledged = space(receiver, segment.acknowledgement, near: receiver.end)
        if acknowledged > receiver.end + unknown { return true }
        return acknowledged
            < receiver.end - max(sender.grantedAtMost, sender.largestAtMost, 131072, unknown) - 131072
    }

    func space(_ heard: TCPHeard, _ wire: UInt32, near reference: Int) -> Int {
        heard.space.position(wire, near: reference)
    }

    // MARK: Resets

    private func rule(reset segment: TCPSegment, from side: Side, to receiver: TCPEndpoint) -> Ruling {
        let response = receiver.response(toReset: segment)
        let isKnown = mayBeAccepted(segment, from: side)
        guard response != .ignore else {
            return isKnown ? .may("ignored, but the filter cannot know") : .mustDrop("the host would ignore the reset")
        }
        guard isSurelyAlive else { return .may("perhaps no flow") }
        guard let identity = receiver.identity else { return .may("without a connection") }
        guard let peer = identity.peer else {
            let isHeard = pending.contains {
                $0.from == side.other && $0.initial == identity.own && $0.life.surelyUntil > clock
            }
            return isHeard ? .mustPass("refuses the SYN") : .may("refuses a SYN of old")
        }
        if let connection, isConnectionAlive, connection.initial[side] == peer,
            connection.initial[side.other] == identity.own
        {
            guard let heard = connection.heard[side.other], let sender = connection.heard[side],
                let left = heard.acknowledged
            else { return .may("the receiver was not heard") }
            let beyond = sender.position(segment.sequence) - sender.position(left)
            return beyond == 0 || beyond < heard.granted
                ? .mustPass("the host would \(response) the reset") : .may("not known to be granted")
        }
        let isStrange =
            connection == nil && pending.count == 1
            && pending.contains { pending in
                pending.from == side && pending.life.surelyUntil > clock
                    && pending.strange.last?.acknowledgement == segment.sequence
            }
        return isStrange
            ? .mustPass("answers the acknowledgement of another connection") : .may("of another connection")
    }

    /// Whether a window that was granted, as far as was heard, holds the reset.
    func mayBeAccepted(_ segment: TCPSegment, from side: Side) -> Bool {
        if let connection, let sender = connection.heard[side], let receiver = connection.heard[side.other] {
            guard let left = receiver.acknowledged else { return true }
            let base = sender.position(left)
            let position = space(sender, segment.sequence, near: base)
            if position >= base - 1, position <= base + max(receiver.grantedAtMost, 1) { return true }
            // What it may have received and not acknowledged yet.
            if position >= base, position <= sender.end { return true }
            // More is acknowledged than was heard, of a connection that nobody saw begin: by an end that has it, or by
            // a stranger.
            if !sender.hasSYN, base > sender.end, position >= sender.end - Self.largestWindow, position <= base {
                return true
            }
        } else if let connection, connection.heard[side.other] == nil || connection.heard[side] == nil {
            // An adopted connection, heard one way.
            guard let receiver = connection.heard[side.other], let left = receiver.acknowledged else { return true }
            let distance = Int(segment.sequence &- left)
            if distance <= receiver.grantedAtMost || distance == 1 << 32 - 1 { return true }
        }
        return pending.contains { pending in
            if pending.from == side.other {
                let distance = Int(segment.acknowledgement &- pending.initial)
                return segment.flags.contains(.ack) && distance >= 1 && distance <= pending.segment.length
            }
            return connection == nil && pending.strange.isEmpty
                || Int(segment.sequence &- pending.initial) <= pending.segment.length + 1
                || pending.strange.contains { Int(segment.sequence &- $0.acknowledgement) <= $0.window }
        }
    }
}
