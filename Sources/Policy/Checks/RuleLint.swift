// SPDX-License-Identifier: Apache-2.0
import Network

/// Warns of rules that can never match.
///
/// A rule is covered by an earlier one that has the same conditions, or only some of them. Whether several earlier
/// rules together cover a rule is not checked, nor whether one address set contains another. So the check takes one
/// look-up for each pattern of conditions in use, whatever the number of rules.
struct RuleLint {
    /// A rule's conditions as numbers; 0 for one that is left out.
    private struct Conditions: Hashable {
        var from: UInt32 = 0
        var to: UInt32 = 0
        var within: UInt32 = 0
        var services: UInt32 = 0
        var vlans: UInt32 = 0
        var direction: UInt32 = 0
        var entries: UInt32 = 0

        /// Mixes all fields before the hasher, because a rule is looked up several times.
        func hash(into hasher: inout Hasher) {
            var mixed = UInt64(from) << 32 | UInt64(to)
            mixed = (mixed ^ mixed >> 29) &* 0xbf58_476d_1ce4_e5b9 ^ (UInt64(services) << 32 | UInt64(within))
            mixed = (mixed ^ mixed >> 29) &* 0x94d0_49bb_1331_11eb ^ (UInt64(vlans) << 32 | UInt64(entries))
            hasher.combine(mixed &* 3 &+ UInt64(direction))
        }

        /// A bit per condition, set if the condition is left out.
        var open: UInt8 {
            (from == 0 ? 1 : 0) | (to == 0 ? 2 : 0) | (within == 0 ? 4 : 0) | (services == 0 ? 8 : 0)
                | (vlans == 0 ? 16 : 0) | (direction == 0 ? 32 : 0) | (entries == 0 ? 64 : 0)
        }

        /// The same without the conditions in `mask`.
        func opened(_ mask: UInt8) -> Conditions {
            var result = self
            if mask & 1 != 0 { result.from = 0 }
            if mask & 2 != 0 { result.to = 0 }
            if mask & 4 != 0 { result.within = 0 }
            if mask & 8 != 0 { result.services = 0 }
            if mask & 16 != 0 { result.vlans = 0 }
            if mask & 32 != 0 { result.direction = 0 }
            if mask & 64 != 0 { result.entries = 0 }
            return result
        }
    }

    /// Numbers values from 1, so that conditions can be compared as numbers.
    private struct Numbers<Value: Hashable> {
        private var known: [Value: UInt32] = [:]

        mutating func number(_ value: Value?) -> UInt32 {
            guard let value else { return 0 }
            if let number = known[value] { return number }
            let number = UInt32(known.count + 1)
            known[value] = number
            return number
        }
    }

    private var lists = Numbers<[Int]>()
    private var vlans = Numbers<Set<UInt16>>()
    private var entries = Numbers<Set<Int>>()
    /// The first rule with these conditions.
    private var earlier: [Conditions: Int] = [:]
    private var masks: [UInt8] = []
    /// The last layer in which some rule passes on to the next layer.
    private var passingLayer: Int?
    /// Rules that come after such a rule in their layer.
    private var passed: Set<Int> = []

    /// Warns of the rules that can never match, and returns them.
    static func run(_ rules: ParsedRules, _ problems: Problems) -> [CoveredRule] {
        var lint = RuleLint()
        lint.earlier.reserveCapacity(rules.rules.count)
        var covered: [CoveredRule] = []
        for index in rules.rules.indices where !rules.asked[index].isFaulty {
            guard let found = lint.covered(rules, index) else { continue }
            covered.append(found)
            let rule = rules.rules[index]
            let cover = found.cover.map { NamedPlace(name: rules.rules[$0].name, location: rules.rules[$0].location) }
            problems.rule = rule.name
            problems.warning(
                rule.location, message(cover), Finding(.shadowed, by: cover.map { [$0.name] } ?? []))
        }
        problems.rule = nil
        return covered
    }

    /// Why a rule can never match.
    ///
    /// - Parameter cover: The earlier rule that matches all that it would; nil: a group that it names is empty.
    static func message(_ cover: NamedPlace?) -> String {
        let reason = cover.map { "rule \"\($0.name)\", at \($0.location), already matches everything that it would" }
        return "the rule can never match: \(reason ?? "a group that it names is empty")"
    }

    private mutating func covered(_ parsed: ParsedRules, _ index: Int) -> CoveredRule? {
        if parsed.rules[index].ends.isEmpty { return CoveredRule(rule: index, cover: nil) }
        return cover(parsed, index).map { CoveredRule(rule: index, cover: $0) }
    }

    /// An earlier rule that matches every packet that this one matches.
    private mutating func cover(_ parsed: ParsedRules, _ index: Int) -> Int? {
        let conditions = conditions(parsed, index)
        let open = conditions.open
        for mask in masks where open & ~mask == 0 {
            // A rule without a service matches any IP packet, but no other frames.
            if mask & 8 != 0, parsed.rules[index].namesFrames { continue }
            guard let rule = earlier[conditions.opened(mask)] else { continue }
            // What a rule before it has passed on to a later layer does not meet it.
            if !passed.contains(rule) || parsed.rules[rule].layer == parsed.rules[index].layer { return rule }
        }
        // A conditional rule covers nothing, because it may not match.
        if parsed.rules[index].asksMore {
            if parsed.rules[index].action == .pass { passingLayer = parsed.rules[index].layer }
            return nil
        }
        if passingLayer == parsed.rules[index].layer { passed.insert(index) }
        earlier[conditions] = index
        if !masks.contains(open) { masks.append(open) }
        return nil
    }

    /// Reads the rule in place: copying each would take longer.
    private mutating func conditions(_ parsed: ParsedRules, _ index: Int) -> Conditions {
        let asked = parsed.asked[index]
        var result = Conditions()
        result.within = lists.number(asked.within)
        if asked.within == nil {
            let ends = parsed.rules[index].ends
            if let from = asked.from, !ends.allSatisfy({ $0.from == nil && $0.source.isAny }) {
                result.from = UInt32(from) + 1
            }
            if let to = asked.to, !ends.allSatisfy({ $0.to == nil && $0.destination.isAny }) {
                result.to = UInt32(to) + 1
            }
        }
        if let services = asked.services { result.services = UInt32(services) + 1 }
        result.vlans = vlans.number(parsed.rules[index].vlans)
        let directions = parsed.rules[index].directions
        result.direction = directions.isBoth ? 0 : directions.contains(.in) ? 1 : 2
        result.entries = entries.number(parsed.rules[index].entries)
        return result
    }
}

extension Rule {
    /// Whether some of the rule's services are non-IP frames.
    fileprivate var namesFrames: Bool {
        services?.contains { if case .ethertype = $0 { true } else { false } } ?? false
    }
}
