// SPDX-License-Identifier: Apache-2.0
import Network

/// A group whose members commands change while the policy is in force.
public struct DynamicGroup: Sendable, Hashable {
    public static let standardMaximum = 65_536
    public static let largestMaximum = 16_777_216
    /// Seconds: a hundred years.
    public static let longestTimeout = 36_500 * 86_400
    /// Dynamic groups of one policy.
    public static let most = 512

    public var name: String
    public var location: SourceLocation
    /// Addresses and prefixes that it may have at a time.
    public var maximum: Int
    /// Seconds that a member stays where no time is given; nil: until it is deleted.
    public var timeout: Int?

    public init(
        name: String, location: SourceLocation, maximum: Int = DynamicGroup.standardMaximum, timeout: Int? = nil
    ) {
        self.name = name
        self.location = location
        self.maximum = maximum
        self.timeout = timeout
    }
}

/// What an address must be that only the moment tells: to dynamic groups, by index in
/// ``Ruleset/dynamicGroups``, and to the host.
public struct Membership: Sendable, Hashable {
    /// It is a member of all of these,
    public var inside: Set<Int>
    /// and of none of these.
    public var outside: Set<Int>
    /// Whether it must be, or must not be, one of the host's own; nil: neither.
    public var isHost: Bool?

    /// It asks for nothing.
    public static let any = Membership()

    public init(inside: Set<Int> = [], outside: Set<Int> = [], isHost: Bool? = nil) {
        self.inside = inside
        self.outside = outside
        self.isHost = isHost
    }

    public var isAny: Bool { !asksGroups && isHost == nil }

    /// Whether who is in a dynamic group matters.
    public var asksGroups: Bool { !inside.isEmpty || !outside.isEmpty }

    /// What it asks of dynamic groups alone.
    public var ofGroups: Membership { Membership(inside: inside, outside: outside) }

    /// Groups that it asks about.
    var count: Int { inside.count + outside.count }

    /// Both at once; nil where no address is that.
    func joined(_ other: Membership) -> Membership? {
        if let isHost, let others = other.isHost, isHost != others { return nil }
        let result = Membership(
            inside: inside.union(other.inside), outside: outside.union(other.outside), isHost: isHost ?? other.isHost)
        return result.inside.isDisjoint(with: result.outside) ? result : nil
    }

    /// - Parameter isOwn: Whether the address is one of the host's own.
    public func holds(_ isMember: (Int) -> Bool, isOwn: @autoclosure () -> Bool) -> Bool {
        inside.allSatisfy(isMember) && !outside.contains(where: isMember)
            && (isHost.map { $0 == isOwn() } ?? true)
    }
}

/// A set of addresses that depends on dynamic groups, or on what addresses the host has: an address is in it
/// that is in some term's
/// static set, and is what the term asks for.
struct DynamicSet: Sendable, Hashable {
    struct Term: Sendable, Hashable {
        var set: AddressSet
        var membership: Membership
    }

    /// More terms than any rule could have.
    private static let limit = 64

    /// None is empty, and each membership is there once; the static one first.
    private(set) var terms: [Term]
    /// It has more terms than are kept.
    private(set) var isTooLarge = false

    static let empty = DynamicSet(AddressSet.empty)

    init(_ set: AddressSet) { terms = set.isEmpty ? [] : [Term(set: set, membership: .any)] }

    /// The members of a dynamic group.
    init(membersOf group: Int) { terms = [Term(set: .all, membership: Membership(inside: [group]))] }

    /// The host's own addresses, whatever they are.
    static let host = DynamicSet(terms: [Term(set: .all, membership: Membership(isHost: true))])

    private init(terms: [Term]) { self.terms = terms }

    /// The union of any sets.
    init(unionOf sets: [DynamicSet]) {
        if sets.count == 1 {
            self = sets[0]
            return
        }
        self.init(merging: sets.flatMap(\.terms), isTooLarge: sets.contains(where: \.isTooLarge))
    }

    private init(merging all: [Term], isTooLarge: Bool) {
        var order: [Membership] = []
        var parts: [Membership: [AddressSet]] = [:]
        for term in all where !term.set.isEmpty {
            if parts[term.membership] == nil { order.append(term.membership) }
            parts[term.membership, default: []].append(term.set)
        }
        terms = (order.filter(\.isAny) + order.filter { !$0.isAny }).map { membership in
            let sets = parts[membership] ?? []
            return Term(set: sets.count == 1 ? sets[0] : AddressSet(unionOf: sets), membership: membership)
        }
        terms = DynamicSet.withoutThirds(terms)
        if let first = terms.first, first.membership.isAny, first.set == .all { terms = [first] }
        self.isTooLarge = isTooLarge || terms.count > DynamicSet.limit
        terms = Array(terms.prefix(DynamicSet.limit))
    }

    /// Where the host's own, others, and any addresses are asked for, the first two say it all; where they
    /// are the same, any does.
    private static func withoutThirds(_ terms: [Term]) -> [Term] {
        guard terms.contains(where: { $0.membership.isHost == true }),
            terms.contains(where: { $0.membership.isHost == false })
        else { return terms }
        var sets = Dictionary(uniqueKeysWithValues: terms.map { ($0.membership, $0.set) })
        for whole in Set(terms.map(\.membership.ofGroups)) {
            var (own, other) = (whole, whole)
            (own.isHost, other.isHost) = (true, false)
            guard let ownSet = sets[own], let otherSet = sets[other] else { continue }
            let both = sets.removeValue(forKey: whole) ?? .empty
            sets[own] = AddressSet(unionOf: [ownSet, both])
            sets[other] = AddressSet(unionOf: [otherSet, both])
            guard let set = sets[own], set == sets[other] else { continue }
            sets[whole] = set
            sets[own] = nil
            sets[other] = nil
        }
        let order = terms.map(\.membership) + terms.map(\.membership.ofGroups)
        let left = order.compactMap { membership in
            sets.removeValue(forKey: membership).map { Term(set: $0, membership: membership) }
        }
        return left.filter(\.membership.isAny) + left.filter { !$0.membership.isAny }
    }

    var isEmpty: Bool { terms.isEmpty }

    /// What is in it whoever is in the groups.
    var fixed: AddressSet { terms.first.map { $0.membership.isAny ? $0.set : .empty } ?? .empty }

    /// What is in both.
    func intersection(_ other: DynamicSet) -> DynamicSet {
        let both = terms.flatMap { left in
            other.terms.compactMap { right in
                left.membership.joined(right.membership).map {
                    Term(set: left.set.intersection(right.set), membership: $0)
                }
            }
        }
        return DynamicSet(merging: both, isTooLarge: isTooLarge || other.isTooLarge)
    }

    func subtracting(_ other: DynamicSet) -> DynamicSet {
        var result = self
        for term in other.terms { result = result.subtracting(term) }
        result.isTooLarge = result.isTooLarge || other.isTooLarge
        return result
    }

    /// What is left is beside the term's static set, or within it and not what the term asks for.
    private func subtracting(_ other: Term) -> DynamicSet {
        let asked = other.membership
        let denials =
            asked.inside.sorted().map { Membership(outside: [$0]) }
            + asked.outside.sorted().map { Membership(inside: [$0]) }
            + (asked.isHost.map { [Membership(isHost: !$0)] } ?? [])
        let left = terms.flatMap { term in
            var parts = [Term(set: term.set.subtracting(other.set), membership: term.membership)]
            guard !denials.isEmpty else { return parts }
            let common = other.set == .all ? term.set : term.set.intersection(other.set)
            for denial in denials {
                guard let membership = term.membership.joined(denial) else { continue }
                parts.append(Term(set: common, membership: membership))
            }
            return parts
        }
        return DynamicSet(merging: left, isTooLarge: isTooLarge)
    }
}

extension DynamicSet: CustomStringConvertible {
    var description: String { terms.isEmpty ? "nothing" : terms.map(\.description).joined(separator: " or ") }
}

extension DynamicSet.Term: CustomStringConvertible {
    var description: String {
        if membership.isAny { return "\(set)" }
        return set == .all ? "\(membership)" : "\(set) \(membership)"
    }
}

extension Membership: CustomStringConvertible {
    public var description: String {
        let groups = inside.sorted().map { "in #\($0)" } + outside.sorted().map { "not in #\($0)" }
        return ((isHost.map { [$0 ? "host" : "not host"] } ?? []) + groups).joined(separator: " ")
    }
}

extension Rule {
    /// Combinations of dynamic groups that one rule may ask for one of.
    public static let mostTerms = 8
    /// Questions about dynamic groups in one of them.
    public static let mostQuestions = 8

    static let termsAdvice = "at most \(mostTerms) of at most \(mostQuestions) groups each; write several rules"

    /// What is asked of dynamic groups and of the host, each combination once, that of nothing first.
    public var memberships: [Ends] {
        var seen: Set<Ends> = []
        let all = ends.map { Ends(from: nil, to: nil, source: $0.source, destination: $0.destination) }
            .filter { seen.insert($0).inserted }
        return all.filter(\.asksNothing) + all.filter { !$0.asksNothing }
    }

    /// Why it asks too much of dynamic groups; nil where it does not.
    public var problemOfTerms: String? {
        guard asksMembers else { return nil }
        let memberships = Set(
            ends.map { Ends(from: nil, to: nil, source: $0.source.ofGroups, destination: $0.destination.ofGroups) })
        let questions = memberships.map { $0.source.count + $0.destination.count }.max() ?? 0
        guard memberships.count > Rule.mostTerms || questions > Rule.mostQuestions else { return nil }
        return "the rule asks for \(memberships.count) combinations of dynamic groups, of up to \(questions) each: "
            + Rule.termsAdvice
    }
}
