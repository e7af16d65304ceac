// SPDX-License-Identifier: Apache-2.0
import Network
import Policy
import Wire

/// Which packets two policies judge differently, at the ports that both have.
public struct Difference: Sendable {
    /// Packets whose verdict changes in the same way.
    public struct Change: Hashable, Sendable {
        public var from: [String]
        public var to: [String]
        public var service: [String]
        public var port: String
        public var direction: Direction
        /// The outer tags, as numbers and ranges, where it is not all that the port admits; 0: untagged.
        public var vlans: [String]?
        public var old: Action
        public var new: Action
        /// The version of IP, where it is the only one in which traffic changes like this.
        public var family: AddressFamily?
        public var example: PacketExample
    }

    public private(set) var traffic: [Change] = []
    /// Whether there may be more changes than could be told within the effort.
    public private(set) var isPartial = false
    /// Whether it depends on time or state which of the changes happen.
    public private(set) var isConditional = false

    private struct Kind: Hashable {
        var old: Action
        var new: Action
    }

    private let rulesets: [Ruleset]
    private var effort: Effort
    /// The most boxes that the packets between two rules may be divided into.
    private static let mostParts = 2000

    /// - Parameters:
    ///   - protects: By policy and entry.
    ///   - now: The host's clock; nil if unknown.
    public init(
        from old: Ruleset, to new: Ruleset, protects: [[Protects]], now: Timestamp? = nil,
        effort: Int = 2_000_000_000
    ) {
        rulesets = [old, new]
        self.effort = Effort(effort)
        let pairs = Difference.pairs(old, new)
        if pairs.isEmpty { return }
        let stations = Stations(rulesets, pairs: pairs, protects: protects, tellsClaims: true)
        var extra = Universe.Extra()
        extra.sets = GuardParts.sets + rulesets.map(\.guestAddresses)
        extra.sets += rulesets.flatMap { $0.entries.flatMap { [$0.claimedAddresses, AddressSet($0.addresses)] } }
        extra.services = GuardParts.services
        let conditions = Conditions(rulesets, pairs: pairs)
        for family in [AddressFamily.v4, .v6, nil] {
            let universe = Universe(family, rulesets, stations, extra)
            var found: [Kind: [Box]]?
            for world in conditions.worlds {
                let lists = rulesets.indices.map { policy in
                    DecisionList(
                        rulesets[policy], in: universe,
                        DecisionOptions(
                            policy: policy, conditions: conditions, world: world, now: now, guards: .all)
                    ).parts
                }
                let regions = regions(lists, world, universe)
                if let others = found, others != regions { isConditional = true }
                found = found.map { $0.merging(regions) { Array(Set($0 + $1)) } } ?? regions
            }
            describe(found ?? [:], universe)
        }
        if !conditions.isComplete { isPartial = true }
        traffic = traffic.joinedFamilies.sorted {
            ($0.port, $0.direction.rawValue, $0.from.joined(), $0.to.joined(), $0.service.joined())
                < ($1.port, $1.direction.rawValue, $1.from.joined(), $1.to.joined(), $1.service.joined())
        }
    }

    /// Whether the devices that the policies judge are not written alike: a port comes or goes, or one of the same name
    /// has other devices.
    public static func movesPorts(_ old: Ruleset, _ new: Ruleset) -> Bool {
        let pairs = pairs(old, new)
        return Set(pairs.map { $0[0] }).count < old.entries.count || Set(pairs.map { $0[1] }).count < new.entries.count
            || pairs.contains { pair in
                let (one, two) = (old.entries[pair[0]], new.entries[pair[1]])
                return one.selector != two.selector || one.namespace != two.namespace
            }
    }

    /// The entries that are the same port: of the same name, else of the same devices.
    static func pairs(_ old: Ruleset, _ new: Ruleset) -> [[Int]] {
        let names = Dictionary(uniqueKeysWithValues: old.entries.enumerated().map { ($1.name, $0) })
        let taken = Set(new.entries.map(\.name))
        let divided = old.entries.enumerated().compactMap { index, entry -> [Int]? in
            guard let part = entry.part, !taken.contains(entry.name) else { return nil }
            return new.entry(ofPort: part.example).map { [index, $0] }
        }
        return divided
            + new.entries.enumerated().compactMap { index, entry in
                if let same = names[entry.name] { return [same, index] }
                if let part = entry.part { return old.entry(ofPort: part.example).map { [$0, index] } }
                let renamed = old.entries.firstIndex {
                    !taken.contains($0.name) && $0.selector == entry.selector && $0.namespace == entry.namespace
                }
                return renamed.map { [$0, index] }
            }
    }

    // MARK: Regions

    /// What two lists decide differently in one world. A pair of parts decides what is in both of their boxes where the
    /// needs of both are met, but for what earlier parts match whenever these are met.
    private mutating func regions(
        _ lists: [[DecisionPart]], _ world: [Need], _ universe: Universe
    ) -> [Kind: [Box]] {
        // A part of which it is not known what it needs was not worth the effort.
        if lists.joined().contains(where: { !$0.isSure && $0.needs.isEmpty }) { isPartial = true }
        let kept = KeptParts(lists[0].map { PartKey($0) }, lists[1].map { PartKey($0) })
        var found: [Kind: [Box]] = [:]
        func compare(_ old: Int, _ new: Int, _ difference: inout Difference) {
            let (one, two) = (lists[0][old], lists[1][new])
            guard one.action != two.action, one.box.intersects(two.box) else { return }
            let given = world + one.needs + two.needs
            guard given.areTogether else { return }
            let common = one.box.intersection(two.box)
            difference.effort.left -= (old + new) / 8
            let before = [lists[0][..<old], lists[1][..<new]].joined().filter { $0.box.intersects(common) }
            let sure = before.filter { given.implies($0.needs) }
            let parts = difference.rest(of: common, without: sure.map(\.box), universe)
            if parts.isEmpty { return }
            found[Kind(old: one.action, new: two.action), default: []] += parts
            if ([one, two] + before).contains(where: \.dependsOnTimeOrState) { difference.isConditional = true }
        }
        for old in lists[0].indices where !kept.old[old] {
            for new in lists[1].indices { compare(old, new, &self) }
        }
        for new in lists[1].indices where !kept.new[new] {
            for old in lists[0].indices where kept.old[old] { compare(old, new, &self) }
        }
        return found.mapValues { $0.merged() }
    }

    private mutating func rest(of box: Box, without others: [Box], _ universe: Universe) -> [Box] {
        switch universe.search(box, under: others, &effort) {
        case .covered: return []
        case .spent: isPartial = true
        case .open(let part):
            if let rest = CoverSearch.rest(of: box, without: others, atMost: Difference.mostParts, &effort) {
                return rest.filter(universe.hasPacket).merged()
            }
            isPartial = true
            return [part]
        }
        return []
    }

    // MARK: Words

    private mutating func describe(_ regions: [Kind: [Box]], _ universe: Universe) {
        let names = NameBook(rulesets)
        for (kind, boxes) in regions {
            for box in boxes.merged() {
                for place in places(of: box.crossing, universe) {
                    var here = box
                    here.crossing = place.crossing
                    here.destination = destinations(of: here, at: place, universe)
                    if here.isEmpty || !universe.hasPacket(here) { continue }
                    let witness = universe.witness(in: here, policy: 1)
                    for entry in universe.stations.stations[place.station].entries[1] {
                        let port = rulesets[1].entries[entry].name
                        traffic.append(
                            Change(
                                from: ends(box.source, names, universe), to: ends(here.destination, names, universe),
                                service: universe.services.words(box.service), port: port,
                                direction: place.direction, vlans: place.tags, old: kind.old, new: kind.new,
                                family: universe.family,
                                example: witness.example(port: port)))
                    }
                }
            }
        }
    }

    private func ends(_ set: ClassSet, _ names: NameBook, _ universe: Universe) -> [String] {
        guard let family = universe.family else { return ["any"] }
        let (own, others) = (universe.addresses(of: set, own: true), universe.addresses(of: set, own: false))
        if own.isEmpty || own == others { return names.words(others, family) }
        let host = names.words(own, family)
        let ofHost = host == ["any"] ? ["host"] : host.map { "host as \($0)" }
        return (others.isEmpty ? [] : names.words(others, family)) + ofHost
    }

    /// Where a packet goes to that comes in at a guest: not to what is bound to another port.
    private func destinations(of box: Box, at place: Place, _ universe: Universe) -> ClassSet {
        let station = universe.stations.stations[place.station]
        guard place.direction == .in, station.protects.allSatisfy({ $0 == .workload }) else { return box.destination }
        var elsewhere = AddressSet.all
        for (policy, ruleset) in rulesets.enumerated() {
            let others = ruleset.entries.indices.filter { !station.entries[policy].contains($0) }
            let bound = AddressSet(others.flatMap { ruleset.entries[$0].addresses })
            let own = station.entries[policy].map { ruleset.entries[$0].claimedAddresses }
            elsewhere = elsewhere.intersection(bound.subtracting(AddressSet(unionOf: own)))
        }
        return box.destination.subtracting(universe.destinations(elsewhere))
    }

    private struct Place {
        var station: Int
        var direction: Direction
        /// nil: all that the port admits.
        var tags: [String]?
        var crossing: ClassSet
    }

    private func places(
        of set: ClassSet, _ universe: Universe
    ) -> [Place] {
        let axis = universe.crossings
        var found: [Place] = []
        for direction in Direction.allCases {
            for station in 0..<axis.stations {
                let here = set.intersection(
                    axis.classes([direction], at: [station], tags: ClassSet(below: axis.tags.count)))
                if here.isEmpty { continue }
                let all = axis.classes([direction], at: [station], tags: admitted(station, universe))
                let tags = here.classes.flatMap { axis.tags.tags[Int(axis.meaning($0).tag)] }
                found.append(
                    Place(
                        station: station, direction: direction,
                        tags: here == all ? nil : Difference.ranges(tags.sorted()),
                        crossing: here))
            }
        }
        return found
    }

    private static func ranges(_ tags: [UInt16]) -> [String] {
        var runs: [ClosedRange<UInt16>] = []
        for tag in tags {
            if let last = runs.last, last.upperBound + 1 == tag {
                runs[runs.count - 1] = last.lowerBound...tag
            } else {
                runs.append(tag...tag)
            }
        }
        return runs.map { $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)" }
    }

    /// The tags that a station's ports admit by one of the policies.
    private func admitted(_ number: Int, _ universe: Universe) -> ClassSet {
        let station = universe.stations.stations[number]
        return ClassSet(
            unionOf: rulesets.enumerated().compactMap { policy, ruleset in
                station.entries[policy].first.map {
                    universe.crossings.admitted(ruleset.entries[$0].vlanAdmission(station.protects[policy]))
                }
            })
    }
}

/// What two parts must have in common to be the same.
private struct PartKey: Hashable {
    var box: Box
    var action: Action
    var needs: [Need]

    init(_ part: DecisionPart) {
        box = part.box
        action = part.action
        needs = part.needs
    }
}

/// The parts that are in both lists, in the same order. Two of these never decide one packet differently.
private struct KeptParts {
    private(set) var old: [Bool]
    private(set) var new: [Bool]

    init(_ one: [PartKey], _ two: [PartKey]) {
        old = one.map { _ in false }
        new = two.map { _ in false }
        var places: [PartKey: [Int]] = [:]
        for (index, key) in one.enumerated().reversed() { places[key, default: []].append(index) }
        // Each part of the new list with its place in the old one; the first of equals goes with the first.
        var matched: [(old: Int, new: Int)] = []
        for (index, key) in two.enumerated() {
            if let place = places[key]?.popLast() { matched.append((place, index)) }
        }
        for index in matched.map(\.old).longestRising {
            old[matched[index].old] = true
            new[matched[index].new] = true
        }
    }
}

extension [Difference.Change] {
    /// Changes that differ in the version of IP alone become one.
    fileprivate var joinedFamilies: [Difference.Change] {
        var places: [Difference.Change: Int] = [:]
        var result: [Difference.Change] = []
        for change in self {
            var key = change
            key.example = PacketExample(from: "", to: "", service: "")
            key.service = []
            key.family = nil
            if let place = places[key] {
                if result[place].family != change.family { result[place].family = nil }
                result[place].service += change.service.filter { !result[place].service.contains($0) }
            } else {
                places[key] = result.count
                result.append(change)
            }
        }
        return result
    }
}
