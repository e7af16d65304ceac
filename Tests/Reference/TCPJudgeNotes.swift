// SPDX-License-Identifier: Apache-2.0

/// What the judge learns of what has passed.
extension TCPJudge {
    /// - Parameters:
    ///   - scales: of the two hosts, as they agreed.
    public mutating func notePassed(
        _ segment: TCPSegment, from side: Side, sender: (own: UInt32, peer: UInt32?)?, isHonest: Bool,
        to receiver: TCPEndpoint, trueScale: UInt8
    ) {
        if segment.isOpening {
            // A host that waits for an answer takes any SYN for one, and talks to whoever sent it.
            if !isHonest, receiver.state == .synSent { isSpoilt = true }
            return note(syn: segment, from: side)
        }
        if segment.flags.contains(.rst) { return note(reset: segment, from: side, to: receiver) }
        guard isHonest else {
            noteStrange(segment, from: side)
            if receiver.isMoved(by: segment) || isPerhapsInside(segment, from: side) || answers(segment, side) != nil {
                isSpoilt = true
            }
            return
        }
        // Of a connection that was forgotten, and is adopted again, nothing is known.
        let isPerhapsUnknown = adopts && connection != nil && !isSurelyAlive
        if isPerhapsUnknown { connection = nil }
        // What answers a SYN after the end of a connection begins another, whatever its numbers.
        let isNew = connection?.hasEnded == true && segment.flags.contains(.syn) && answers(segment, side) != nil
        if !isNew, connection.map({ belongs(sender, segment, to: $0, side) }) == true {
            return note(segment, from: side, trueScale: trueScale)
        }
        if segment.flags.contains(.syn), let pending = answers(segment, side) {
            begin(segment, from: side, answering: pending)
            return note(segment, from: side, trueScale: trueScale)
        }
        // A cookie's connection, or one that nobody saw begin.
        if connection == nil, let sender, let peer = sender.peer, adopts {
            connection = Connection(
                initial: [side: sender.own, side.other: peer],
                life: Life(surelyUntil: clock + Timeout.opening, perhapsUntil: clock + Timeout.opening))
            connection?.isAcknowledged = [.inside: true, .outside: true]
            connection?.isPerhapsUnknown = isPerhapsUnknown
            return note(segment, from: side, trueScale: trueScale)
        }
        noteStrange(segment, from: side)
        let latest = clock + Timeout.established.most
        if let until = connection?.life.perhapsUntil { connection?.life.perhapsUntil = max(until, latest) }
    }

    /// What answers a SYN, and is no answer to it; who says so a filter cannot tell.
    private mutating func noteStrange(_ segment: TCPSegment, from side: Side) {
        guard segment.flags.contains(.ack), let index = pending.lastIndex(where: { $0.from == side.other }) else {
            return
        }
        pending[index].strange.append((segment.acknowledgement, Int(segment.window) << 14))
    }

    /// Whether the filter may take a stranger's segment for true.
    private func isPerhapsInside(_ segment: TCPSegment, from side: Side) -> Bool {
        if let connection,
            Side.allCases.allSatisfy({ connection.isAcknowledged[$0] == true && connection.heard[$0] != nil })
        {
            return !isOutside(segment, from: side, in: connection)
        }
        // Whoever speaks first of what was there before is taken for an end.
        if adopts { return true }
        // Half open: near what is known of both, as far as it is.
        func isNear(_ number: UInt32, _ side: Side) -> Bool {
            let known =
                pending.filter { $0.from == side }.map(\.initial)
                + [connection?.heard[side]].compactMap { $0.map { $0.space.wire($0.end) } }
            return known.isEmpty || known.contains { Int(Int32(bitPattern: number &- $0)).magnitude < 1 << 21 }
        }
        return isNear(segment.sequence, side)
            && (!segment.flags.contains(.ack) || isNear(segment.acknowledgement, side.other))
    }

    private mutating func note(syn segment: TCPSegment, from side: Side) {
        // Beside a connection it may be remembered as long as that is there.
        let latest = connection == nil ? clock + Timeout.opening : Int.max
        let life = Life(surelyUntil: clock + Timeout.opening, perhapsUntil: latest)
        let known = pending.firstIndex { $0.from == side && $0.initial == segment.sequence }
        // Of several from one side only the last is surely remembered, and beside a connection that may still be there
        // only one.
        for index in pending.indices where pending[index].from == side || connection != nil || pending.count > 1 {
            if index != known { pending[index].life.surelyUntil = 0 }
        }
        if let known {
            if segment.length > pending[known].segment.length { pending[known].segment.payload = segment.payload }
            pending[known].segment.window = max(pending[known].segment.window, segment.window)
            pending[known].life = life
            pending[known].seen = clock
            return
        }
        // Nor is a connection that is half open a live one: what is new may take its place.
        if let connection, !Side.allCases.allSatisfy({ connection.isAcknowledged[$0] == true }) {
            self.connection?.life.surelyUntil = 0
        }
        pending.append(Pending(from: side, segment: segment, life: life, seen: clock))
    }

    private mutating func begin(_ segment: TCPSegment, from side: Side, answering pending: Pending) {
        let before = connection
        var new = Connection(
            initial: [side: segment.sequence, side.other: pending.initial],
            life: Life(surelyUntil: clock + Timeout.answered, perhapsUntil: clock + Timeout.answered))
        // No two connections in a row begin with the same two numbers (RFC 9293, 3.4.1). Where the drawn ones do, a
        // filter takes the answer for a late copy of the one before.
        if before?.initial == new.initial { isSpoilt = true }
        // Whether the old one is still there cannot matter to the old hosts: the answer says that it is over.
        if let before { new.life.perhapsUntil = max(new.life.perhapsUntil, before.life.perhapsUntil) }
        new.heard[side.other] = TCPHeard(pending.segment)
        new.opener = pending.from
        new.isPerhapsUnknown = pending.life.surelyUntil <= clock
        connection = new
        self.pending.removeAll { $0.from == pending.from }
        // A SYN of the end that answers is of another connection, unless both opened this one.
        for index in self.pending.indices where self.pending[index].initial != segment.sequence {
            self.pending[index].life.surelyUntil = 0
        }
    }

    private mutating func note(_ segment: TCPSegment, from side: Side, trueScale: UInt8) {
        guard var connection else { return }
        defer { self.connection = connection }
        var heard = connection.heard[side] ?? TCPHeard(segment)
        let peer = connection.heard[side.other]
        heard.note(segment, trueScale: trueScale, knowsScale: heard.hasSYN && peer?.hasSYN != false)
        connection.heard[side] = heard
        if segment.flags.contains(.ack), let first = connection.initial[side.other],
            segment.acknowledgement &- first != 0
        {
            connection.isAcknowledged[side.other] = true
        }
        refresh(&connection)
    }

    private func refresh(_ connection: inout Connection) {
        let isEstablished = Side.allCases.allSatisfy {
            connection.isAcknowledged[$0] == true && connection.heard[$0] != nil
        }
        let isClosing = Side.allCases.allSatisfy { connection.heard[$0]?.hasFIN == true }
        let most = isEstablished ? Timeout.established.most : Timeout.answered
        let least = isClosing ? Timeout.closing : isEstablished ? Timeout.established.least : Timeout.opening
        // A SYN that is pending lets pass what a host says of a connection that the filter has forgotten, or never
        // knew.
        let isKnown = connection.life.surelyUntil > clock || pending.isEmpty
        if connection.isPerhapsUnknown { connection.life.surelyUntil = 0 }
        if connection.hasEnded || connection.isPerhapsUnknown || !isKnown {
            connection.life.perhapsUntil = max(connection.life.perhapsUntil, clock + most)
        } else {
            connection.life.surelyUntil = clock + least
            connection.life.perhapsUntil = max(connection.life.perhapsUntil, clock + most)
        }
    }

    private mutating func note(reset segment: TCPSegment, from side: Side, to receiver: TCPEndpoint) {
        let response = receiver.response(toReset: segment)
        if let identity = receiver.identity, identity.peer == nil {
            connection?.life.surelyUntil = 0
            // The host waits for an answer and does not heed it. The filter may have taken it for the end of the
            // connection before.
            guard response == .accept else {
                connection?.hasEnded = true
                return
            }
            for index in pending.indices where pending[index].from == side.other {
                pending[index].life.surelyUntil = 0
            }
            connection?.life.surelyUntil = 0
            return
        }
        // A SYN that was answered by the acknowledgement of another connection goes on as it is.
        guard var connection else {
            for index in pending.indices {
                pending[index].life.surelyUntil = min(pending[index].life.surelyUntil, clock + Timeout.closed)
            }
            return
        }
        defer { self.connection = connection }
        if response == .accept {
            connection.hasEnded = true
            for index in pending.indices { pending[index].life.surelyUntil = 0 }
            connection.life.surelyUntil = 0
            // A SYN that waits for its answer keeps what the filter knows of the connection that it came over.
            if isExact(segment, from: side, in: connection) {
                connection.life.perhapsUntil = clock + (pending.isEmpty ? Timeout.closed : Timeout.opening)
            }
            return
        }
        // Not heeded by the host, and passed: the filter has taken it for the end, and what comes next may take the
        // place.
        if response == .ignore {
            connection.hasEnded = true
            connection.life.surelyUntil = 0
            return
        }
        guard let sender = connection.heard[side], receiver.identity != nil else {
            connection.life.surelyUntil = min(connection.life.surelyUntil, clock + Timeout.closed)
            return
        }
        // Behind all that has passed it is not what the host waits for, and a filter can know that.
        if response == .challenge, sender.position(segment.sequence) > sender.end { return }
        connection.life.surelyUntil = min(connection.life.surelyUntil, clock + Timeout.closed)
    }

    /// Whether nothing is on its way that the host has not acknowledged, and the reset stands behind it.
    private func isExact(_ segment: TCPSegment, from side: Side, in connection: Connection) -> Bool {
        guard let sender = connection.heard[side], let left = connection.heard[side.other]?.acknowledged else {
            return false
        }
        return segment.sequence == left && sender.space.wire(sender.end) == left
    }
}
