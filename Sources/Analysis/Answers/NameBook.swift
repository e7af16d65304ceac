// SPDX-License-Identifier: Apache-2.0
import Network
import Policy

/// What sets of addresses are called: by the groups and ports of policies, and by prefixes where these do not suffice.
struct NameBook: Sendable {
    private struct Name: Sendable {
        var text: String
        var set: AddressSet
    }

    /// Groups come before ports, so that a group is preferred to its members.
    private let names: [Name]
    /// The most prefixes that are written out.
    private static let mostPrefixes = 6

    init(_ rulesets: [Ruleset]) {
        var names: [Name] = []
        var seen: Set<String> = []
        for group in rulesets.flatMap(\.groups) where !group.set.isEmpty && seen.insert(group.name).inserted {
            names.append(Name(text: group.name, set: group.set))
        }
        for entry in rulesets.flatMap(\.entries) where seen.insert(entry.name).inserted {
            let set = AddressSet(entry.addresses + entry.sharedAddresses)
            if !set.isEmpty { names.append(Name(text: entry.name, set: set)) }
        }
        self.names = names
    }

    /// The fewest names that make up a set of one family; what has no name is written as prefixes.
    func words(_ set: AddressSet, _ family: AddressFamily) -> [String] {
        let whole = AddressSet(AddressSet.all.ranges(family), of: family)
        if set == whole { return ["any"] }
        let (named, left) = cover(set, family)
        if left.isEmpty { return named }
        let (others, rest) = cover(whole.subtracting(set), family)
        if rest.isEmpty, !others.isEmpty, others.count < 6 { return ["any except " + others.joined(separator: ", ")] }
        return named + NameBook.prefixes(left, whole)
    }

    private func cover(_ set: AddressSet, _ family: AddressFamily) -> (names: [String], left: AddressSet) {
        var left = set
        let inside = names.compactMap { name -> Name? in
            let part = AddressSet(name.set.ranges(family), of: family)
            return part.isEmpty || !part.subtracting(set).isEmpty ? nil : Name(text: name.text, set: part)
        }
        var found: [String] = []
        for name in inside.sorted(by: { $0.set.size > $1.set.size }) where !left.isEmpty {
            let rest = left.subtracting(name.set)
            if rest == left { continue }
            found.append(name.text)
            left = rest
        }
        return (found, left)
    }

    private static func prefixes(_ set: AddressSet, _ whole: AddressSet) -> [String] {
        let prefixes = set.prefixes
        if prefixes.count <= mostPrefixes { return prefixes.map(\.description) }
        let others = whole.subtracting(set).prefixes
        if others.count <= mostPrefixes {
            return ["any except " + others.map(\.description).joined(separator: ", ")]
        }
        return prefixes.prefix(mostPrefixes).map(\.description) + ["and \(prefixes.count - mostPrefixes) more prefixes"]
    }
}

extension AddressSet {
    /// How many addresses there are, cut at the highest number.
    fileprivate var size: UInt128 {
        (v4 + v6).reduce(0) { sum, range in
            let (total, overflow) = sum.addingReportingOverflow(range.upperBound - range.lowerBound)
            return overflow ? .max : total < .max ? total + 1 : total
        }
    }
}
