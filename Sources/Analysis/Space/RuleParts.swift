// SPDX-License-Identifier: Apache-2.0
import Network
import Policy
import Wire

/// Makes the parts of rules: one for each alternative of a rule's ends.
struct RuleParts {
    private let ruleset: Ruleset
    private let universe: Universe
    private let options: DecisionOptions
    private let sources: [AddressSet: ClassSet]
    private let destinations: [AddressSet: ClassSet]
    private let services: [[Service]?: ClassSet]

    init(_ ruleset: Ruleset, _ universe: Universe, _ options: DecisionOptions) {
        self.ruleset = ruleset
        self.universe = universe
        self.options = options
        var sets: (from: Set<AddressSet>, to: Set<AddressSet>) = ([], [])
        for rule in ruleset.rules {
            for end in rule.ends {
                if let from = end.from { sets.from.insert(from) }
                if let to = end.to { sets.to.insert(to) }
            }
        }
        // Half of a set's classes are the host's own; which half is asked is decided by rule.
        sources = Dictionary(uniqueKeysWithValues: sets.from.map { ($0, universe.sources($0)) })
        destinations = Dictionary(uniqueKeysWithValues: sets.to.map { ($0, universe.destinations($0)) })
        let lists = Set(ruleset.rules.map(\.services))
        services = Dictionary(uniqueKeysWithValues: lists.map { ($0, universe.services.classes(of: $0)) })
    }

    func parts(of rank: Int) -> [DecisionPart] {
        let rule = ruleset.rules[rank]
        if let expires = rule.expires, let now = options.now, expires <= now { return [] }
        guard let service = services[rule.services], !service.isEmpty else { return [] }
        let crossing = crossings(of: rule)
        if crossing.isEmpty { return [] }
        return rule.ends.compactMap { ends in
            let source = end(ends.from, ends.source, sources, universe.sources)
            let destination = end(ends.to, ends.destination, destinations, universe.destinations)
            guard !source.isEmpty, !destination.isEmpty else { return nil }
            let box = Box(source: source, destination: destination, service: service, crossing: crossing)
            guard universe.hasPacket(box) else { return nil }
            return DecisionPart(
                box: box, cause: .rule(rank), action: rule.action,
                isSure: !rule.asksOthers && rule.match == .any && rule.via == nil && !ends.asksMembers,
                needs: options.conditions?.needs(of: rule, ends, policy: options.policy) ?? [])
        }
    }

    private func end(
        _ set: AddressSet?, _ membership: Membership, _ known: [AddressSet: ClassSet],
        _ classes: (AddressSet?, Bool?) -> ClassSet
    ) -> ClassSet {
        // A frame without addresses is at the ends of those rules only that ask for nothing.
        if universe.family == nil { return set == nil && membership.isAny ? ClassSet(below: 1) : .empty }
        if membership.isHost == nil, let set, let found = known[set] { return found }
        return classes(set, membership.isHost)
    }

    private func crossings(of rule: Rule) -> ClassSet {
        let ofEntry = universe.stations.ofEntry[options.policy]
        let stations = rule.entries.map { Set($0.flatMap { ofEntry[$0] }) }
        let tags = universe.crossings.tags.classes(of: rule.vlans)
        guard rule.via != nil else { return universe.crossings.classes(rule.directions, at: stations, tags: tags) }
        // It matches where the host sends.
        let all = universe.stations.stations
        return ClassSet(
            unionOf: Direction.allCases.filter(rule.directions.contains).map { direction in
                let sending: Protects = direction == .out ? .host : .workload
                let here = (stations ?? Set(all.indices)).filter { all[$0].protects[options.policy] == sending }
                return universe.crossings.classes([direction], at: here, tags: tags)
            })
    }
}
