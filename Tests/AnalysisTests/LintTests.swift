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

    /// With either way to tell whether a rule changes a verdict.
    @Test(arguments: [300_000, 0]) func agreesWithBruteForce(search: Int) throws {
        let seeds = TinyPolicy.seeds("lint")
        var (shadowed, redundant) = (0, 0)
        for seed in seeds {
            let tiny = TinyPolicy(seed: seed)
            let lint = Lint(tiny.ruleset, protects: tiny.protects, search: search)
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
        let withouts = ruleset.rules.indices.map { rank -> ReferenceEvaluator in
            var fewer = ruleset
            fewer.rules.remove(at: rank)
            return ReferenceEvaluator(fewer)
        }
        let conditional = ruleset.rules.indices.filter { ruleset.rules[$0].asksOthers }
        forEachPacket(ruleset) { packet, entry, direction, own in
            func matches(_ rank: Int) -> Bool {
                singles[rank].firstMatch(packet, entry: entry, direction: direction, isOwn: own) != nil
            }
            // The rules that the packet has all for and may come to. It may come to a rule in several ways: for each of
            // them the layer that was passed on.
            var chain: [Int] = []
            var ways: Set<Int?> = [nil]
            for (rank, rule) in ruleset.rules.enumerated() where matches(rank) {
                let asked = ways.filter { $0 != rule.layer }
                if asked.isEmpty { continue }
                chain.append(rank)
                if !rule.asksOthers, rule.action != .log { ways.subtract(asked) }
                if rule.action == .pass { ways.insert(rule.layer) }
                if ways.isEmpty { break }
            }
            truth.exist.formUnion(ruleset.rules.indices.filter(matches))
            truth.reachable.formUnion(chain)
            for rank in chain where !ruleset.rules[rank].isConditional && !truth.needed.contains(rank) {
                func verdict(_ evaluator: ReferenceEvaluator, _ holds: (Int) -> Bool) -> Action {
                    evaluator.judgeByRules(
                        packet, entry: entry, direction: direction, isMember: { _, _ in false }, isOwn: own,
                        holds: holds
                    ).verdict
                }
                for choice in 0..<1 << conditional.count {
                    func holds(_ rank: Int) -> Bool {
                        choice >> (conditional.firstIndex(of: rank) ?? 0) & 1 == 1
                    }
                    let after = verdict(withouts[rank]) { holds($0 < rank ? $0 : $0 + 1) }
                    if verdict(evaluator, holds) != after { truth.needed.insert(rank) }
                }
            }
        }
        return truth
    }

    private func forEachPacket(
        _ ruleset: Ruleset, _ body: (Packet, Int, Direction, _ own: @escaping (IPAddress) -> Bool) -> Void
    ) {
        let tags: [UInt16] = ruleset.rules.contains { $0.vlans != nil } ? [0, 7, 9, 11] : [0]
        let kinds = TinyKinds(TinyWorld([ruleset]), ruleset.rules, ruleset.entries)
        for (packet, place) in kinds.packets(tags: ruleset.entries.map { _ in tags }) {
            body(packet, place.entry, place.direction) { place.isOwn($0, packet) }
        }
    }
}
