// SPDX-License-Identifier: Apache-2.0
import Network

/// A group whose members change by command while the policy is in force.
public struct DynamicGroup: Sendable, Hashable {
    public static let standardMaximum = 65_536
    public static let largestMaximum = 16_777_216
    /// The longest timeout in seconds, a hundred years.
    public static let longestTimeout = 36_500 * 86_400
    /// The most dynamic groups of one policy.
    public static let most = 512

    public var name: String
    public var location: SourceLocation
    /// The most addresses and prefixes that the group may have at a time.
    public var maximum: Int
    /// How long a member stays if no time is given with it, in seconds; nil: until it is deleted.
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

/// What only the moment can tell of an address: whether it is in dynamic groups (by index in
/// ``Ruleset/dynamicGroups``), and whether it is one of the host's own.
public struct Membership: Sendable, Hashable {
    /// The groups that the address must be a member of, all of them.
    public var inside: Set<Int>
    /// The groups that the address must not be a member of.
    public var outside: Set<Int>
    /// Whether the address must (true) or must not (false) be one of the host's own; nil: either.
    public var isHost: Bool?

    /// True of every address.
    public static let any = Membership()

    public init(inside: Set<Int> = [], outside: Set<Int> = [], isHost: Bool? = nil) {
        self.inside = inside
        self.outside = outside
        self.isHost = isHost
    }

    public var isAny: Bool { !asksGroups && isHost == nil }

    /// Whether it matters who is in a dynamic group.
    public var asksGroups: Bool { !inside.isEmpty || !outside.isEmpty }

    /// The same without the question about the host.
    public var ofGroups: Membership { Membership(inside: inside, outside: outside) }

    /// The number of groups that it asks about.
    var count: Int { inside.count + outside.count }

    /// True of the addresses for which both are true; nil if there is none.
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

/// A set of addresses that depends on dynamic groups or on the host's own addresses. An address is in the set if, for
/// some term, it is in the term's static set and its membership is as the term asks.
struct DynamicSet: Sendable, Hashable {
    struct Term: Sendable, Hashable {
        var set: AddressSet
        var membership: Membership
    }

    /// The most terms that are kept, more than any rule may have.
    private static let limit = 64

    /// No term is empty, and each membership occurs once; the static one comes first.
    private(set) var terms: [Term]
    /// Whether there were more terms than are kept.
    private(set) var isTooLarge = false

    static let empty = DynamicSet(AddressSet.empty)

    init(_ set: AddressSet) { terms = set.isEmpty ? [] : [Term(set: set, membership: .any)] }

    /// The members of a dynamic group, by its index.
    init(membersOf group: Int) { terms = [Term(set: .all, membership: Membership(inside: [group]))] }

    /// The host's own addresses, whatever they are at the moment.
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

    /// Merges terms that differ only in what they ask of the host. If there is one for the host's own addresses and one
    /// for all others, these two take over a third that asks nothing of the host; if their sets are then equal, one
    /// term that asks nothing replaces both.
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

    /// The addresses that are in the set whoever is in the dynamic groups.
    var fixed: AddressSet { terms.first.map { $0.membership.isAny ? $0.set : .empty } ?? .empty }

    /// The addresses that are in the set as members of a dynamic group, if all else that is asked of them holds.
    func range(ofMembers group: Int) -> AddressSet {
        AddressSet(unionOf: terms.filter { $0.membership.inside.contains(group) }.map(\.set))
    }

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

    /// What is left lies outside the term's static set, or inside it but without the membership that the term asks for.
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
