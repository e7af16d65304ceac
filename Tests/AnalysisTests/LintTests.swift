// SPDX-License-Identifier: Apache-2.0
import Analysis
import Network
import Policy
import Reference
import TestSupport
import Testing
import Wire

/// What lint says of rules is so for every packet, and what is so for every packet it says.
@Suite struct LintTests {
    /// What brute force finds out of a policy's rules.
    private struct Truth {
        var exist: Set<Int> = []
        var reachable: Set<Int> = []
        /// Rules that change some verdict.
        var needed: Set<Int> = []
    }

    @Test func agreesWithBruteForce() throws {
        let seeds = TinyPolicy.seeds("lint")
        var (shadowed, redundant) = (0, 0)
        for seed in seeds {
            let tiny = TinyPolicy(seed: seed)
            let lint = Lint(tiny.ruleset, protects: tiny.protects)
            let truth = truth(tiny.ruleset)
            let names = tiny.ruleset.rules.map(\.name)
            let dead = Set(found(.shadowed, lint).compactMap { names.firstIndex(of: $0) })
            try #require(
                dead == truth.exist.subtracting(truth.reachable), "seed \(seed)\n\(tiny.ruleset)\(lint.diagnostics)")
            for name in found(.redundant, lint) {
                let rank = try #require(names.firstIndex(of: name))
                try #require(!truth.needed.contains(rank), "seed \(seed), \(name)\n\(tiny.ruleset)")
            }
            for diagnostic in lint.diagnostics where diagnostic.finding?.code == .shadowed {
                try covers(diagnostic, tiny.ruleset, seed)
            }
            #expect(lint.unproved.isEmpty)
            shadowed += dead.count
            redundant += found(.redundant, lint).count
        }
        print("lint: \(shadowed) shadowed, \(redundant) redundant")
        if seeds.count >= 20 {
            #expect(shadowed > 0)
        }
        if seeds.count >= 60 {
            #expect(shadowed > 10)
            #expect(redundant > 0)
        }
    }

    private func found(_ code: Finding.Code, _ lint: Lint) -> [String] {
        lint.diagnostics.filter { $0.finding?.code == code }.compactMap(\.rule)
    }

    /// The rules that are named as the cover do cover it: with them alone before it, it never matches.
    private func covers(_ diagnostic: Diagnostic, _ ruleset: Ruleset, _ seed: UInt64) throws {
        let by = Set(diagnostic.finding?.by ?? [])
        var fewer = ruleset
        fewer.rules = ruleset.rules.filter { by.contains($0.name) || $0.name == diagnostic.rule }
        let truth = truth(fewer)
        let rank = try #require(fewer.rules.firstIndex { $0.name == diagnostic.rule })
        try #require(!truth.reachable.contains(rank), "seed \(seed): \(diagnostic)")
    }

    private func truth(_ ruleset: Ruleset) -> Truth {
        var truth = Truth()
        let evaluator = ReferenceEvaluator(ruleset)
        let singles = ruleset.rules.indices.map { rank -> ReferenceEvaluator in
            var one = ruleset
            one.rules = [ruleset.rules[rank]]
            one.rules[0].action = .accept
            return ReferenceEvaluator(one)
        }
        let asksOwn = ruleset.rules.contains(where: \.asksHost)
        forEachPacket(ruleset, asksOwn: asksOwn) { packet, entry, direction, own in
            func matches(_ rank: Int) -> Bool {
                singles[rank].firstMatch(packet, entry: entry, direction: direction, isOwn: own) != nil
            }
            // The rules that the packet has all for and may come to, up to the first that must decide.
            var chain: [Int] = []
            var passed: Int?
            for (rank, rule) in ruleset.rules.enumerated() where rule.layer != passed && matches(rank) {
                chain.append(rank)
                if rule.asksOthers { continue }
                if rule.action == .pass { passed = rule.layer }
                if rule.action.isVerdict { break }
            }
            truth.exist.formUnion(ruleset.rules.indices.filter(matches))
            truth.reachable.formUnion(chain)
            for rank in chain where !ruleset.rules[rank].isConditional {
                let verdict = { (judgement: Judgement) in judgement.verdict }
                var fewer = ruleset
                fewer.rules.remove(at: rank)
                let after = ReferenceEvaluator(fewer).judgeByRules(
                    packet, entry: entry, direction: direction, isMember: { _, _ in false }, isOwn: own,
                    holds: { $0 >= rank })
                let before = evaluator.judgeByRules(
                    packet, entry: entry, direction: direction, isMember: { _, _ in false }, isOwn: own,
                    holds: { $0 > rank })
                if verdict(after) != verdict(before) { truth.needed.insert(rank) }
            }
        }
        return truth
    }

    private func forEachPacket(
        _ ruleset: Ruleset, asksOwn: Bool,
        _ body: (Packet, Int, Direction, _ own: @escaping (IPAddress) -> Bool) -> Void
    ) {
        let packets = TinyWorld.packets(withTags: false)
        let tags: [UInt16] = ruleset.rules.contains { $0.vlans != nil } ? [0, 7, 9, 11] : [0]
        for packet in packets {
            for tag in tags {
                var tagged = packet
                tagged.outerVLAN = tag
                for entry in ruleset.entries.indices {
                    for direction in Direction.allCases {
                        for own in asksOwn ? [0, 1, 2, 3] : [0] {
                            body(tagged, entry, direction) {
                                own & 1 != 0 && $0 == packet.source || own & 2 != 0 && $0 == packet.destination
                            }
                        }
                    }
                }
            }
        }
    }
}
