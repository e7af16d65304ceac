// SPDX-License-Identifier: Apache-2.0
import Compiler
import Network
import Policy
import Wire

/// A model of the tables of flows and fragments: what the kernel's programs must agree with, packet by packet. It has
/// room for everything.
///
/// What is not TCP it tells exactly. Of TCP it tells what the rules, a change of policy and time make of a flow; what
/// the numbers of a segment make of it is the matter of ``TCPJudge``, which knows the hosts. So a segment may have
/// more than one outcome here, and ``ReferenceWorlds`` goes on from all that agree with what was found.
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
        /// Where the packet came from; nil if the host does not send it.
        public var origin: ReferenceOrigin?

        public init(
            scope: Int, entry: Int, protects: Protects, isUnknownToDrop: Bool = false, isQuarantined: Bool = false,
            origin: ReferenceOrigin? = nil
        ) {
            self.origin = origin
            self.scope = scope
            self.entry = entry
            self.protects = protects
            self.isUnknownToDrop = isUnknownToDrop
            self.isQuarantined = isQuarantined
        }
    }

    /// What may become of a packet, and the model after that.
    struct Outcome {
        var judgement: Judgement
        var after: ReferenceFlows
    }

    var evaluator: ReferenceEvaluator
    var ruleset: Ruleset
    let adopts: Bool
    /// Whether what the compiler takes for symmetric passes without a flow, as in the kernel.
    private let marks: Bool
    var symmetric: Set<Int>
    /// Entries where a policy was replaced that passed something without a flow.
    var untracked: Set<Int> = []
    var generation = 0
    var conditions: ReferenceConditions
    var clock: Int { conditions.clock }
    /// More than one where it cannot be told whose flow it is: a SYN came over it.
    var flows: [Key: [Record]] = [:]
    /// Who is in the policy's dynamic groups.
    public private(set) var members = ReferenceMembers()
    /// What the next packet is marked with.
    public var marked = PacketMarks()
    /// Rules that put an end of the packet into a group, and left it to later ones. Between packets there are none.
    var noted: [Int] = []
    /// The host's own addresses, but for IPv4's loopback addresses.
    public var own: Set<Prefix> = []
    private var fragments = ReferenceFragments()
    /// Whose flows a new policy, or a change of groups, has ended.
    var ended: Set<Key> = []

    /// - Parameters:
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
        ended = []
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
    public mutating func judge(
        _ packet: Packet, quoting quotation: Packet? = nil, claiming claim: Claim? = nil, at place: Place,
        direction: Direction
    ) -> Judgement {
        let outcome = outcomes(of: packet, quoting: quotation, claiming: claim, at: place, direction)[0]
        self = outcome.after
        return outcome.judgement
    }

    /// What tells this model from another of the same packets. What is over does not.
    struct Memory: Hashable {
        var flows: [Key: Set<Record>]
        var ended: Set<Key>
        var conditions: ReferenceConditions
        var fragments: ReferenceFragments
        var members: ReferenceMembers
    }

    var memory: Memory {
        var conditions = conditions
        conditions.lapse = nil
        conditions.open = []
        let living = flows.mapValues { records in Set(records.filter { clock <= $0.perhapsUntil }) }
        return Memory(
            flows: living.filter { !$0.value.isEmpty }, ended: ended, conditions: conditions, fragments: fragments,
            members: members)
    }

    func outcomes(
        of packet: Packet, quoting quotation: Packet?, claiming claim: Claim?, at place: Place, _ direction: Direction
    ) -> [Outcome] {
        guard packet.fragment != .whole else {
            return outcomes(ofDatagram: packet, quoting: quotation, claiming: claim, at: place, direction)
        }
        var model = self
        if let refusal = evaluator.refuse(
            packet, claiming: claim, entry: place.entry, protects: place.protects, direction: direction,
            isUnknownToDrop: place.isUnknownToDrop, isQuarantined: place.isQuarantined)
        {
            return [Outcome(judgement: refusal, after: self)]
        }
        let datagram = ReferenceFragments.Key(packet, direction, scope: place.scope)
        switch model.fragments.place(packet, of: datagram, now: clock) {
        case .follows: return [Outcome(judgement: Judgement(.accept, .fragment), after: model)]
        case .astray: return [Outcome(judgement: Judgement(.drop, .fragment), after: model)]
        case .opens:
            let outcomes = model.outcomes(
                ofDatagram: packet, quoting: quotation, claiming: claim, at: place, direction)
            return outcomes.map { outcome in
                var outcome = outcome
                if outcome.judgement.verdict == .accept {
                    outcome.after.fragments.keep(packet, of: datagram, now: clock)
                }
                return outcome
            }
        }
    }

    /// Of a whole packet, or the first fragment of one.
    private func outcomes(
        ofDatagram packet: Packet, quoting quotation: Packet?, claiming claim: Claim?, at place: Place,
        _ direction: Direction
    ) -> [Outcome] {
        var model = self
        model.conditions.lapse = nil
        let early = evaluator.judgeBeforeRules(
            packet, claiming: claim, entry: place.entry, protects: place.protects, direction: direction,
            isUnknownToDrop: place.isUnknownToDrop, isQuarantined: place.isQuarantined)
        if let early { return [Outcome(judgement: early, after: model)] }
        guard packet.family != nil else { return model.outcomeByRules(packet, at: place, direction) }
        var outcomes: [Outcome] = []
        if packet.isError {
            outcomes = model.outcomes(ofErrorAbout: quotation, packet, at: place, direction)
            if !outcomes.isEmpty, !isDoubtful(quotation, packet, at: place, direction) { return outcomes }
        }
        guard packet.isTracked else { return outcomes + model.outcomeByRules(packet, at: place, direction) }
        if packet.isTCP, packet.has(Packet.syn), packet.has(Packet.fin) || packet.has(Packet.rst) {
            return [Outcome(judgement: Judgement(.drop, .invalidState), after: model)]
        }
        let key = Key(packet, direction, scope: place.scope, tags: packet)
        if packet.isTCP, packet.isOpening { return model.outcomesOfOpening(packet, key, at: place, direction) }
        let records = live(key, of: packet, direction)
        outcomes = records.isEmpty ? [] : model.admit(packet, records, key, at: place, direction)
        if records.contains(where: { $0.isUnlike(packet, from: place.origin) }) {
            outcomes += model.admit(packet, records, key, at: place, direction, isSureToAsk: false)
        }
        let isCovered = records.contains { clock <= $0.surelyUntil }
        return isCovered ? outcomes : outcomes + model.outcomesOfOpening(packet, key, at: place, direction)
    }

    private func outcomeByRules(_ packet: Packet, at place: Place, _ direction: Direction) -> [Outcome] {
        var model = self
        let judgement = model.ask(packet, .taken, at: place, direction)
        return model.adding(packet, judgement, [Outcome(judgement: judgement, after: model)])
    }

    // MARK: Flows that are there

    /// Those that may be there.
    func live(_ key: Key) -> [Record] { flows[key, default: []].filter { clock <= $0.perhapsUntil } }

    /// Those that a packet may belong to: an echo request each way begins a conversation of its own.
    func live(_ key: Key, of packet: Packet, _ direction: Direction) -> [Record] {
        live(key).filter { !packet.contradicts(isAnswer: direction != $0.direction) }
    }

    /// Of some of a key's records others have become.
    mutating func replace(_ records: [Record], of key: Key, by new: [Record]) {
        flows[key] = live(key).filter { !records.contains($0) } + new
    }

    /// A packet of a flow; of one that an earlier policy accepted, only if this one would too.
    ///
    /// - Parameter isSureToAsk: Whether the rules are asked again where their answer may have changed. It is the answer
    ///   of before, unless the packet is unlike the one that opened the flow: then the kernel, which asks only where
    ///   something did change, may say otherwise.
    private func admit(
        _ packet: Packet, _ records: [Record], _ key: Key, at place: Place, _ direction: Direction,
        isSureToAsk: Bool = true
    ) -> [Outcome] {
        var outcomes: [Outcome] = []
        var admitted: [Record] = []
        // A SYN that came over a connection is judged anew when it is answered, not by packets of that connection.
        var refused: [Record] = []
        var model = self
        for var record in records {
            let isAnswer = direction != record.direction
            var place = place
            if isAnswer { place.origin = nil }
            let renewal = model.renew(
                &record, by: isAnswer ? packet.reversed : packet, at: place, isSureToAsk: isSureToAsk)
            if let denial = renewal.denial {
                outcomes.append(Outcome(judgement: denial, after: forgetting(record, among: records, of: key)))
                // A SYN over a connection is remembered, and denied each time that it is answered.
                if packet.isTCP, records.count > 1 { outcomes.append(Outcome(judgement: denial, after: self)) }
            }
            let payer = isAnswer ? packet.reversed : packet
            if renewal.mayHold, let rank = renewal.rule, !model.pays(payer, at: rank) {
                // The flow stays as it is.
                outcomes.append(Outcome(judgement: Judgement(.drop, .rule, rule: rank), after: self))
            } else if renewal.mayHold {
                model.advance(&record, by: packet, isAnswer: isAnswer)
                admitted.append(record)
            } else if packet.isTCP {
                record.surelyUntil = min(record.surelyUntil, clock - 1)
                refused.append(record)
            }
        }
        if !admitted.isEmpty {
            model.replace(records, of: key, by: admitted + refused)
            outcomes.insert(Outcome(judgement: Judgement(.accept, .established), after: model), at: 0)
        }
        if packet.isTCP, packet.has(Packet.rst) || ruleset.entries[place.entry].tcp == .strict {
            outcomes.append(Outcome(judgement: Judgement(.drop, .invalidState), after: self))
        }
        return outcomes
    }

    /// One of those that it may have been was there, and has ended; whether another is left nobody knows.
    func forgetting(_ record: Record, among records: [Record], of key: Key) -> ReferenceFlows {
        var model = self
        model.ended.insert(key)
        let others = records.filter { !$0.isAlike(record) }.map { other in
            var other = other
            other.surelyUntil = clock - 1
            return other
        }
        model.replace(records, of: key, by: others)
        return model
    }

    private func advance(_ record: inout Record, by packet: Packet, isAnswer: Bool) {
        guard !packet.isTCP else {
            // What its numbers make of it is not known here.
            if packet.has(Packet.rst) {
                record.surelyUntil = min(record.surelyUntil, clock + FlowState.closed.timeout(ipProtocol: 6))
            }
            record.perhapsUntil = clock + FlowState.established.timeout(ipProtocol: 6)
            return
        }
        // What was adopted lasts if it is seen both ways.
        if record.lonely == isAnswer { return }
        let isSeenBothWays = record.lonely != nil
        record.lonely = nil
        if isAnswer || isSeenBothWays, record.state == .opening {
            record.state = .answered
        } else if !isAnswer, record.state == .answered {
            record.state = .established
        }
        record.surelyUntil = clock + record.state.timeout(ipProtocol: packet.ipProtocol)
        record.perhapsUntil = record.surelyUntil
    }

    /// Judges an earlier policy's flow anew by what opened it, and one whose time has come.
    ///
    /// - Returns: The denial that ends it, if any, whether it may hold, and what rule accepts it now.
    mutating func renew(
        _ record: inout Record, by opening: Packet, at place: Place, isSureToAsk: Bool = true
    ) -> (denial: Judgement?, mayHold: Bool, rule: Int?) {
        var perhaps: Judgement?
        let isOld = record.generation != generation
        // Who is in dynamic groups, or what the host's addresses are, may have changed; where it has not, to ask once
        // more changes nothing. The kernel asks again for the host's addresses after a second at most: a test lets that
        // time pass.
        let mayDiffer = isSureToAsk && ruleset.rules.contains { $0.asksMembers || $0.asksHost }
        guard isOld || mayDiffer || record.lapses.map({ clock > $0 }) == true else { return (nil, true, record.rule) }
        var opening = opening
        opening.headers = record.headers
        // Limited rules ahead of the one that accepted it were over their limit.
        let first = isOld ? 0 : record.rule ?? .max
        let judgement = ask(opening.asRequest, .ignored(from: first), at: place, record.direction, granting: true)
        guard judgement.verdict == .accept else {
            return (Judgement(.drop, .policyChanged, rule: judgement.rule), false, nil)
        }
        if record.isByAnswerer {
            let other: Direction = record.direction == .in ? .out : .in
            let reply = ask(opening.asRequest.reversed.asReply, .ignored(from: 0), at: place, other, granting: true)
            if reply.verdict != .accept, let rule = reply.rule {
                // Within one policy it is asked only where something may have changed, and whether its limit was over
                // when it let the connection be adopted nobody knows.
                perhaps = Judgement(.drop, .policyChanged, rule: rule)
                if isOld || ruleset.rules[rule].limit == nil { return (perhaps, false, nil) }
            }
        }
        // Where nobody knows whence its opening packet came, it is asked again.
        if place.origin == nil, asksOrigin(at: place, record.direction) { return (perhaps, true, judgement.rule) }
        record.generation = generation
        record.rule = judgement.rule
        record.counted = counted(by: judgement.rule)
        record.lapses = conditions.lapse.map { clock + $0 }
        return (perhaps, true, judgement.rule)
    }
}

extension Packet {
    /// Whether an echo message goes the other way than its flow has it go.
    fileprivate func contradicts(isAnswer: Bool) -> Bool {
        isAnswer ? isEchoRequest : isEchoReply
    }
}
