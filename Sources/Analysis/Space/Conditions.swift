// SPDX-License-Identifier: Apache-2.0
import Policy
import Wire

/// Something that decides whether a rule matches, but that the place, the ends and the service of a packet do not tell.
enum Condition: Hashable, Sendable {
    /// A guard finds fault with more of the packet than these. Nobody else looks there.
    case fault(Reason)
    /// The packet came from one of these ports, by number, see ``Conditions``.
    case origin(Set<Int>)
    /// A field of the packet, of those that `match` names, is as it is asked. The others are nil.
    case field(RuleMatch)
    case member(group: String, isSource: Bool)
    case before(Timestamp)
    case times(RuleTimes)
    /// A rule's limit has room.
    case limit(rule: String)

    /// Whether this one holds only where the other does.
    func isWithin(_ other: Condition) -> Bool {
        switch (self, other) {
        case (.origin(let one), .origin(let two)): one.isSubset(of: two)
        case (.before(let one), .before(let two)): one <= two
        case (.field(let one), .field(let two)): one.isWithin(two)
        default: self == other
        }
    }

    /// Whether the two never hold together.
    func isDisjoint(_ other: Condition) -> Bool {
        switch (self, other) {
        case (.origin(let one), .origin(let two)): one.isDisjoint(with: two)
        case (.field(let one), .field(let two)): one.isDisjoint(two)
        default: false
        }
    }
}

/// A condition that must hold, or must not.
struct Need: Hashable, Sendable {
    var condition: Condition
    var holds = true

    /// Whether the other is met wherever this one is.
    func implies(_ other: Need) -> Bool {
        guard holds == other.holds else { return false }
        return holds ? condition.isWithin(other.condition) : other.condition.isWithin(condition)
    }

    /// Whether this one and the other are never met together.
    func excludes(_ other: Need) -> Bool {
        switch (holds, other.holds) {
        case (true, true): condition.isDisjoint(other.condition)
        case (true, false): condition.isWithin(other.condition)
        case (false, true): other.condition.isWithin(condition)
        case (false, false): false
        }
    }
}

extension [Need] {
    func implies(_ needs: [Need]) -> Bool { needs.allSatisfy { need in contains { $0.implies(need) } } }

    /// Whether all of them can be met at once. Conditions of which neither is within the other count as independent.
    var areTogether: Bool {
        indices.allSatisfy { index in self[..<index].allSatisfy { !$0.excludes(self[index]) } }
    }
}

/// The conditions of two policies that are compared. The same condition is one, whichever policy names it.
struct Conditions: Sendable {
    private let rulesets: [Ruleset]
    /// By policy and entry: the numbers of its ports. Those of one port that both policies have are the same.
    private let ports: [[Set<Int>]]
    /// What limited rules of the second policy are called in the first one, where only the name is another.
    private let names: [String: String]
    /// What may be the case, of conditions with which it matters also that they do not hold: those of rules that pass
    /// packets on, those that some rule needs not to hold, and where a packet came from. In each of these, a rule is
    /// never kept from a packet by what another rule needs.
    private(set) var worlds: [[Need]] = [[]]
    /// Whether these are all.
    private(set) var isComplete = true
    private static let mostWorlds = 64
    /// The host itself, and where no rule asks about.
    private static let host = -1
    private static let elsewhere = -2

    init(_ rulesets: [Ruleset], pairs: [[Int]]) {
        self.rulesets = rulesets
        ports = rulesets.indices.map { policy in
            let others = pairs.count + (0..<policy).reduce(0) { $0 + rulesets[$1].entries.count }
            var numbers = rulesets[policy].entries.indices.map { _ in Set<Int>() }
            for (number, pair) in pairs.enumerated() { numbers[pair[policy]].insert(number) }
            return numbers.enumerated().map { $1.isEmpty ? [others + $0] : $1 }
        }
        names = Conditions.renamed(rulesets[0], rulesets[1])
        enumerate()
    }

    /// What a rule needs at some of its ends.
    func needs(of rule: Rule, _ ends: Rule.Ends, policy: Int) -> [Need] {
        var needs: [Need] = []
        if let via = rule.via {
            let entries = via.entries.reduce(into: Set<Int>()) { $0.formUnion(ports[policy][$1]) }
            needs.append(Need(condition: .origin(via.host ? entries.union([Conditions.host]) : entries)))
        }
        needs += rule.match.fields
        for (membership, isSource) in [(ends.source, true), (ends.destination, false)] where membership.asksGroups {
            for (groups, holds) in [(membership.inside, true), (membership.outside, false)] {
                needs += groups.sorted().map { group in
                    let name = rulesets[policy].dynamicGroups[group].name
                    return Need(condition: .member(group: name, isSource: isSource), holds: holds)
                }
            }
        }
        guard rule.asksOthers else { return needs }
        if let starts = rule.starts { needs.append(Need(condition: .before(starts), holds: false)) }
        if let expires = rule.expires { needs.append(Need(condition: .before(expires))) }
        if let times = rule.times { needs.append(Need(condition: .times(times))) }
        if let limit = rule.limit {
            let name = policy == 0 ? rule.name : names[rule.name] ?? rule.name
            needs.append(Need(condition: .limit(rule: name), holds: !limit.isOver))
        }
        return needs
    }

    private static func renamed(_ old: Ruleset, _ new: Ruleset) -> [String: String] {
        func limited(_ rules: [Rule], without others: [Rule]) -> [Rule] {
            let names = Set(others.lazy.filter { $0.limit != nil }.map(\.name))
            return rules.filter { $0.limit != nil && !names.contains($0.name) }
        }
        var rest = limited(old.rules, without: new.rules)
        return limited(new.rules, without: old.rules).reduce(into: [:]) { names, rule in
            let place = rest.firstIndex {
                $0.limit == rule.limit && $0.action == rule.action && $0.ends == rule.ends
                    && $0.services == rule.services
            }
            if let place { names[rule.name] = rest.remove(at: place).name }
        }
    }

    private mutating func enumerate() {
        var origins: [Set<Int>] = []
        var (seen, chosen): (Set<Need>, Set<Condition>) = ([], [])
        var order: [Condition] = []
        var matches: [RuleMatch] = []
        for (policy, ruleset) in rulesets.enumerated() {
            for rule in ruleset.rules where rule.asksMore {
                for need in rule.ends.flatMap({ needs(of: rule, $0, policy: policy) }) {
                    if case .origin(let ports) = need.condition {
                        if !origins.contains(ports) { origins.append(ports) }
                        continue
                    }
                    if case .field(let match) = need.condition { matches.append(match) }
                    seen.insert(need)
                    let opposite = Need(condition: need.condition, holds: !need.holds)
                    guard rule.action == .pass || seen.contains(opposite) else { continue }
                    if chosen.insert(need.condition).inserted { order.append(need.condition) }
                }
            }
        }
        divide(Conditions.apart(origins).map { Need(condition: .origin([$0])) })
        divide(FieldValues.all(matches), chosen)
        for condition in order {
            if case .field = condition { continue }
            divide([Need(condition: condition), Need(condition: condition, holds: false)])
        }
    }

    /// By what packets may have in their fields, where it matters what they do not have, or what they must have if
    /// they do not have anything else.
    private mutating func divide(_ fields: [FieldValues], _ chosen: Set<Condition>) {
        for values in fields {
            guard values.matches.contains(where: { chosen.contains(.field($0)) }) || values.areEntangled else {
                continue
            }
            divide(
                values.answers.map { answers in
                    zip(values.matches, answers).map { Need(condition: .field($0), holds: $1) }
                })
        }
    }

    private mutating func divide(_ choices: [Need]) { divide(choices.map { [$0] }) }

    private mutating func divide(_ choices: [[Need]]) {
        let divided = worlds.flatMap { world in choices.map { world + $0 } }.filter(\.areTogether)
        if divided.count <= Conditions.mostWorlds { worlds = divided } else { isComplete = false }
    }

    /// One port of each kind that some sets tell apart.
    private static func apart(_ sets: [Set<Int>]) -> [Int] {
        guard !sets.isEmpty else { return [elsewhere] }
        var found: [[Bool]: Int] = [:]
        for port in sets.reduce(into: Set([elsewhere]), { $0.formUnion($1) }).sorted() {
            let key = sets.map { $0.contains(port) }
            if found[key] == nil { found[key] = port }
        }
        return found.values.sorted()
    }
}

extension RuleMatch {
    /// What it asks of each field, by itself.
    fileprivate var fields: [Need] {
        if self == .any { return [] }
        var needs: [Need] = []
        func add(_ isAsked: Bool, holds: Bool = true, _ set: (inout RuleMatch) -> Void) {
            guard isAsked else { return }
            var match = RuleMatch.any
            set(&match)
            needs.append(Need(condition: .field(match), holds: holds))
        }
        add(tcpFlags != nil) { $0.tcpFlags = tcpFlags }
        add(hopLimit != nil) { $0.hopLimit = hopLimit }
        add(length != nil) { $0.length = length }
        add(dscp != nil) { $0.dscp = dscp }
        add(pcp != nil) { $0.pcp = pcp }
        add(fragment != nil, holds: fragment ?? true) { $0.fragment = true }
        add(sourceMACs != nil) { $0.sourceMACs = sourceMACs }
        add(destinationMACs != nil) { $0.destinationMACs = destinationMACs }
        return needs
    }

    /// Of matches of one field each: whether a packet that this one fits also fits the other.
    fileprivate func isWithin(_ other: RuleMatch) -> Bool {
        if let one = tcpFlags, let two = other.tcpFlags {
            return one.of & two.of == two.of && one.set & two.of == two.set
        }
        if let one = hopLimit, let two = other.hopLimit { return two.contains(one) }
        if let one = length, let two = other.length { return two.contains(one) }
        if let one = dscp, let two = other.dscp { return one.isSubset(of: two) }
        if let one = pcp, let two = other.pcp { return one.isSubset(of: two) }
        if let one = sourceMACs, let two = other.sourceMACs { return Set(one).isSubset(of: two) }
        if let one = destinationMACs, let two = other.destinationMACs { return Set(one).isSubset(of: two) }
        return self == other
    }

    /// Of matches of one field each: whether no packet fits both.
    fileprivate func isDisjoint(_ other: RuleMatch) -> Bool {
        if let one = tcpFlags, let two = other.tcpFlags { return (one.set ^ two.set) & one.of & two.of != 0 }
        if let one = hopLimit, let two = other.hopLimit { return !one.overlaps(two) }
        if let one = length, let two = other.length { return !one.overlaps(two) }
        if let one = dscp, let two = other.dscp { return one.isDisjoint(with: two) }
        if let one = pcp, let two = other.pcp { return one.isDisjoint(with: two) }
        if let one = sourceMACs, let two = other.sourceMACs { return Set(one).isDisjoint(with: two) }
        if let one = destinationMACs, let two = other.destinationMACs { return Set(one).isDisjoint(with: two) }
        return false
    }
}
