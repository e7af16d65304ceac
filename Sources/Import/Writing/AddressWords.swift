// SPDX-License-Identifier: Apache-2.0
import Network

/// Sets of addresses in a policy's words, and the groups that they need.
struct AddressWords {
    let families: Set<AddressFamily>
    /// Names for sets, and which of them are in use.
    private var names: [AddressSet: String] = [:]
    private(set) var used: [(name: String, value: YAMLValue)] = []
    private var table = NameTable()
    private var usedNames: Set<String> = []
    private let local: YAMLValue

    init(_ plan: PolicyPlan) {
        families = plan.families
        var fields: [YAMLField] = [
            YAMLField(key: "groups", value: .list(["host", "multicast", "broadcast"].map(YAMLValue.word)))
        ]
        let broadcasts = plan.ports.broadcasts
        if !broadcasts.isEmpty {
            fields.append(YAMLField(key: "addresses", value: .list(broadcasts.map { .word("\($0)") })))
        }
        local = .map(fields)
        names[WellKnown.multicast.common(whole)] = "multicast"
        names[WellKnown.broadcast] = "broadcast"
        for name in ["any", "host", "multicast", "broadcast", "local", "ipv4", "ipv6"] { _ = table.unique(name) }
        usedNames = ["multicast", "broadcast", "host"]
        for set in plan.sets where !set.members.isEmpty {
            name(set.members, set.name)
            if set.possible != set.members { name(set.possible, set.name + "-and-passing") }
        }
    }

    /// Every address of the families.
    private var whole: AddressSet { AddressSet(unionOf: families.map { .all($0) }) }

    /// Gives a set a name, unless it has one.
    mutating func name(_ set: AddressSet, _ wish: String) {
        guard names[set] == nil, set != whole, !set.isEmpty else { return }
        names[set] = table.unique(RuleNames.slug(wish) ?? "addresses")
    }

    /// Whether the set has a name, or all other addresses have one.
    func isNamed(_ set: AddressSet) -> Bool { names[set] != nil || names[whole.subtracting(set)] != nil }

    // MARK: Ends

    /// One end of a rule; nil: any address. If `namesFamily`, no address of another family is meant.
    mutating func end(_ set: AddressSet, _ ends: Ends, isToLocal: Bool, namesFamily: Bool = false) -> YAMLValue? {
        // A multicast address is the host's whoever sends to it.
        let needsLocal = isToLocal && !set.isSubset(of: WellKnown.multicast)
        let place: String? = ends == .host ? "host" : needsLocal ? use("local", local) : nil
        let isAny = !namesFamily && families.allSatisfy { AddressSet.all($0).isSubset(of: set) }
        if ends != .others {
            guard let place else { return isAny ? nil : value(set, namesFamily: namesFamily) }
            let terms = isAny ? [] : allTerms(set, namesFamily: namesFamily)
            return isAny ? .word(place) : .map(["all": .list([.word(place)] + terms)])
        }
        // The host's own addresses are taken away, whatever else is asked.
        let but = isAny ? [] : namesFamily ? nil : exceptions(set)
        if let but, !isToLocal { return .map(["except": .one(of: ["host"] + but)]) }
        let terms =
            (isToLocal ? [YAMLValue.word(use("local", local))] : [])
            + (isAny ? [] : allTerms(set, namesFamily: namesFamily))
        return .map(["all": .list(terms), "except": .word("host")])
    }

    /// The addresses that the rule must name: one family at one end is enough to mean it, and a service may be of one.
    func asked(_ box: Box) -> (source: AddressSet, destination: AddressSet) {
        var (source, destination) = (box.source, box.destination)
        for (family, other) in [(AddressFamily.v4, AddressFamily.v6), (.v6, .v4)] where families.count > 1 {
            let full = AddressSet.all(family)
            let isOnly = box.protocols == (family == .v4 ? Box.icmp : Box.icmpV6)
            if isOnly || source.ranges(other).isEmpty, full.isSubset(of: destination) { destination = .all }
            if isOnly || destination != .all && destination.ranges(other).isEmpty, full.isSubset(of: source) {
                source = .all
            }
        }
        return (source, destination)
    }

    /// What is not in a set that has most addresses, in few words; nil if the set itself has fewer.
    private mutating func exceptions(_ set: AddressSet) -> [String]? {
        let isMost =
            set.v4.last?.upperBound == UInt128(UInt32.max) || set.v6.last?.upperBound == .max
            || WellKnown.broadcast.isSubset(of: whole.subtracting(set))
        var rest = whole.subtracting(set)
        if let name = names[rest] { return [use(name, .map(fields(rest)))] }
        var words: [String] = []
        for (known, name) in [(WellKnown.multicast, "multicast"), (WellKnown.broadcast, "broadcast")] {
            let part = known.common(whole)
            guard !part.isEmpty, part.isSubset(of: rest) else { continue }
            rest = rest.subtracting(part)
            words.append(name)
        }
        words += AddressWords.terms(rest)
        return isMost && (words.count <= AddressWords.terms(set).count || words.count < 3) ? words : nil
    }

    /// A set as the value of `from` or `to`.
    private mutating func value(_ set: AddressSet, namesFamily: Bool) -> YAMLValue {
        if let name = names[set] { return .word(use(name, .map(fields(set)))) }
        for family in AddressFamily.allCases where set == .all(family) { return .word(useFamily(family)) }
        if !namesFamily, let but = exceptions(set) { return .map(["except": .one(of: but)]) }
        return .one(of: AddressWords.terms(set))
    }

    /// A set as members of `all`.
    private mutating func allTerms(_ set: AddressSet, namesFamily: Bool) -> [YAMLValue] {
        name(set, "addresses")
        return [value(set, namesFamily: namesFamily)]
    }

    private mutating func useFamily(_ family: AddressFamily) -> String {
        use("ipv\(family.rawValue)", .map(["addresses": .word(family == .v4 ? "0.0.0.0/0" : "::/0")]))
    }

    private mutating func use(_ name: String, _ value: YAMLValue) -> String {
        if usedNames.insert(name).inserted { used.append((name, value)) }
        return name
    }

    private func fields(_ set: AddressSet) -> [YAMLField] {
        [YAMLField(key: "addresses", value: .list(AddressWords.terms(set).map(YAMLValue.word)))]
    }

    /// Its prefixes; a range that would be many is written as a range.
    static func terms(_ set: AddressSet) -> [String] {
        AddressFamily.allCases.flatMap { family in
            set.ranges(family).flatMap { range -> [String] in
                let ends = [range.lowerBound, range.upperBound].map { IPAddress(family: family, value: $0) }
                let prefixes = (try? AddressRange(parsing: "\(ends[0])-\(ends[1])".utf8.span))?.prefixes ?? []
                return prefixes.count <= 2 ? prefixes.map(\.description) : ["\(ends[0])-\(ends[1])"]
            }
        }
    }
}
