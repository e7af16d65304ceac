// SPDX-License-Identifier: Apache-2.0
import Network
import Policy
import TestSupport

/// What it costs to judge a packet and drop it: Bulkhead and the others, by rule sets and their sizes.
struct Classification: Section {
    static let name = "drops"
    let settings: Settings
    let lab: Lab

    static let title = "Dropped packets, one CPU for sender and receiver"

    func run(_ report: inout Report) throws {
        let arena = try Arena(lab)
        let sets = try ruleSets()
        let sizes = settings.short ? [100, 10_000, 100_000] : [100, 1_000, 10_000, 100_000]
        for set in sets { try addBulkhead(set, .xdp, to: arena) }
        var nothing: Generator?
        for size in sizes {
            let set = RuleSet.synthetic(size)
            let generator = try addBulkhead(set, .xdp, .tc, to: arena)
            try addUnrepeated(set, to: arena)
            try addAlternatives(set, generator, to: arena)
            nothing = nothing ?? generator
        }
        guard let nothing else { return }
        let empty = RuleSet.synthetic(1)
        for contender: any Contender in [
            Bare(receivesPackets: false), Bare(receivesPackets: true), NFT(form: .empty, rules: []),
            XDPFilter(addresses: empty.rules.compactMap { $0.ends.first?.from?.prefixes.first?.address }),
        ] {
            try arena.add(contender, section: Self.title, set: "", rules: 0, generator: nothing)
        }
        settings.say("measuring")
        let outcomes = try arena.measure(rounds: settings.rounds, milliseconds: settings.burstMilliseconds)
        let limit = outcomes.first { $0.label.filter == "bare program" && $0.label.hook == "XDP" }
        let rows = arena.rows(outcomes, beside: limit, called: "bare XDP") + arena.absences
        report.rows += rows.sorted { ($0.subject, $0.rules ?? 0) < ($1.subject, $1.rules ?? 0) }
        conclude(outcomes, &report)
    }

    // MARK: Who takes part

    private func ruleSets() throws -> [RuleSet] {
        let sizes = settings.short ? ["10k"] : ["1k", "10k"]
        let real = try settings.corpora.map { folder in
            try ["acl1", "fw1", "ipc1"].flatMap { kind in
                try sizes.map { try RuleSet(classBench: "\(kind)_\($0)", from: folder) }
            }
        }
        let large: [FilterGenerator.Kind] = settings.short ? [.acl] : [.acl, .fw, .ipc]
        return (real ?? [])
            + [false, true].map { RuleSet(like: .acl, count: 10_000, inIPv6: $0) }
            + large.map { RuleSet(like: $0, count: 100_000) }
    }

    @discardableResult
    private func addBulkhead(_ set: RuleSet, _ modes: Bulkhead.Mode..., to arena: Arena) throws -> Generator {
        settings.say("putting \(set.name) with \(set.rules.count) rules in place")
        let generator = try arena.generator(set.dropped)
        try arena.add(
            Bulkhead(executable: settings.bulkhead, rules: set.rules), modes, section: Self.title, set: set.name,
            rules: set.rules.count, generator: generator)
        return generator
    }

    /// The same rules under packets none of which comes twice: what no cache helps.
    private func addUnrepeated(_ set: RuleSet, to arena: Arena) throws {
        let count = set.rules.count
        let generator = try arena.generator(RuleSet.unrepeated(count), forging: .hosts)
        try arena.add(
            Bulkhead(executable: settings.bulkhead, rules: set.rules), [.xdp], section: Self.title,
            set: "\(set.name), none twice", rules: count, generator: generator)
    }

    private func addAlternatives(_ set: RuleSet, _ generator: Generator, to arena: Arena) throws {
        let count = set.rules.count
        var contenders: [any Contender] = [
            NFT(form: .set, rules: set.rules), NFT(form: .map, rules: set.rules),
        ]
        if count <= 10_000 { contenders.append(NFT(form: .linear, rules: set.rules)) }
        if count <= 1_000 { contenders.append(IPTables(form: .linear, rules: set.rules)) }
        contenders.append(IPTables(form: .set, rules: set.rules))
        for contender in contenders {
            settings.say("  \(contender.name)")
            try arena.add(contender, section: Self.title, set: set.name, rules: count, generator: generator)
        }
    }

    // MARK: What came of it

    private func conclude(_ outcomes: [Arena.Outcome], _ report: inout Report) {
        let all = Figures(outcomes)
        guard let limit = all.first("bare program", "XDP") else { return }
        concludeShares(all, limit, &report)
        if let small = all.first("bulkhead", "XDP", 100), let large = all.first("bulkhead", "XDP", 100_000) {
            let ratio = zip(zip(small, large), limit).map { ($0.1 - $1) / ($0.0 - $1) }.median
            report.conclude(
                2, measured: "\(Report.number(ratio)) at XDP (synthetic)", held: ratio <= 1.4)
        }
        if let own = all.first("bulkhead", "XDP", 10_000), let set = all.first("nft concatenated set", nil, 10_000),
            let map = all.first("nft verdict map", nil, 10_000), let linear = all.first("nft linear", nil, 10_000)
        {
            let best = zip(zip(set, map), own).map { min($0.0, $0.1) / $1 }.median
            let worst = zip(linear, own).map { $0 / $1 }.median
            report.conclude(
                3, measured: "\(Report.number(best))x and \(Report.number(worst))x at XDP",
                held: best >= 6 && worst >= 500)
        }
        if let own = all.first("bulkhead", "tc", 10_000), let empty = all.first("nft empty chain", nil) {
            let ratio = zip(empty, own).map { $0 / $1 }.median
            report.conclude(4, measured: "\(Report.number(ratio)) (synthetic, 10,000 rules)", held: ratio >= 0.9)
        }
    }

    private func concludeShares(_ all: Figures, _ limit: [Double], _ report: inout Report) {
        var words: [String] = []
        var held = true
        for outcome in all.outcomes where outcome.label.filter == "bulkhead" && outcome.label.hook == "XDP" {
            guard let rules = outcome.label.rules, rules > 5000 else { continue }
            if settings.corpora != nil, outcome.label.set == "synthetic", rules < 100_000 { continue }
            let share = zip(limit, outcome.nanoseconds).map { $0 / $1 }.median
            let added = zip(outcome.nanoseconds, limit).map { $0 - $1 }.median
            words.append(
                "\(outcome.label.set) \(rules) rules \(Report.number(share)) +\(Report.number(added)) ns")
            let isFirewall = outcome.label.set.hasPrefix("fw")
            held = held && added <= (rules > 50_000 ? 77 : isFirewall ? 67 : 51)
        }
        report.conclude(1, measured: words.joined(separator: ", "), held: held)
    }
}

/// Outcomes, by who and where.
private struct Figures {
    let outcomes: [Arena.Outcome]

    init(_ outcomes: [Arena.Outcome]) { self.outcomes = outcomes }

    /// Nanoseconds by round of the made-up set's first outcome of a filter.
    func first(_ filter: String, _ hook: String? = nil, _ rules: Int? = nil) -> [Double]? {
        outcomes.first { outcome in
            outcome.label.filter == filter && (hook == nil || outcome.label.hook == hook)
                && (rules == nil || outcome.label.rules == rules) && ["synthetic", ""].contains(outcome.label.set)
        }?.nanoseconds
    }
}
