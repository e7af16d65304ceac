// SPDX-License-Identifier: Apache-2.0
import Compiler
import Network
import Policy
import Wire

/// What becomes of a packet that belongs to no flow, or opens one.
extension ReferenceFlows {
    /// - Parameter isGranting: Of a packet of which nobody knows where it came from: whether the rules that ask, and do
    ///   not deny, match it; else those that deny.
    mutating func ask(
        _ packet: Packet, _ budget: ReferenceConditions.Budget, at place: Place, _ direction: Direction,
        granting isGranting: Bool = false
    ) -> Judgement {
        let sends = (place.protects == .host) == (direction == .out)
        let (evaluator, rules, groups, members) = (evaluator, ruleset.rules, ruleset.dynamicGroups, members)
        let (own, marks) = (own, marked)
        var noted: [Int] = []
        if case .taken = budget { conditions.open = open(without: packet, at: place, direction) }
        let judgement = evaluator.judgeByRules(packet, entry: place.entry, direction: direction) { group, address in
            members.contains(address, in: groups[group].name)
        } isOwn: { address in
            // 127.0.0.0/8 is every host's.
            own.contains(Prefix(address)) || (address.family == .v4 && address.value >> 24 == 127)
        } comes: { rule in
            guard sends, let via = rule.via else { return false }
            let denies = rule.action == .drop || rule.action == .reject
            return place.origin?.isOne(of: via) ?? (isGranting != denies)
        } holds: { rank in
            conditions.holds(rules[rank], rank, for: packet, budget)
        } leaves: { rank in
            if rules[rank].addition != nil { noted.append(rank) }
        } knows: { rank in
            guard case .ignored(let first) = budget else { return packet.fits(rules[rank].match, marks) }
            // A flow does not remember the fields of what opened it, and no rule that denies ends it for them.
            return rank >= first && rules[rank].action != .drop && rules[rank].action != .reject
        }
        if case .taken = budget { self.noted = noted }
        return judgement
    }

    /// Puts ends of the packet into groups, once it has been judged: those that rules on its way ask for, and that of
    /// the rule that decided.
    ///
    /// - Parameter plain: What the rules said of the packet itself.
    func adding(_ packet: Packet, _ plain: Judgement, _ outcomes: [Outcome]) -> [Outcome] {
        outcomes.map { outcome in
            var outcome = outcome
            let decided = outcome.judgement == plain ? plain.rule.map { [$0] } ?? [] : []
            for rank in noted + decided {
                guard let addition = ruleset.rules[rank].addition,
                    let address = addition.end == .source ? packet.source : packet.destination
                else { continue }
                let group = ruleset.dynamicGroups[addition.group]
                outcome.after.change(group.name) {
                    $0.extend(Prefix(address), seconds: addition.seconds ?? group.timeout)
                }
            }
            outcome.after.noted = []
            return outcome
        }
    }

    /// Takes what a packet of a flow has of the limit of bytes of the rule that opened it.
    ///
    /// - Parameter packet: With its ends as the opening packet had them.
    /// - Returns: Whether there was as much.
    mutating func pays(_ packet: Packet, at rank: Int) -> Bool {
        let rule = ruleset.rules[rank]
        guard let limit = rule.limit, limit.unit == .bytes, !limit.isOver else { return true }
        return conditions.take(rule.name, limit, packet, count: packet.wireBytes)
    }

    /// The flows that count for rules, but for that of the packet's own connection.
    private func open(without packet: Packet, at place: Place, _ direction: Direction) -> [ReferenceConditions.Open] {
        guard ruleset.rules.contains(where: { $0.connections != nil }) else { return [] }
        let own = packet.isTracked ? Key(packet, direction, scope: place.scope, tags: packet) : nil
        return flows.flatMap { key, records in
            records.compactMap { record in
                guard let counted = record.counted, clock <= record.perhapsUntil else { return nil }
                // Echo requests each way are two conversations.
                if key == own, !packet.isEchoRequest || record.direction == direction { return nil }
                let (opener, answerer) =
                    record.direction == .in ? (key.sender, key.receiver) : (key.receiver, key.sender)
                return .init(
                    rule: counted.rule, by: counted.by, source: opener.address, destination: answerer.address)
            }
        }
    }

    /// What counts a flow that a rule accepted.
    func counted(by rank: Int?) -> Counted? {
        guard let rank, let by = ruleset.rules[rank].connections else { return nil }
        return Counted(rule: ruleset.rules[rank].name, by: by)
    }

    /// Whether rules ask where a packet came from that the host sends there.
    func asksOrigin(at place: Place, _ direction: Direction) -> Bool {
        (place.protects == .host) == (direction == .out)
            && ruleset.rules.contains { rule in
                rule.via != nil && rule.entries?.contains(place.entry) ?? true && rule.directions.contains(direction)
            }
    }

    /// Of what belongs to no flow, or opens one.
    func outcomesOfOpening(
        _ packet: Packet, _ key: Key, at place: Place, _ direction: Direction
    ) -> [Outcome] {
        var model = self
        let plain = model.ask(packet, .taken, at: place, direction)
        return model.adding(packet, plain, model.outcomes(ofOpening: packet, plain, key, at: place, direction))
    }

    private func outcomes(
        ofOpening packet: Packet, _ plain: Judgement, _ key: Key, at place: Place, _ direction: Direction
    ) -> [Outcome] {
        var model = self
        func only(_ judgement: Judgement) -> [Outcome] { [Outcome(judgement: judgement, after: model)] }
        let isAccepted = plain.verdict == .accept
        if passesUntracked(packet, plain, at: place) { return only(plain) }
        if packet.isOpening || !packet.isTCP {
            if isAccepted, packet.isOpening { model.keep(packet, key, direction, from: place.origin, by: plain) }
            if !isAccepted, !packet.isTCP { return model.adopt(answer: packet, plain, key, at: place, direction) }
            return only(plain)
        }
        let refusal = isAccepted ? Judgement(.drop, .invalidState) : plain
        // What a rule denies explicitly is never adopted.
        guard adopts, isAccepted || plain.rule == nil else { return only(refusal) }
        let adopted = model.adopt(segment: packet, plain, key, at: place, direction)
        // After a change of policy only what the one before passed without a flow; what just ended is not adopted.
        return generation > 0 || ended.contains(key) ? [adopted] + only(refusal) : [adopted]
    }

    /// A segment of a connection that was there before, judged by what its ports say of it.
    private func adopt(
        segment packet: Packet, _ plain: Judgement, _ key: Key, at place: Place, _ direction: Direction
    ) -> Outcome {
        var model = self
        let isAccepted = plain.verdict == .accept
        let (from, to) = (packet.sourcePort, packet.destinationPort)
        let tells = from != to && min(from, to) < 32768
        if tells, to < from {
            guard isAccepted else { return Outcome(judgement: plain, after: model) }
            model.keep(adopted: packet, key, direction, from: place.origin, by: plain, isByAnswerer: false)
            return Outcome(judgement: Judgement(.accept, .adopted, rule: plain.rule), after: model)
        }
        if !tells, !isAccepted { return Outcome(judgement: plain, after: model) }
        let other: Direction = direction == .in ? .out : .in
        let opening = model.ask(packet.reversed, .ignored(from: 0), at: place, other)
        guard opening.verdict == .accept else { return Outcome(judgement: opening, after: model) }
        model.keep(adopted: packet, key, other, from: nil, by: opening, isByAnswerer: true)
        return Outcome(judgement: Judgement(.accept, .adopted, rule: opening.rule), after: model)
    }

    /// Whether what accepted a packet does so without a flow.
    func passesUntracked(_ packet: Packet, _ judgement: Judgement, at place: Place) -> Bool {
        guard judgement.verdict == .accept else { return false }
        if let rank = judgement.rule, ruleset.rules[rank].isStateless { return true }
        return symmetric.contains(place.entry) && !packet.isTCP && packet.family != nil
    }

    /// What is denied may answer what an earlier policy passed without a flow, where its ports or its type say so;
    /// never what a rule denies.
    private func adopt(
        answer packet: Packet, _ denial: Judgement, _ key: Key, at place: Place, _ direction: Direction
    ) -> [Outcome] {
        let plain = Outcome(judgement: denial, after: self)
        guard adopts, denial.rule == nil, untracked.contains(place.entry), packet.suggestsAnswer else { return [plain] }
        var model = self
        let other: Direction = direction == .in ? .out : .in
        let opening = model.ask(packet.reversed.asRequest, .ignored(from: 0), at: place, other)
        guard opening.verdict == .accept else { return [plain] }
        model.keep(adopted: packet, key, other, from: nil, by: opening, isByAnswerer: true)
        return [Outcome(judgement: Judgement(.accept, .adopted, rule: opening.rule), after: model), plain]
    }

    /// What no host heeds, and what ends the connection, leaves no flow.
    private mutating func keep(
        adopted packet: Packet, _ key: Key, _ direction: Direction, from origin: ReferenceOrigin?,
        by judgement: Judgement, isByAnswerer: Bool
    ) {
        guard !packet.isTCP || (packet.has(Packet.ack) && !packet.has(Packet.rst)) else { return }
        keep(packet, key, direction, from: origin, by: judgement)
        guard var records = flows[key], var record = records.popLast() else { return }
        record.isByAnswerer = isByAnswerer
        if !packet.isTCP { record.lonely = isByAnswerer }
        flows[key] = records + [record]
    }

    private mutating func keep(
        _ packet: Packet, _ key: Key, _ direction: Direction, from origin: ReferenceOrigin?, by judgement: Judgement
    ) {
        let until = clock + FlowState.opening.timeout(ipProtocol: packet.ipProtocol)
        var record = Record(
            direction: direction, rule: judgement.rule, generation: generation, counted: counted(by: judgement.rule),
            lapses: conditions.lapse.map { clock + $0 }, headers: packet.headers, code: packet.code,
            origin: origin, surelyUntil: until, perhapsUntil: until)
        for same in live(key) where same.isAlike(record) {
            record.surelyUntil = max(record.surelyUntil, same.surelyUntil)
            record.perhapsUntil = max(record.perhapsUntil, same.perhapsUntil)
        }
        // A SYN is remembered beside a flow that is there, which stays as long as the SYN may be answered; an echo
        // request beside that of the other direction.
        let others = live(key).filter { !$0.isAlike(record) }.map { other in
            var other = other
            if packet.isTCP { other.perhapsUntil = max(other.perhapsUntil, until) }
            return other
        }
        flows[key] = others + [record]
    }
}
