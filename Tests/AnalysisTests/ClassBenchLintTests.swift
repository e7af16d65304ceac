// SPDX-License-Identifier: Apache-2.0
import Analysis
import Network
import Policy
import TestSupport
import Testing

/// What lint says of public filter sets is so, by brute force over all that the rules in question can tell apart.
@Suite(.enabled(if: ClassBench.folder != nil, "BULKHEAD_CORPORA names the folder of the corpora"))
struct ClassBenchLintTests {
    @Test(arguments: ClassBench.small)
    func everyReportIsTrue(set: String) throws {
        let ruleset = try ClassBench.filters(set, from: try #require(ClassBench.folder)).ruleset
        let lint = Lint(ruleset, protects: ruleset.protects([]))
        #expect(lint.unproved.isEmpty)
        let ranks = Dictionary(uniqueKeysWithValues: ruleset.rules.enumerated().map { ($1.name, $0) })
        var checked = (shadowed: 0, redundant: 0)
        for diagnostic in lint.diagnostics {
            guard let rank = diagnostic.rule.flatMap({ ranks[$0] }), let finding = diagnostic.finding else { continue }
            switch finding.code {
            case .shadowed:
                let covers = finding.by.compactMap { ranks[$0] }
                try #require(covers.allSatisfy { $0 < rank })
                let others = covers.map { ruleset.rules[$0] }
                for point in FilterPoint.all(of: ruleset.rules[rank], telling: others) {
                    try #require(others.contains { point.isIn($0) }, "\(set): \(diagnostic) \(point)")
                }
                checked.shadowed += 1
            case .redundant:
                try checkRedundant(rank, ruleset, "\(set): \(diagnostic)")
                checked.redundant += 1
            default: break
            }
        }
        print("\(set): \(checked.shadowed) shadowed, \(checked.redundant) redundant")
    }

    /// Both ways to tell whether a rule changes a verdict say the same.
    @Test(arguments: ClassBench.small)
    func bothWaysAgree(set: String) throws {
        let ruleset = try ClassBench.filters(set, from: try #require(ClassBench.folder)).ruleset
        let found = [300_000, 0].map { search in
            let lint = Lint(ruleset, protects: ruleset.protects([]), search: search)
            return (
                told: Set(lint.diagnostics.filter { $0.finding?.code == .redundant }.compactMap(\.rule)),
                unproved: Set(lint.unproved)
            )
        }
        #expect(found[0].told.symmetricDifference(found[1].told).isSubset(of: found[1].unproved))
        #expect(found[1].told.count >= found[0].told.count / 2)
    }

    /// Without the rule, what it decides is decided the same: at points near the rules that meet it.
    private func checkRedundant(_ rank: Int, _ ruleset: Ruleset, _ words: String) throws {
        var random = RandomNumbers(seed: UInt64(rank))
        let rule = ruleset.rules[rank]
        func decision(_ point: FilterPoint, without: Int?) -> Bool {
            let first = ruleset.rules.indices.first { $0 != without && point.isIn(ruleset.rules[$0]) }
            return first.map { ruleset.rules[$0].action == .accept } ?? (ruleset.entries[0].defaults.in == .accept)
        }
        for _ in 0..<4 {
            let others = (0..<3).map { _ in random.pick(ruleset.rules) }
            let points = FilterPoint.all(of: rule, telling: others)
            for _ in 0..<3 {
                let point = random.pick(points)
                try #require(decision(point, without: nil) == decision(point, without: rank), "\(words) \(point)")
            }
        }
    }
}

/// A packet as filters see it.
private struct FilterPoint {
    var source: IPAddress
    var destination: IPAddress
    var number: UInt8
    var first: UInt16
    var second: UInt16

    func isIn(_ rule: Rule) -> Bool {
        rule.ends.contains {
            ($0.from?.contains(source) ?? true) && ($0.to?.contains(destination) ?? true)
        } && (rule.services?.contains(where: isIn) ?? true)
    }

    private func isIn(_ service: Service) -> Bool {
        switch service {
        case .protocol(let other): number == other
        case .ports(let other, let destinations, let sources):
            number == other && destinations.contains { $0.contains(first) } && sources.contains { $0.contains(second) }
        default: false
        }
    }

    /// One packet of each kind that the other rules can tell apart within a rule.
    static func all(of rule: Rule, telling others: [Rule]) -> [FilterPoint] {
        let all = others + [rule]
        let sources = addresses(all.flatMap { $0.ends.map(\.from) })
        let destinations = addresses(all.flatMap { $0.ends.map(\.to) })
        let services = all.flatMap { $0.services ?? [] }
        var numbers: Set<UInt8> = [6, 17, 99]
        var (firsts, seconds): (Set<UInt16>, Set<UInt16>) = ([0], [0])
        for service in services {
            switch service {
            case .protocol(let number): numbers.insert(number)
            case .ports(let number, let destination, let source):
                numbers.insert(number)
                firsts.formUnion(destination.flatMap(edges))
                seconds.formUnion(source.flatMap(edges))
            default: break
            }
        }
        var points: [FilterPoint] = []
        for source in sources {
            for destination in destinations where destination.family == source.family {
                for number in numbers {
                    for first in firsts {
                        for second in seconds {
                            let point = FilterPoint(
                                source: source, destination: destination, number: number, first: first, second: second)
                            if point.isIn(rule) { points.append(point) }
                        }
                    }
                }
            }
        }
        return points
    }

    private static func edges(_ range: ClosedRange<UInt16>) -> [UInt16] {
        range.upperBound < .max ? [range.lowerBound, range.upperBound + 1] : [range.lowerBound]
    }

    private static func addresses(_ sets: [AddressSet?]) -> [IPAddress] {
        var values: Set<UInt128> = [0]
        for range in sets.compactMap(\.self).flatMap(\.v4) {
            values.insert(range.lowerBound)
            if range.upperBound < UInt128(UInt32.max) { values.insert(range.upperBound + 1) }
        }
        let v4 = values.map { IPAddress(family: .v4, value: $0) }
        // A rule without addresses is for both versions.
        return sets.contains { $0 != nil } ? v4 : v4 + [IPAddress(v6: 1)]
    }
}
