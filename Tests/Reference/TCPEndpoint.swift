// SPDX-License-Identifier: Apache-2.0

/// One host's side of a connection, after RFC 9293 section 3.10, with the challenge ACKs of RFC 5961, the window
/// scaling of RFC 7323, and where it says so what Linux adds. It keeps no clock of its own: its user retransmits.
public struct TCPEndpoint: Sendable {
    public enum State: Sendable, Hashable {
        case closed, listen, synSent, synReceived, established, finWait1, finWait2, closeWait, closing, lastAck
        case timeWait
    }

    /// What a host is like.
    public struct Manner: Sendable, Hashable {
        /// Whether somebody listens at its port.
        public var listens: Bool
        /// What it offers in its SYN; nil: no window scaling.
        public var scale: UInt8?
        /// Bytes that it holds for its application.
        public var buffer: Int
        public var hasSACK = true
        /// It takes the data of a SYN (RFC 7413).
        public var takesFastOpen = false
        /// It answers a SYN with a SYN cookie and keeps nothing (RFC 4987).
        public var usesCookies = false
        /// It answers a SYN by a SYN of its own, without acknowledging it.
        public var splitsHandshake = false
        /// It refuses a SYN by acknowledging the SYN alone, and not the data in it, as some do.
        public var refusesSYNAlone = false

        public init(listens: Bool, scale: UInt8?, buffer: Int) {
            self.listens = listens
            self.scale = scale
            self.buffer = buffer
        }
    }

    /// A segment that it has sent, and the connection that it was sent in, as far as it knew it.
    public struct Sent: Sendable, Hashable {
        public var segment: TCPSegment
        public var own: UInt32?
        public var peer: UInt32?
        /// That of its window.
        public var scale: UInt8

        public init(segment: TCPSegment, own: UInt32? = nil, peer: UInt32? = nil, scale: UInt8 = 0) {
            self.segment = segment
            self.own = own
            self.peer = peer
            self.scale = scale
        }
    }

    public enum ResetResponse: Sendable, Hashable { case accept, challenge, ignore }

    public let manner: Manner
    public internal(set) var state: State
    /// What it has sent and not yet handed over to the network.
    public internal(set) var outbox: [Sent] = []

    // Positions of its own space: 0 is its SYN.
    var own = SequenceSpace(initial: 0)
    var una = 0
    var nxt = 0
    /// Behind the byte that it has probed a closed window with: it may be taken, but is not yet sent.
    var probed = 0
    /// Behind the last byte that the application wrote.
    var written = 1
    var isClosedByApplication = false
    /// Where its FIN stands, once it was sent.
    var finSent: Int?
    /// The right edge of what the peer takes.
    var sendEdge = 0
    var largestSendWindow = 0
    var lastUpdate = (sequence: 0, acknowledgement: 0)
    var isPassive = false

    // Positions of the peer's space.
    var peer = SequenceSpace(initial: 0)
    public internal(set) var rcvNxt = 0
    /// The right edge of what it has granted.
    public internal(set) var rcvEdge = 0
    var outOfOrder: [Range<Int>] = []
    var finReceived: Int?
    /// Bytes that the application has not read.
    var unread = 0
    var scales: (own: UInt8, peer: UInt8)?
    /// The cookies that it gave out, each with the number of the SYN that it was for.
    var cookies: [(own: UInt32, peer: UInt32)] = []
    var nextInitial: UInt32

    public init(_ manner: Manner, initial: UInt32) {
        self.manner = manner
        state = manner.listens ? .listen : .closed
        nextInitial = initial
    }

    /// The initial numbers of its connection: its own, and the peer's if it knows it.
    public var identity: (own: UInt32, peer: UInt32?)? {
        switch state {
        case .closed, .listen: nil
        case .synSent: (own.initial, nil)
        default: (own.initial, peer.initial)
        }
    }

    /// The peer's numbers, as it counts them.
    public var peerSpace: SequenceSpace { peer }
    public var isSynchronized: Bool { ![.closed, .listen, .synSent].contains(state) }
    public var maySend: Bool { state == .established || state == .closeWait }
    public var mayRead: Bool { unread > 0 && isSynchronized }
    public var hasUnacknowledged: Bool { una < nxt && state != .closed && state != .listen }
    public var hasClosed: Bool { isClosedByApplication }

    // MARK: What its application and its timers do

    /// An active open; `payload` goes with the SYN (Fast Open).
    public mutating func connect(payload: Int = 0) {
        begin()
        state = .synSent
        written = 1 + payload
        nxt = written
        send([.syn], at: 0, payload: payload)
    }

    /// Sends up to so many bytes, as far as the window lets it.
    public mutating func write(_ count: Int) {
        guard maySend, finSent == nil else { return }
        let count = min(count, sendEdge - nxt)
        guard count > 0 else { return }
        written = nxt + count
        send([.ack, .psh], at: nxt, payload: count)
        nxt = written
    }

    /// What stands at the left edge goes out anew.
    public mutating func retransmit(limit: Int = 1400) {
        guard una < nxt else { return }
        switch state {
        case .synSent: send([.syn], at: 0, payload: min(written - 1, una == 0 ? written - 1 : 0))
        case .synReceived: send([.syn, .ack], at: 0)
        case .closed, .listen, .timeWait: break
        default:
            let start = max(una, 1)
            let count = min(written - start, limit)
            let carriesFIN = finSent.map { start + count == $0 } ?? false
            guard count > 0 || carriesFIN else { return }
            send(carriesFIN ? [.ack, .fin] : [.ack], at: start, payload: count)
        }
    }

    /// A segment that only asks for an acknowledgement (RFC 9293 section 3.8.4), with or without a byte.
    public mutating func keepAlive(withByte: Bool) {
        guard isSynchronized, state != .synReceived, state != .timeWait else { return }
        send([.ack], at: nxt - 1, payload: withByte && nxt > 1 && finSent == nil ? 1 : 0)
    }

    /// One byte beyond a window that is shut (RFC 9293 section 3.8.6.1).
    public mutating func probe() {
        guard maySend, finSent == nil, nxt >= sendEdge, una == nxt else { return }
        send([.ack], at: nxt, payload: 1)
        probed = nxt + 1
    }

    public mutating func acknowledge() {
        guard isSynchronized, state != .synReceived else { return }
        sendACK()
    }

    /// The application takes so much of what has arrived, and the peer hears of the room.
    public mutating func read(_ count: Int) {
        guard mayRead else { return }
        unread -= min(count, unread)
        sendACK()
    }

    public mutating func close() {
        // A FIN needs room as well.
        guard nxt < sendEdge else { return }
        switch state {
        case .established: state = .finWait1
        case .closeWait: state = .lastAck
        default: return
        }
        isClosedByApplication = true
        finSent = nxt
        send([.ack, .fin], at: nxt)
        nxt += 1
    }

    /// The application gives up: a reset.
    public mutating func abort() {
        guard isSynchronized, state != .timeWait else { return idle() }
        sendReset([.rst, .ack], sequence: own.wire(nxt), acknowledgement: peer.wire(rcvNxt))
        idle()
    }

    /// It loses its power, and with it everything that it knew.
    public mutating func forget() {
        outbox = []
        cookies = []
        idle()
    }

    /// What a host waits for no longer.
    public mutating func pass(seconds: Int) {
        switch state {
        case .timeWait where seconds >= 60, .synSent where seconds >= 120, .synReceived where seconds >= 60: idle()
        case .finWait2 where seconds >= 60 && isClosedByApplication: idle()
        default: break
        }
    }

    /// The number that its next connection begins with.
    public mutating func choose(initial: UInt32) { nextInitial = initial }

    public mutating func takeOutbox() -> [Sent] {
        defer { outbox = [] }
        return outbox
    }

    // MARK: Sending

    mutating func idle() {
        let (manner, kept, cookies, next) = (manner, outbox, cookies, nextInitial)
        self = TCPEndpoint(manner, initial: next)
        outbox = kept
        self.cookies = cookies
    }

    /// A new connection, its own SYN not yet sent.
    mutating func begin() {
        idle()
        own = SequenceSpace(initial: nextInitial)
    }

    /// The window for the header. The right edge never moves back: it is rounded up.
    private mutating func window(ofSYN: Bool) -> UInt16 {
        let shift = ofSYN ? 0 : Int(scales?.own ?? 0)
        let free = max(manner.buffer - unread, 0)
        let kept = max(rcvEdge - rcvNxt, 0)
        let field = min(max(free >> shift, (kept + (1 << shift) - 1) >> shift), 65535)
        rcvEdge = max(rcvEdge, rcvNxt + field << shift)
        return UInt16(field)
    }

    mutating func send(_ flags: TCPSegment.Flags, at position: Int, payload: Int = 0) {
        let isSYN = flags.contains(.syn)
        var segment = TCPSegment(
            flags, sequence: own.wire(position),
            acknowledgement: flags.contains(.ack) ? peer.wire(rcvNxt) : 0, payload: payload)
        segment.window = window(ofSYN: isSYN)
        if isSYN, !flags.contains(.ack) || scales != nil || state == .synSent { segment.scale = manner.scale }
        if flags.contains(.ack), !isSYN, manner.hasSACK {
            segment.selective = outOfOrder.reversed().prefix(3).map {
                .init(left: peer.wire($0.lowerBound), right: peer.wire($0.upperBound))
            }
        }
        outbox.append(
            Sent(
                segment: segment, own: own.initial, peer: state == .synSent ? nil : peer.initial,
                scale: isSYN ? 0 : scales?.own ?? 0))
    }

    mutating func sendReset(_ flags: TCPSegment.Flags, sequence: UInt32, acknowledgement: UInt32 = 0) {
        let identity = identity
        outbox.append(
            Sent(
                segment: TCPSegment(flags, sequence: sequence, acknowledgement: acknowledgement), own: identity?.own,
                peer: identity?.peer))
    }

    mutating func sendACK() { send([.ack], at: nxt) }
}
