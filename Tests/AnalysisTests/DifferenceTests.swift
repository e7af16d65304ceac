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
            let old = TinyPolicy(seed: seed)
            let new = changed(old, seed)
            let difference = Difference(
                from: old.ruleset, to: new.ruleset, protects: [old.protects, new.protects])
            try #require(!difference.isPartial)
            // The world of these tests has nobody without an address.
            let traffic = difference.traffic.filter { $0.from != ["0.0.0.0"] && $0.from != ["::"] }
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
        for _ in 0..<random.number(0...3) {
            switch random.number(0...2) {
            case 0 where !new.ruleset.rules.isEmpty:
                new.ruleset.rules.remove(at: random.number(0...new.ruleset.rules.count - 1))
            case 1 where new.ruleset.rules.count > 1:
                new.ruleset.rules.swapAt(0, random.number(1...new.ruleset.rules.count - 1))
            default:
                guard var rule = others.first else { continue }
                rule.name = "new-\(new.ruleset.rules.count)"
                rule.entries = nil
                new.ruleset.rules.insert(rule, at: random.number(0...new.ruleset.rules.count))
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

    /// By brute force: where verdicts change, and how, with every condition fulfilled or none.
    private func changes(_ old: TinyPolicy, _ new: TinyPolicy) -> [Place: Set<Kind>] {
        var found: [Place: Set<Kind>] = [:]
        let evaluators = (ReferenceEvaluator(old.ruleset), ReferenceEvaluator(new.ruleset))
        let rules = old.ruleset.rules + new.ruleset.rules
        let asksOwn = rules.contains(where: \.asksHost)
        let worlds = rules.contains(where: \.asksOthers) ? [true, false] : [true]
        let claims: [Claim?] = [Claim(), nil]
        for packet in TinyWorld.packets(withTags: true) {
            for entry in old.ruleset.entries.indices {
                for direction in Direction.allCases
                where !isForAnother(packet, old, entry, direction) {
                    for own in asksOwn ? [0, 1, 2, 3] : [0] {
                        func isOwn(_ address: IPAddress) -> Bool {
                            own & 1 != 0 && address == packet.source || own & 2 != 0 && address == packet.destination
                        }
                        for (holds, claim) in worlds.flatMap({ world in claims.map { (world, $0) } }) {
                            func verdict(_ evaluator: ReferenceEvaluator, _ side: Protects) -> Action {
                                evaluator.judge(
                                    packet, claiming: claim, entry: entry, protects: side, direction: direction,
                                    isOwn: isOwn, holds: { _ in holds }
                                ).verdict
                            }
                            let one = verdict(evaluators.0, old.protects[entry])
                            let two = verdict(evaluators.1, new.protects[entry])
                            guard one != two else { continue }
                            let place = Place(port: old.ruleset.entries[entry].name, direction: direction)
                            found[place, default: []].insert(Kind(old: one, new: two))
                        }
                    }
                }
            }
        }
        return found
    }
}
