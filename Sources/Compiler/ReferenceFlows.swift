import Network
import Policy

/// A model of the tables of flows and fragments: what the kernel's programs must agree with, packet by packet. It has room for everything.
///
/// Fresh, it tells what becomes of a packet that belongs to no flow.
public struct ReferenceFlows: Sendable {
    /// Where a packet crosses.
    public struct Place: Sendable, Hashable {
        /// Whose flows: the same for the devices of one host entry, else a device's own.
        public var scope: Int
        public var entry: Int
        public var protects: Protects
        public var isUnknownToDrop: Bool
        /// Whether it is cut off just now.
        public var isQuarantined: Bool

        public init(
            scope: Int, entry: Int, protects: Protects, isUnknownToDrop: Bool = false, isQuarantined: Bool = false
        ) {
            self.scope = scope
            self.entry = entry
            self.protects = protects
            self.isUnknownToDrop = isUnknownToDrop
            self.isQuarantined = isQuarantined
        }
    }

    private struct End: Hashable {
        var address: IPAddress?
        var port: UInt16
    }

    private struct Key: Hashable {
        var scope: Int
        var ipProtocol: UInt8
        /// Who sends what goes `in`, and to whom.
        var sender: End
        var receiver: End
        var outerVLAN: UInt16
        var innerVLAN: UInt16
        /// Of what an end sends to itself: such a connection has no way back that could be told from the way there.
        var direction: Direction?

        /// `tags`: of the frame that carries it, where `packet` is a quotation.
        init(_ packet: Packet, _ direction: Direction, scope: Int, tags: Packet) {
            self.scope = scope
            ipProtocol = packet.ipProtocol
            let ports = packet.flowPorts
            let source = End(address: packet.source, port: ports.source)
            let destination = End(address: packet.destination, port: ports.destination)
            (sender, receiver) = direction == .in ? (source, destination) : (destination, source)
            (outerVLAN, innerVLAN) = (tags.outerVLAN, tags.innerVLAN)
            if source == destination { self.direction = direction }
        }
    }

    private struct Record {
        /// Of the opening packet.
        var direction: Direction
        /// Rank of what accepted it; nil: the default.
        var rule: Int?
        var generation: Int
        /// When it is to be judged again; nil: when the policy changes.
        var lapses: Int?
        var seen: Int
        var flow: ReferenceFlow
    }

    private var evaluator: ReferenceEvaluator
    private var ruleset: Ruleset
    private let adopts: Bool
    /// Whether what the compiler takes for symmetric passes without a flow, as in the kernel.
    private let marks: Bool
    private var symmetric: Set<Int>
    /// Entries where a policy was replaced that passed something without a flow.
    private var untracked: Set<Int> = []
    private var generation = 0
    private var conditions: ReferenceConditions
    private var clock: Int { conditions.clock }
    private var flows: [Key: Record] = [:]
    /// Who is in the policy's dynamic groups.
    public private(set) var members = ReferenceMembers()
    /// The host's own addresses, but for IPv4's loopback addresses.
    public var own: Set<Prefix> = []
    private var fragments = ReferenceFragments()

    /// - Parameters:
    ///   - adopts: whether connections that were there before are adopted, for ever.
    ///   - marks: Whether what the compiler takes for symmetric passes without a flow, as in the kernel; it makes no difference to verdicts.
    ///   - start: What the clock on the wall shows.
    public init(
        _ ruleset: Ruleset, adopts: Bool = false, marks: Bool = true, start: Timestamp = Timestamp(nanoseconds: 0)
    ) {
        self.ruleset = ruleset
        conditions = ReferenceConditions(start: start)
        self.adopts = adopts
        self.marks = marks
        symmetric = marks ? Symmetry(ruleset).entries : []
        evaluator = ReferenceEvaluator(ruleset)
    }

    /// Another policy comes into force.
    public mutating func use(_ ruleset: Ruleset) {
        untracked.formUnion(symmetric)
        untracked.formUnion(self.ruleset.statelessEntries)
        symmetric = marks ? Symmetry(ruleset).entries : []
        self.ruleset = ruleset
        evaluator = ReferenceEvaluator(ruleset)
        generation += 1
        conditions.use(ruleset)
        members.keep(ruleset.dynamicGroups.map(\.name))
    }

    /// Commands change who is in a dynamic group.
    public mutating func change(_ group: String, _ change: (inout ReferenceMembers.Group) -> Void) {
        members.change(group, change)
    }

    /// No flow and no datagram is left; what was used of limits is.
    public mutating func forgetFlows() {
        flows = [:]
        fragments = ReferenceFragments()
    }

    /// Time goes by.
    public mutating func pass(seconds: Int) {
        conditions.clock += seconds
        members.pass(seconds: seconds)
    }

    /// Judges a packet, and keeps its flow and its datagram.
    ///
    /// - Parameters:
    ///   - quotation: What it quotes, where it is an ICMP error, see ``PacketParser/quotation(in:of:)``.
    ///   - claim: Of the packet, see ``Packet/claim(in:)``.
    public mutating func judge(
        _ packet: Packet, quoting quotation: Packet? = nil, claiming claim: Claim? = nil, at place: Place,
        direction: Direction
    ) -> Judgement {
        guard packet.fragment != .whole else {
            return judgeDatagram(packet, quoting: quotation, claiming: claim, at: place, direction)
        }
        if let refusal = evaluator.refuse(
            packet, claiming: claim, entry: place.entry, protects: place.protects, direction: direction,
            isUnknownToDrop: place.isUnknownToDrop, isQuarantined: place.isQuarantined)
        {
            return refusal
        }
        let datagram = ReferenceFragments.Key(packet, direction, scope: place.scope)
        switch fragments.place(packet, of: datagram, now: clock) {
        case .follows: return Judgement(.accept, .fragment)
        case .astray: return Judgement(.drop, .fragment)
        case .opens:
            let judgement = judgeDatagram(packet, quoting: quotation, claiming: claim, at: place, direction)
            if judgement.verdict == .accept {
                fragments.keep(packet, of: datagram, now: clock)
            }
            return judgement
        }
    }

    /// Judges a whole packet, or the first fragment of one.
    private mutating func judgeDatagram(
        _ packet: Packet, quoting quotation: Packet?, claiming claim: Claim?, at place: Place,
        _ direction: Direction
    ) -> Judgement {
        conditions.lapse = nil
        let early = evaluator.judgeBeforeRules(
            packet, claiming: claim, entry: place.entry, protects: place.protects, direction: direction,
            isUnknownToDrop: place.isUnknownToDrop, isQuarantined: place.isQuarantined)
        if let early { return early }
        guard packet.family != nil else { return ask(packet, .taken, at: place, direction) }
        if packet.isError, let judgement = judgeError(quotation, of: packet, at: place, direction) { return judgement }
        guard packet.isTracked else { return ask(packet, .taken, at: place, direction) }
        if packet.isTCP, packet.has(Packet.syn), packet.has(Packet.fin) || packet.has(Packet.rst) {
            return Judgement(.drop, .invalidState)
        }
        let key = Key(packet, direction, scope: place.scope, tags: packet)
        if !packet.isTCP || !packet.isOpening, let record = live(key) {
            return admit(packet, record, key, at: place, direction)
        }
        return open(packet, ask(packet, .taken, at: place, direction), key, at: place, direction)
    }

    // MARK: Flows that are there

    private func live(_ key: Key) -> Record? {
        guard let record = flows[key],
            clock - record.seen <= record.flow.state.timeout(ipProtocol: key.ipProtocol)
        else { return nil }
        return record
    }

    /// A packet of a flow; of one that an earlier policy accepted, only if this one would too.
    private mutating func admit(
        _ packet: Packet, _ record: Record, _ key: Key, at place: Place, _ direction: Direction
    ) -> Judgement {
        var record = record
        let isAnswer = direction != record.direction
        if packet.isTCP, packet.has(Packet.rst), !record.flow.isSound(reset: packet, isAnswer: isAnswer) {
            return Judgement(.drop, .invalidState)
        }
        if let denial = renew(&record, key, by: isAnswer ? packet.reversed : packet, at: place) { return denial }
        record.seen = clock
        record.flow.advance(packet, isAnswer: isAnswer)
        flows[key] = record
        return Judgement(.accept, .established)
    }

    /// Judges an earlier policy's flow anew by what opened it, and one whose time has come; returns the denial that ends it.
    private mutating func renew(_ record: inout Record, _ key: Key, by opening: Packet, at place: Place) -> Judgement? {
        let isOld = record.generation != generation
        // Who is in dynamic groups, or what the host's addresses are, may have changed; where it has
        // not, to ask once more changes nothing.
        // The kernel asks again for the host's addresses after a second at most: a test lets that time pass.
        let mayDiffer =
            record.lapses.map { clock > $0 } == true || ruleset.rules.contains { $0.asksMembers || $0.asksHost }
        guard isOld || mayDiffer else { return nil }
        // Limited rules ahead of the one that accepted it were over their limit.
        let first = isOld ? 0 : record.rule ?? .max
        let judgement = ask(opening.asRequest, .ignored(from: first), at: place, record.direction)
        guard judgement.verdict == .accept else {
            flows[key] = nil
            return Judgement(.drop, .policyChanged, rule: judgement.rule)
        }
        record.generation = generation
        record.rule = judgement.rule
        record.lapses = conditions.lapse.map { clock + $0 }
        flows[key] = record
        return nil
    }

    /// An error about a packet of a flow, or about one that a rule accepts without a flow. It refreshes nothing.
    private mutating func judgeError(
        _ quotation: Packet?, of packet: Packet, at place: Place, _ direction: Direction
    ) -> Judgement? {
        guard let quotation, packet.destination == quotation.source else { return nil }
        let quoted: Direction = direction == .in ? .out : .in
        let key = Key(quotation, quoted, scope: place.scope, tags: packet)
        if quotation.isTracked, var record = live(key) {
            let opening = quoted == record.direction ? quotation : quotation.reversed
            return renew(&record, key, by: opening, at: place) ?? Judgement(.accept, .related)
        }
        let judgement = ask(quotation, .ignored(from: 0), at: place, quoted)
        guard passesUntracked(quotation, judgement, at: place) else { return nil }
        return Judgement(.accept, .related, rule: judgement.rule)
    }

    // MARK: New flows

    private mutating func ask(
        _ packet: Packet, _ budget: ReferenceConditions.Budget, at place: Place, _ direction: Direction
    ) -> Judgement {
        let (evaluator, rules, groups, members) = (evaluator, ruleset.rules, ruleset.dynamicGroups, members)
        let own = own
        return evaluator.judgeByRules(packet, entry: place.entry, direction: direction) { group, address in
            members.contains(address, in: groups[group].name)
        } isOwn: { address in
            // 127.0.0.0/8 is every host's.
            own.contains(Prefix(address)) || (address.family == .v4 && address.value >> 24 == 127)
        } holds: { rank in
            conditions.holds(rules[rank], rank, for: packet, budget)
        }
    }

    private mutating func open(
        _ packet: Packet, _ plain: Judgement, _ key: Key, at place: Place, _ direction: Direction
    ) -> Judgement {
        let isAccepted = plain.verdict == .accept
        if passesUntracked(packet, plain, at: place) { return plain }
        if packet.isOpening || !packet.isTCP {
            if isAccepted, packet.isOpening, live(key)?.flow.state != .established {
                keep(packet, key, isAnswer: false, direction, by: plain, isAdopted: false)
            }
            if !isAccepted, !packet.isTCP { return adopt(answer: packet, plain, key, at: place, direction) }
            return plain
        }
        guard adopts else { return isAccepted ? Judgement(.drop, .invalidState) : plain }
        let (from, to) = (packet.sourcePort, packet.destinationPort)
        let tells = from != to && min(from, to) < 32768
        if tells, to < from {
            guard isAccepted else { return plain }
            keep(packet, key, isAnswer: false, direction, by: plain, isAdopted: true)
            return Judgement(.accept, .adopted, rule: plain.rule)
        }
        if !tells, !isAccepted { return plain }
        let opening = ask(packet.reversed, .ignored(from: 0), at: place, direction == .in ? .out : .in)
        guard opening.verdict == .accept else { return opening }
        keep(packet, key, isAnswer: true, direction == .in ? .out : .in, by: opening, isAdopted: true)
        return Judgement(.accept, .adopted, rule: opening.rule)
    }

    /// Whether what accepted a packet does so without a flow.
    private func passesUntracked(_ packet: Packet, _ judgement: Judgement, at place: Place) -> Bool {
        guard judgement.verdict == .accept else { return false }
        if let rank = judgement.rule, ruleset.rules[rank].isStateless { return true }
        return symmetric.contains(place.entry) && !packet.isTCP && packet.family != nil
    }

    /// What is denied may answer what an earlier policy passed without a flow, where its ports or its type say so.
    private mutating func adopt(
        answer packet: Packet, _ denial: Judgement, _ key: Key, at place: Place, _ direction: Direction
    ) -> Judgement {
        guard adopts, untracked.contains(place.entry), packet.suggestsAnswer else { return denial }
        let other: Direction = direction == .in ? .out : .in
        let opening = ask(packet.reversed.asRequest, .ignored(from: 0), at: place, other)
        guard opening.verdict == .accept else { return denial }
        keep(packet, key, isAnswer: true, other, by: opening, isAdopted: true)
        return Judgement(.accept, .adopted, rule: opening.rule)
    }

    private mutating func keep(
        _ packet: Packet, _ key: Key, isAnswer: Bool, _ direction: Direction, by judgement: Judgement, isAdopted: Bool
    ) {
        flows[key] = Record(
            direction: direction, rule: judgement.rule, generation: generation,
            lapses: conditions.lapse.map { clock + $0 }, seen: clock,
            flow: ReferenceFlow(packet, isAnswer: isAnswer, isAdopted: isAdopted))
    }
}
