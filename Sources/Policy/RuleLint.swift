import Network

/// Warns of rules that no packet can reach.
///
/// Whether earlier rules *together* cover a rule is not asked, nor whether one set of addresses holds another: a rule is covered by
/// an earlier one that leaves out some of its conditions and has the rest alike. That takes one look-up for each pattern of
/// conditions in use, whatever the number of rules.
struct RuleLint {
    /// A rule's conditions; nil leaves one out.
    private struct Conditions: Hashable {
        var from: SetExpression?
        var to: SetExpression?
        var within: [SetExpression]?
        var services: [Service]?
        var vlans: Set<UInt16>?
        var direction: Direction?
        var entries: Set<Int>?

        init(_ definition: RuleDefinition) {
            let rule = definition.rule
            within = definition.within
            if within == nil, let ends = rule.ends.first {
                from = ends.from == nil ? nil : definition.from
                to = ends.to == nil ? nil : definition.to
            }
            services = rule.services
            vlans = rule.vlans
            direction = rule.directions.count == 1 ? rule.directions.first : nil
            entries = rule.entries
        }

        /// Bit by condition, set where it is left out.
        var open: UInt8 {
            let open = [
                from == nil, to == nil, within == nil, services == nil, vlans == nil, direction == nil, entries == nil,
            ]
            return open.enumerated().reduce(0) { $0 | ($1.element ? 1 << UInt8($1.offset) : 0) }
        }

        /// With the conditions of `mask` left out.
        func opened(_ mask: UInt8) -> Conditions {
            var result = self
            if mask & 1 != 0 { result.from = nil }
            if mask & 2 != 0 { result.to = nil }
            if mask & 4 != 0 { result.within = nil }
            if mask & 8 != 0 { result.services = nil }
            if mask & 16 != 0 { result.vlans = nil }
            if mask & 32 != 0 { result.direction = nil }
            if mask & 64 != 0 { result.entries = nil }
            return result
        }

        /// Left out, the service is any IP packet, which other frames are not.
        var hasFrames: Bool {
            services?.contains { if case .ethertype = $0 { true } else { false } } ?? false
        }
    }

    private var earlier: [Conditions: Rule] = [:]
    private var masks: [UInt8] = []

    static func run(_ rules: [RuleDefinition], _ problems: Problems) {
        var lint = RuleLint()
        for definition in rules where !definition.isFaulty {
            let rule = definition.rule
            problems.rule = rule.name
            if rule.ends.isEmpty {
                problems.warning(rule.location, "the rule can never match: a group that it names is empty")
            } else if let cover = lint.cover(definition) {
                problems.warning(
                    rule.location,
                    "the rule can never match: rule \"\(cover.name)\", at \(cover.location), matches all that it would")
            }
        }
        problems.rule = nil
    }

    /// An earlier rule that matches whatever this one does.
    private mutating func cover(_ definition: RuleDefinition) -> Rule? {
        let conditions = Conditions(definition)
        let open = conditions.open
        for mask in masks where open & ~mask == 0 {
            if mask & 8 != 0, conditions.hasFrames { continue }
            if let rule = earlier[conditions.opened(mask)] { return rule }
        }
        earlier[conditions] = definition.rule
        if !masks.contains(open) { masks.append(open) }
        return nil
    }
}
