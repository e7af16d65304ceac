// SPDX-License-Identifier: Apache-2.0

/// RFC 9293 section 3.10.7: a segment arrives.
extension TCPEndpoint {
    /// - Parameters:
    ///   - acknowledges: whether data are acknowledged at once; else with what is sent next.
    public mutating func receive(_ segment: TCPSegment, acknowledges: Bool = true) {
        switch state {
        case .closed: refuse(segment)
        case .listen: hear(segment)
        case .synSent: receiveSYNSent(segment)
        default: receiveSynchronized(segment, acknowledges: acknowledges)
        }
    }

    /// What a reset would do, were it to arrive now: RFC 5961 section 3.2, and what Linux accepts besides.
    public func response(toReset segment: TCPSegment) -> ResetResponse {
        switch state {
        case .closed, .listen: return .ignore
        case .synSent:
            guard segment.flags.contains(.ack) else { return .ignore }
            let acknowledged = own.position(segment.acknowledgement, near: una)
            return acknowledged > 0 && acknowledged <= nxt ? .accept : .ignore
        default: break
        }
        let position = peer.position(segment.sequence, near: rcvNxt)
        if position == rcvNxt { return .accept }
        // Linux: the number of the FIN that it has acknowledged, from a peer that does not know more.
        if position == rcvNxt - 1, finReceived == position, [.closeWait, .lastAck, .closing].contains(state) {
            return .accept
        }
        guard isAcceptable(position, length: 0) else { return .ignore }
        // Linux: a peer that was told by SACK what has arrived may reset behind that.
        if manner.hasSACK, outOfOrder.last?.upperBound == position { return .accept }
        return .challenge
    }

    /// Whether data or an acknowledgement from anywhere would change its state.
    public func isMoved(by segment: TCPSegment) -> Bool {
        if state == .synSent {
            let acknowledged = own.position(segment.acknowledgement, near: una)
            return segment.flags.contains(.syn)
                && (!segment.flags.contains(.ack) || acknowledged > 0 && acknowledged <= nxt)
        }
        guard isSynchronized else { return false }
        let position = peer.position(segment.sequence, near: rcvNxt)
        let acknowledged = own.position(segment.acknowledgement, near: una)
        return isAcceptable(position, length: segment.length) && acknowledged >= una - largestSendWindow
            && acknowledged <= nxt
    }

    /// The table of section 3.4.
    private func isAcceptable(_ position: Int, length: Int) -> Bool {
        let window = rcvEdge - rcvNxt
        if length == 0 { return window <= 0 ? position == rcvNxt : position >= rcvNxt && position < rcvEdge }
        guard window > 0 else { return false }
        let last = position + length - 1
        return position >= rcvNxt && position < rcvEdge || last >= rcvNxt && last < rcvEdge
    }

    // MARK: Without a connection

    private mutating func refuse(_ segment: TCPSegment) {
        if segment.flags.contains(.rst) { return }
        guard !segment.flags.contains(.ack) else {
            return sendReset([.rst], sequence: segment.acknowledgement)
        }
        let length = manner.refusesSYNAlone && segment.flags.contains(.syn) ? 1 : segment.length
        sendReset([.rst, .ack], sequence: 0, acknowledgement: segment.sequence &+ UInt32(truncatingIfNeeded: length))
    }

    private mutating func hear(_ segment: TCPSegment) {
        if segment.flags.contains(.rst) { return }
        if segment.flags.contains(.ack) {
            // A cookie holds for the first acknowledgement alone, which tells both initial numbers.
            let isKnown = cookies.contains {
                $0.own == segment.acknowledgement &- 1 && $0.peer == segment.sequence &- 1
            }
            guard isKnown, !segment.flags.contains(.syn) else { return refuse(segment) }
            return goOnFromCookie(segment)
        }
        guard segment.flags.contains(.syn), !segment.flags.contains(.fin) else { return }
        if manner.splitsHandshake { return connect() }
        begin()
        isPassive = true
        take(syn: segment, data: manner.takesFastOpen && !manner.usesCookies)
        state = .synReceived
        nxt = 1
        send([.syn, .ack], at: 0)
        if manner.usesCookies {
            cookies.append((own.initial, peer.initial))
            let cookies = cookies
            idle()
            self.cookies = cookies
        }
    }

    /// A cookie's options are lost: nothing is scaled.
    private mutating func goOnFromCookie(_ segment: TCPSegment) {
        idle()
        cookies = []
        isPassive = true
        own = SequenceSpace(initial: segment.acknowledgement &- 1)
        peer = SequenceSpace(initial: segment.sequence &- 1)
        (una, nxt, written) = (1, 1, 1)
        rcvNxt = 1
        rcvEdge = 1 + min(manner.buffer, 65535)
        state = .established
        noteWindow(segment, at: 1, acknowledged: 1)
        takeText(segment, at: 1, acknowledges: true)
    }

    private mutating func take(syn segment: TCPSegment, data: Bool) {
        peer = SequenceSpace(initial: segment.sequence)
        rcvNxt = 1 + (data ? segment.payload : 0)
        rcvEdge = rcvNxt
        unread = rcvNxt - 1
        // A cookie has no room for the scale; whoever opens needs none.
        let isCookie = isPassive && manner.usesCookies
        let isScaled = manner.scale != nil && segment.scale != nil && !isCookie
        scales = isScaled ? (manner.scale ?? 0, segment.scale ?? 0) : nil
        sendEdge = una + Int(segment.window)
        largestSendWindow = max(largestSendWindow, Int(segment.window))
    }

    // MARK: After its own SYN

    private mutating func receiveSYNSent(_ segment: TCPSegment) {
        let hasACK = segment.flags.contains(.ack)
        let acknowledged = own.position(segment.acknowledgement, near: una)
        if hasACK, acknowledged <= 0 || acknowledged > nxt {
            if !segment.flags.contains(.rst) {
                sendReset([.rst], sequence: segment.acknowledgement)
            }
            return
        }
        if segment.flags.contains(.rst) {
            if hasACK { idle() }
            return
        }
        guard segment.flags.contains(.syn) else { return }
        if hasACK { una = acknowledged }
        take(syn: segment, data: false)
        // What it offered in its SYN holds from there on.
        rcvEdge = rcvNxt + min(manner.buffer, 65535)
        guard una > 0 else {
            state = .synReceived
            return send([.syn, .ack], at: 0)
        }
        state = .established
        lastUpdate = (0, una)
        sendACK()
    }

    // MARK: With a connection

    private mutating func receiveSynchronized(_ segment: TCPSegment, acknowledges: Bool) {
        let position = peer.position(segment.sequence, near: rcvNxt)
        if segment.flags.contains(.rst) { return receiveReset(segment) }
        if segment.flags.contains(.syn), receive(syn: segment, position) { return }
        let repeatsSYN = segment.flags.contains(.syn)
        if !repeatsSYN, !isAcceptable(position, length: segment.length) { return sendChallenge() }
        guard segment.flags.contains(.ack), receiveACK(segment, position) else { return }
        if !repeatsSYN { takeText(segment, at: position, acknowledges: acknowledges) }
    }

    /// Out of SYN-RECEIVED there is nothing yet that it could acknowledge beyond the SYN.
    private mutating func sendChallenge() { sendACK() }

    private mutating func receiveReset(_ segment: TCPSegment) {
        switch response(toReset: segment) {
        case .accept: idle()
        case .challenge: sendChallenge()
        case .ignore: break
        }
    }

    /// Whether that is all about it.
    private mutating func receive(syn segment: TCPSegment, _ position: Int) -> Bool {
        if state == .timeWait, manner.listens, segment.isOpening, position > rcvNxt {
            idle()
            hear(segment)
            return true
        }
        guard state == .synReceived else {
            sendChallenge()
            return true
        }
        if position == 0 {
            // The other SYN of a simultaneous open, acknowledged; or the first one again.
            if segment.flags.contains(.ack), own.position(segment.acknowledgement, near: una) == nxt { return false }
            send([.syn, .ack], at: 0)
            return true
        }
        if isPassive, isAcceptable(position, length: segment.length) { idle() } else { sendChallenge() }
        return true
    }

    /// Whether to go on with the segment's text.
    private mutating func receiveACK(_ segment: TCPSegment, _ position: Int) -> Bool {
        let acknowledged = own.position(segment.acknowledgement, near: una)
        if state == .synReceived {
            guard acknowledged > una, acknowledged <= nxt else {
                sendReset([.rst], sequence: segment.acknowledgement)
                return false
            }
            state = .established
        }
        // RFC 5961 section 5.2.
        guard acknowledged >= una - largestSendWindow, acknowledged <= max(nxt, probed) else {
            sendChallenge()
            return false
        }
        if acknowledged > nxt { (nxt, written) = (acknowledged, acknowledged) }
        if acknowledged >= una {
            una = acknowledged
            noteWindow(segment, at: position, acknowledged: acknowledged)
        }
        if let finSent, una > finSent { return noteFINAcknowledged() }
        return true
    }

    private mutating func noteWindow(_ segment: TCPSegment, at position: Int, acknowledged: Int) {
        let (sequence, last) = lastUpdate
        guard sequence < position || sequence == position && last <= acknowledged else { return }
        let shift = segment.flags.contains(.syn) ? 0 : Int(scales?.peer ?? 0)
        let window = Int(segment.window) << shift
        sendEdge = acknowledged + window
        largestSendWindow = max(largestSendWindow, window)
        lastUpdate = (position, acknowledged)
    }

    private mutating func noteFINAcknowledged() -> Bool {
        switch state {
        case .finWait1: state = .finWait2
        case .closing: state = .timeWait
        case .lastAck:
            idle()
            return false
        default: break
        }
        return true
    }

    private mutating func takeText(_ segment: TCPSegment, at position: Int, acknowledges: Bool) {
        guard segment.length > 0 else { return }
        let end = min(position + segment.payload, rcvEdge)
        let start = max(position, rcvNxt)
        if [.established, .finWait1, .finWait2].contains(state), finReceived == nil {
            if start < end { keep(start..<end) }
            if segment.flags.contains(.fin), position + segment.payload <= rcvEdge {
                takeFIN(position + segment.payload)
            }
        }
        let isInOrder = position <= rcvNxt && outOfOrder.isEmpty
        if acknowledges || !isInOrder || finReceived != nil { sendACK() }
    }

    /// A FIN ahead of missing data is taken when it comes again.
    private mutating func takeFIN(_ position: Int) {
        guard position == rcvNxt else { return }
        finReceived = position
        rcvNxt += 1
        rcvEdge = max(rcvEdge, rcvNxt)
        switch state {
        case .established: state = .closeWait
        case .finWait1: state = .closing
        case .finWait2: state = .timeWait
        default: break
        }
    }

    private mutating func keep(_ range: Range<Int>) {
        var merged = range
        outOfOrder = outOfOrder.filter { other in
            guard other.lowerBound <= merged.upperBound, merged.lowerBound <= other.upperBound else { return true }
            merged = min(other.lowerBound, merged.lowerBound)..<max(other.upperBound, merged.upperBound)
            return false
        }
        outOfOrder.append(merged)
        outOfOrder.sort { $0.lowerBound < $1.lowerBound }
        guard let first = outOfOrder.first, first.lowerBound <= rcvNxt else { return }
        unread += first.upperBound - rcvNxt
        rcvNxt = first.upperBound
        outOfOrder.removeFirst()
    }
}
