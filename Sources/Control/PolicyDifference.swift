// SPDX-License-Identifier: Apache-2.0
import Analysis
import Network
import Policy

/// What changes if one policy takes the place of another.
package struct PolicyDifference: Sendable {
    package enum Change: String, Sendable, Hashable {
        case added, removed, moved, changed
    }

    package struct Named: Sendable, Hashable {
        package var name: String
        package var change: Change
    }

    package let rules: [Named]
    package let ports: [Named]
    package let traffic: [Difference.Change]
    /// Whether there may be more changes of traffic than could be told.
    package let isPartial: Bool
    /// Whether devices are judged by one of the policies alone, or at another port, where nothing is compared.
    package let movesPorts: Bool
    /// Whether some of the changes depend on limits, times, origins, fields of packets, or who is in a dynamic group.
    package let isConditional: Bool
    /// The flows that end with their next packet; nil where nobody knows which are open.
    package let flowsEnded: [ComparedFlow]?
    /// How many flows were asked about.
    package let flows: Int
    /// What is wrong with the policies.
    package let diagnostics: [Diagnostic]

    /// Whether traffic changes, or may, for all that is known.
    package var changesTraffic: Bool { !traffic.isEmpty || isPartial || movesPorts }

    /// - Parameter flows: Those that are open; nil where nobody knows.
    init(from old: PolicySource, to new: PolicySource, flows: [ComparedFlow]?) throws(Refusal) {
        let (one, two) = (try old.required(), try new.required())
        let protects = [one.protects(old.loaded.bindings), two.protects(new.loaded.bindings)]
        let difference = Difference(from: one, to: two, protects: protects, now: new.host.now)
        traffic = difference.traffic
        isPartial = difference.isPartial
        movesPorts = Difference.movesPorts(one, two)
        isConditional = difference.isConditional
        rules = PolicyDifference.named(
            one.rules.map { ($0.name, $0.meaning(one)) }, two.rules.map { ($0.name, $0.meaning(two)) })
        ports = PolicyDifference.named(
            one.entries.map { ($0.name, $0.description) }, two.entries.map { ($0.name, $0.description) }
        ).filter { $0.change != .moved }
        diagnostics = new.loaded.diagnostics
        self.flows = flows?.count ?? 0
        guard let flows else {
            flowsEnded = nil
            return
        }
        let own = AddressSet(new.host.namespaces.values.flatMap { $0.interfaces.flatMap(\.addresses) })
        let verdicts = FlowVerdicts(two, protects: protects[1], own: own, now: new.host.now)
        flowsEnded = flows.filter { flow in
            guard let entry = two.entry(ofPort: flow.port) else { return false }
            return verdicts.isRefused(flow.opening(entry))
        }
    }

    /// The names that only one side has, and those whose meaning or order differs.
    private static func named(_ old: [(String, String)], _ new: [(String, String)]) -> [Named] {
        let before = Dictionary(old) { first, _ in first }
        let after = Set(new.map(\.0))
        let common = old.map(\.0).filter(after.contains)
        let places = Dictionary(common.enumerated().map { ($1, $0) }) { first, _ in first }
        let order = new.map(\.0).filter { before[$0] != nil }
        let kept = Set(order.compactMap { places[$0] }.longestRising.map { order[$0] })
        let removed = old.filter { !after.contains($0.0) }.map { Named(name: $0.0, change: .removed) }
        return removed
            + new.compactMap { name, meaning in
                guard let earlier = before[name] else { return Named(name: name, change: .added) }
                if earlier != meaning { return Named(name: name, change: .changed) }
                return kept.contains(name) ? nil : Named(name: name, change: .moved)
            }
    }
}

extension Rule {
    /// All that it says but its name and notes, in words.
    fileprivate func meaning(_ ruleset: Ruleset) -> String {
        var rule = self
        rule.name = ""
        rule.comment = nil
        rule.meta = []
        let layer = ruleset.layers.indices.contains(rule.layer) ? " in \(ruleset.layers[rule.layer])" : ""
        return rule.description(at: entries.map(ruleset.names), via: via.map(ruleset.words))
            + (addition.map(ruleset.words) ?? "") + layer
    }
}
