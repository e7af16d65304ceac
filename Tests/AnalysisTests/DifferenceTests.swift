// SPDX-License-Identifier: Apache-2.0
import Analysis
import Network
import Policy
import Reference
import TestSupport
import Testing
import Wire

/// `diff` finds exactly the packets that two policies judge differently.
@Suite struct DifferenceTests {
    @Test func agreesWithBruteForce() throws {
        let seeds = TinyPolicy.seeds("difference")
        var (same, other) = (0, 0)
        for seed in seeds {
            let old = asking(TinyPolicy(seed: seed), seed &+ 55)
            let new = changed(old, seed)
            let difference = Difference(
                from: old.ruleset, to: new.ruleset, protects: [old.protects, new.protects])
            try #require(!difference.isPartial)
            // The world of these tests has nobody without an address.
            let nobody = [["0.0.0.0"], ["::"], ["host as 0.0.0.0"], ["host as ::"]]
            let traffic = difference.traffic.filter { !nobody.contains($0.from) }
            let truth = changes(old, new)
            let found = Set(traffic.map { Place(port: $0.port, direction: $0.direction) })
            try #require(
                found == Set(truth.keys), "seed \(seed)\n\(old.ruleset)\n\(new.ruleset)\n\(traffic)")
            for change in traffic {
                let kinds = truth[Place(port: change.port, direction: change.direction)] ?? []
                try #require(
                    kinds.contains(Kind(old: change.old, new: change.new)), "seed \(seed): \(change)\n\(truth)")
            }
            for (place, kinds) in truth {
                let told = traffic.filter { $0.port == place.port && $0.direction == place.direction }
                try #require(kinds == Set(told.map { Kind(old: $0.old, new: $0.new) }), "seed \(seed): \(place)")
            }
            if truth.isEmpty { same += 1 } else { other += 1 }
        }
        print("difference: \(same) without a change of traffic, \(other) with one")
        if seeds.count >= 20 {
            #expect(same > 0 && other > 0)
        }
        if seeds.count >= 60 {
            #expect(same > 5)
            #expect(other > 15)
        }
    }

    private struct Place: Hashable {
        var port: String
        var direction: Direction
    }

    private struct Kind: Hashable {
        var old: Action
        var new: Action
    }

    /// A policy with a few rules taken out, moved, or put in.
    private func changed(_ old: TinyPolicy, _ seed: UInt64) -> TinyPolicy {
        var random = RandomNumbers(seed: seed &+ 99)
        var new = old
        let others = TinyPolicy(seed: seed &+ 1_000_003).ruleset.rules
        for step in 0..<random.number(0...3) {
            switch random.number(0...3) {
            case 0 where !new.ruleset.rules.isEmpty:
                new.ruleset.rules.remove(at: random.number(0...new.ruleset.rules.count - 1))
            case 1 where new.ruleset.rules.count > 1:
                let rank = random.number(1...new.ruleset.rules.count - 1)
                // Layers stay where they are.
                let layers = new.ruleset.rules.map(\.layer)
                new.ruleset.rules.swapAt(0, rank)
                for place in [0, rank] { new.ruleset.rules[place].layer = layers[place] }
            case 2 where !new.ruleset.rules.isEmpty:
                // Another condition, or none.
                let rank = random.number(0...new.ruleset.rules.count - 1)
                new.ruleset.rules[rank].via = nil
                new.ruleset.rules[rank].match = .any
                if random.once(in: 2) { ask(&new.ruleset.rules[rank], new.ruleset.entries.count, &random) }
            default:
                guard var rule = others.first else { continue }
                rule.name = "new-\(step)"
                rule.entries = nil
                let place = random.number(0...new.ruleset.rules.count)
                let next = new.ruleset.rules.dropFirst(place).first ?? new.ruleset.rules.last
                rule.layer = next?.layer ?? 0
                new.ruleset.rules.insert(rule, at: place)
            }
        }
        return new
    }

    /// Whether a packet that comes in at a guest is for an address that is bound to another port.
    private func isForAnother(_ packet: Packet, _ tiny: TinyPolicy, _ entry: Int, _ direction: Direction) -> Bool {
        guard direction == .in, tiny.protects[entry] == .workload, let address = packet.destination,
            !tiny.ruleset.entries[entry].claimedAddresses.contains(address)
        else { return false }
        return tiny.ruleset.entries.indices.contains { other in
            other != entry && tiny.ruleset.entries[other].addresses.contains { $0.contains(address) }
        }
    }

    /// Lets some rules ask where a packet came from, and for a field of it.
    private func asking(_ tiny: TinyPolicy, _ seed: UInt64) -> TinyPolicy {
        var random = RandomNumbers(seed: seed)
        var result = tiny
        guard random.once(in: 2) else { return result }
        for rank in result.ruleset.rules.indices where random.once(in: 4) {
            ask(&result.ruleset.rules[rank], tiny.ruleset.entries.count, &random)
        }
        return result
    }

    private func ask(_ rule: inout Rule, _ entries: Int, _ random: inout RandomNumbers) {
        if random.once(in: 2) {
            rule.via = Rule.Via(entries: Set(random.some(of: Array(0..<entries))), host: random.once(in: 3))
        } else if rule.services != [.ethertype(0x88cc)] {
            rule.match.hopLimit = random.pick([64...64, 0...100, 101...255, 200...200])
        }
    }

    /// What the packet, its place and its claims do not tell, in one of the ways in which it may be.
    private struct Moment {
        var origin = ReferenceOrigin.elsewhere
        /// Rules whose limits have room.
        var roomy: Set<String> = []
        var isBeforeExpiry = true

        /// Every moment that some rules tell apart.
        static func all(_ rules: [Rule], entries: Int) -> [Moment] {
            var moments = [Moment()]
            if rules.contains(where: { $0.via != nil }) {
                let origins = [.elsewhere, .host] + (0..<entries).map { ReferenceOrigin.entry($0) }
                moments = origins.map { Moment(origin: $0) }
            }
            if rules.contains(where: { $0.expires != nil }) {
                moments += moments.map { Moment(origin: $0.origin, isBeforeExpiry: false) }
            }
            for name in Set(rules.filter { $0.limit != nil }.map(\.name)) {
                moments += moments.map { moment in
                    var other = moment
                    other.roomy.insert(name)
                    return other
                }
            }
            return moments
        }

        func holds(_ rule: Rule) -> Bool {
            (rule.limit == nil || roomy.contains(rule.name)) && (rule.expires == nil || isBeforeExpiry)
        }

        /// `via` matches where the host sends.
        func comes(_ rule: Rule, _ side: Protects, _ direction: Direction) -> Bool {
            direction == (side == .host ? .out : .in) && rule.via.map(origin.isOne(of:)) ?? false
        }
    }

    /// The tags that a port admits; one of them where no rule asks for tags.
    private func tags(_ entry: PortEntry, _ side: Protects, _ rules: [Rule]) -> [UInt16] {
        let admitted = ([0, 7, 9, 11] as [UInt16]).filter { tag in
            switch entry.vlanAdmission(side) {
            case .none: tag == 0
            case .any: true
            case .list(let tags): tags.contains(tag)
            }
        }
        return rules.contains { $0.vlans != nil } ? admitted : Array(admitted.prefix(1))
    }

    /// What the guards of a port say of a packet: whether they refuse it, and whether they do if it claims what is
    /// false. nil: no such packet comes there.
    private func guards(
        _ packet: Packet, _ entry: Int, _ direction: Direction, _ tiny: TinyPolicy, _ bare: ReferenceEvaluator
    ) -> Int? {
        if isForAnother(packet, tiny, entry, direction) { return nil }
        let side = tiny.protects[entry]
        let refusals = ([Claim(), nil] as [Claim?]).map { claim in
            bare.judge(packet, claiming: claim, entry: entry, protects: side, direction: direction)
                .reason.rawValue.hasPrefix("guard")
        }
        return (refusals[0] ? 1 : 0) + (refusals[1] ? 2 : 0)
    }

    /// By brute force: where verdicts change, and how, whatever time and state are.
    private func changes(_ old: TinyPolicy, _ new: TinyPolicy) -> [Place: Set<Kind>] {
        var found: [Place: Set<Kind>] = [:]
        let policies = [old, new]
        let evaluators = policies.map { ReferenceEvaluator($0.ruleset) }
        let rules = old.ruleset.rules + new.ruleset.rules
        let entries = old.ruleset.entries
        let moments = Moment.all(rules, entries: entries.count)
        var bare = old.ruleset
        bare.rules = []
        let bareEvaluator = ReferenceEvaluator(bare)
        let packets = TinyKinds(TinyWorld(policies.map(\.ruleset)), rules, entries).packets(
            tags: entries.indices.map { tags(entries[$0], old.protects[$0], rules) },
            toGroups: entries.contains { $0.guards(.workload).contains(.destination) },
            guards: { guards($0, $1, $2, old, bareEvaluator) })
        for (packet, place) in packets {
            let side = old.protects[place.entry]
            // Of what makes no claim, none is false.
            let claims: [Claim?] = packet.isICMP && packet.type == 135 ? [Claim(), nil] : [Claim()]
            for (moment, claim) in moments.flatMap({ moment in claims.map { (moment, $0) } }) {
                let verdicts = zip(evaluators, policies).map { evaluator, policy in
                    evaluator.judge(
                        packet, claiming: claim, entry: place.entry, protects: side, direction: place.direction,
                        isOwn: { place.isOwn($0, packet) },
                        comes: { moment.comes($0, side, place.direction) },
                        holds: { moment.holds(policy.ruleset.rules[$0]) }
                    ).verdict
                }
                guard verdicts[0] != verdicts[1] else { continue }
                found[Place(port: entries[place.entry].name, direction: place.direction), default: []].insert(
                    Kind(old: verdicts[0], new: verdicts[1]))
            }
        }
        return found
    }
}
