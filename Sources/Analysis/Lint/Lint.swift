// SPDX-License-Identifier: Apache-2.0
import Compiler
import Network
import Policy
import Wire

/// What is odd about a policy's rules, exactly: nothing is reported that is not so for every packet.
public struct Lint: Sendable {
    /// By place.
    public private(set) var diagnostics: [Diagnostic] = []
    /// The rules of which it could not be told within the effort whether they can match, or have an effect.
    public private(set) var unproved: [String] = []

    /// What is known of one rule, over all families.
    private struct RuleState: Sendable {
        var exists = false
        var isOpen = false
        var isSpent = false
        var covers: Set<Int> = []
        /// What no earlier rule matches, by universe.
        var open: [Box?]
    }

    private let ruleset: Ruleset
    private let protects: [Protects]
    private let now: Timestamp?
    private var effort: Effort
    /// Nothing more is asked of the rules after this.
    private let end: ContinuousClock.Instant

    /// - Parameters:
    ///   - protects: By entry.
    ///   - reported: The names of rules that are known never to match; nothing more is said of these.
    ///   - now: The host's clock; nil if unknown.
    ///   - effort: Steps that may be spent; a few nanoseconds each.
    ///   - time: How long it may take.
    ///   - search: Steps that may be spent on one part of a rule, until it is gone about in the other way, which takes
    ///     longer with most parts, and much less with some.
    public init(
        _ ruleset: Ruleset, protects: [Protects], reported: Set<String> = [], now: Timestamp? = nil,
        effort: Int = 4_000_000_000, time: Duration = .seconds(50), search: Int = 300_000
    ) {
        end = .now + time
        self.ruleset = ruleset
        self.protects = protects
        self.now = now
        self.effort = Effort(effort)
        guard !ruleset.entries.isEmpty else { return }
        let stations = Stations(
            [ruleset], pairs: ruleset.entries.indices.map { [$0] }, protects: [protects], tellsClaims: false)
        let universes = [AddressFamily.v4, .v6, nil].map { Universe($0, [ruleset], stations) }
        let lists = universes.map { DecisionList(ruleset, in: $0, DecisionOptions(now: now, takesDecided: false)) }
        let states = reachability(universes, lists)
        let shadowed = Set(states.indices.filter { states[$0].exists && !states[$0].isOpen && !states[$0].isSpent })
        reportShadowed(states, shadowed, reported)
        let redundancies = zip(lists, universes).map {
            Redundancy($0, $1, ruleset, shadowed: shadowed, search: search)
        }
        reportRedundant(states, redundancies)
        reportOpenToAll(universes, lists, states)
        reportMissingTwins(lists)
        reportIdlePorts(stations)
        diagnostics.sort { ($0.location.file, $0.location.line) < ($1.location.file, $1.location.line) }
    }

    // MARK: Rules that never match

    /// Asks about each rule, on two processors; returns the answers by rank.
    private mutating func ask<Answer: Sendable>(_ answer: @Sendable (Int, inout Effort) -> Answer) -> [Answer] {
        let (count, share) = (ruleset.rules.count, effort.left / 2)
        // Every second rule, so that both halves take as long.
        @Sendable func half(_ first: Int) -> (answers: [Answer], left: Int) {
            var effort = Effort(share)
            let answers = stride(from: first, to: count, by: 2).map { answer($0, &effort) }
            return (answers, effort.left)
        }
        let (even, odd) = together({ half(0) }, { half(1) })
        effort = Effort(even.left + odd.left)
        return (0..<count).map { ($0 % 2 == 0 ? even : odd).answers[$0 / 2] }
    }

    private mutating func reachability(_ universes: [Universe], _ lists: [DecisionList]) -> [RuleState] {
        let (asked, end) = (lists.indices.map { Reachability(lists[$0], universes[$0]) }, end)
        let states = ask { rank, effort in
            var state = RuleState(open: [nil, nil, nil])
            let isLate = effort.isSpent || ContinuousClock.now > end
            for number in asked.indices where !asked[number].list.boxes(of: rank).isEmpty {
                state.exists = true
                switch isLate ? .spent : asked[number].answer(rank, &effort) {
                case .nothing: continue
                case .covered(let covers): state.covers.formUnion(covers)
                case .open(let box):
                    state.isOpen = true
                    state.open[number] = box
                case .spent: state.isSpent = true
                }
            }
            return state
        }
        for rank in states.indices where states[rank].isSpent && !states[rank].isOpen {
            unproved.append(ruleset.rules[rank].name)
        }
        return states
    }

    private mutating func reportShadowed(_ states: [RuleState], _ shadowed: Set<Int>, _ reported: Set<String>) {
        for rank in shadowed.sorted() {
            let rule = ruleset.rules[rank]
            let covers = states[rank].covers.sorted()
            if !reported.contains(rule.name) {
                add(
                    .warning, .shadowed, rule,
                    "the rule can never match: \(list(covers)), already \(matches(covers)) everything that it would",
                    by: covers)
            }
            let isOpposite = covers.allSatisfy {
                let action = ruleset.rules[$0].action
                return action.isVerdict && (action == .accept) != (rule.action == .accept)
            }
            guard isOpposite, !covers.isEmpty, rule.action.isVerdict else { continue }
            let deed = rule.action == .accept ? "accept" : "refuse"
            let opposite = rule.action == .accept ? "refuse" : "accept"
            add(
                .warning, .contradicts, rule,
                "\(list(covers)), \(covers.count == 1 ? opposite + "s" : opposite) what this rule is to \(deed): "
                    + "move this rule up, or remove it",
                by: covers)
        }
    }

    // MARK: Rules without effect

    private mutating func reportRedundant(_ states: [RuleState], _ redundancies: [Redundancy]) {
        let (rules, end) = (ruleset.rules, end)
        let answers = ask { rank, effort -> Redundancy.Answer in
            guard states[rank].isOpen, !rules[rank].asksMore else { return .needed }
            var heirs: Set<Int> = []
            for (number, redundancy) in redundancies.enumerated() {
                if effort.isSpent || ContinuousClock.now > end { return .spent }
                switch redundancy.answer(rank, open: states[rank].open[number], &effort) {
                case .redundant(let by): heirs.formUnion(by)
                case let other: return other
                }
            }
            return .redundant(by: heirs)
        }
        for (rank, answer) in answers.enumerated() {
            if case .spent = answer { unproved.append(ruleset.rules[rank].name) }
            guard case .redundant(let heirs) = answer else { continue }
            let who = heirs.isEmpty ? "the default decides" : "\(list(heirs.sorted())) and the default decide"
            add(
                .note, .redundant, ruleset.rules[rank],
                "the rule changes no verdict: without it \(who) the same", by: heirs.sorted())
        }
    }

    // MARK: Accepting everything

    private mutating func reportOpenToAll(
        _ universes: [Universe], _ lists: [DecisionList], _ states: [RuleState]
    ) {
        for rank in ruleset.rules.indices where ruleset.rules[rank].action == .accept {
            let stations = Set(
                [0, 1].flatMap { number -> [Int] in
                    guard states[rank].open[number] != nil else { return [] }
                    return openStations(rank, universes[number], lists[number])
                })
            guard let station = stations.min() else { continue }
            let entry = universes[0].stations.stations[station].entries[0].first ?? 0
            let port = ruleset.entries[entry].name
            add(
                .note, .openToAll, ruleset.rules[rank],
                "the rule accepts every packet that comes in at port \"\(port)\""
                    + (stations.count > 1 ? " and at others" : "")
                    + ": name what it is for with \"from\", \"to\" or \"service\"",
                by: [])
        }
    }

    /// Where a part of the rule matches all that comes in.
    private func openStations(_ rank: Int, _ universe: Universe, _ list: DecisionList) -> [Int] {
        let all = universe.all
        return universe.stations.stations.indices.filter { station in
            var box = all
            box.crossing = universe.crossings.classes(
                [.in], at: [station], tags: ClassSet(below: universe.crossings.tags.count))
            return list.ofRule[rank].contains { list.parts[$0].isSure && list.parts[$0].box.contains(box) }
        }
    }

    // MARK: Names

    private mutating func reportMissingTwins(_ lists: [DecisionList]) {
        let names = Set(ruleset.rules.map(\.name))
        for (rank, rule) in ruleset.rules.enumerated() {
            guard let twin = TwinNames.twin(of: rule.name), !names.contains(twin),
                !lists[0].boxes(of: rank).isEmpty, lists[1].boxes(of: rank).isEmpty
            else { continue }
            add(
                .note, .noV6Twin, rule,
                "the rule is for IPv4 alone, and there is no rule \"\(twin)\" for IPv6", by: [])
        }
    }

    private mutating func reportIdlePorts(_ stations: Stations) {
        guard !ruleset.rules.isEmpty, ruleset.rules.allSatisfy({ $0.entries != nil }) else { return }
        var named = ruleset.rules.reduce(into: Set<Int>()) { $0.formUnion($1.entries ?? []) }
        named.formUnion(named.compactMap { ruleset.entries[$0].part?.entry })
        for (index, entry) in ruleset.entries.enumerated() where !named.contains(index) {
            diagnostics.append(
                Diagnostic(
                    .note, at: entry.location,
                    "no rule applies at port \"\(entry.name)\": its defaults decide everything",
                    finding: Finding(.unused)))
        }
    }

    // MARK: Words

    private mutating func add(
        _ severity: Diagnostic.Severity, _ code: Finding.Code, _ rule: Rule, _ message: String, by ranks: [Int]
    ) {
        diagnostics.append(
            Diagnostic(
                severity, at: rule.location, message, rule: rule.name,
                finding: Finding(code, by: ranks.map { ruleset.rules[$0].name })))
    }

    /// The rules with their places, the first few in full.
    private func list(_ ranks: [Int]) -> String {
        let some = ranks.prefix(4).map { "\"\(ruleset.rules[$0].name)\", at \(ruleset.rules[$0].location)" }
        let more = ranks.count > 4 ? " and \(ranks.count - 4) more" : ""
        return (ranks.count == 1 ? "rule " : "rules ") + some.joined(separator: "; ") + more
    }

    private func matches(_ ranks: [Int]) -> String { ranks.count == 1 ? "matches" : "together match" }
}

/// Names that differ in the version of IP alone: `web-v4` and `web-v6`.
enum TwinNames {
    private static let pairs = [("ipv4", "ipv6"), ("inet4", "inet6"), ("ip4", "ip6"), ("v4", "v6")]

    /// What the rule for IPv6 would be called; nil where the name does not speak of IPv4.
    static func twin(of name: String) -> String? {
        var words: [String] = [""]
        for character in name {
            if "._-".contains(character) {
                words += [String(character), ""]
            } else {
                words[words.count - 1].append(character)
            }
        }
        for (index, word) in words.enumerated() {
            for (four, six) in pairs where word.lowercased().hasSuffix(four) {
                let head = word.dropLast(four.count)
                if let last = head.last, last.isNumber { continue }
                words[index] = head + six
                return words.joined()
            }
        }
        return nil
    }
}

extension Ruleset {
    /// What each entry's ports protect: as it is written, else as they were bound, else by its identity.
    public func protects(_ bindings: [PortBinding]) -> [Protects] {
        var bound: [Int: Protects] = [:]
        for binding in bindings { bound[binding.entry] = binding.port.protects }
        return entries.indices.map { index in
            entries[index].protects ?? bound[index] ?? entries[index].part.flatMap { bound[$0.entry] }
                ?? (entries[index].hasIdentity ? .workload : .host)
        }
    }
}
