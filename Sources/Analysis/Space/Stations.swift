// SPDX-License-Identifier: Apache-2.0
import Network
import Policy
import Wire

/// The ports of one policy, or of two that are compared, in groups that the rules do not tell apart.
struct Stations: Sendable {
    /// Port entries that are judged alike.
    struct Station: Sendable {
        /// In each policy: the entries' indices, in the same order.
        var entries: [[Int]]
        /// In each policy: what the entries protect.
        var protects: [Protects]
    }

    /// What the rules of one policy can tell about an entry.
    fileprivate struct Likeness: Hashable {
        var place = Fingerprint()
        var defaults: [Action]
        var essentials: Bool
        var protects: Protects
        var vlans: VLANAdmission
        var guards: Set<Guard>
        /// What the port may claim, where a guard compares it.
        var claimed: AddressSet?
    }

    let stations: [Station]
    /// By policy and entry: its stations; none if the entry is not compared, several if the other policy divides it.
    let ofEntry: [[[Int]]]

    /// - Parameters:
    ///   - pairs: Entries that are the same port, one of each policy.
    ///   - protects: By policy and entry.
    init(_ rulesets: [Ruleset], pairs: [[Int]], protects: [[Protects]], tellsClaims: Bool) {
        let places = rulesets.map(Stations.places)
        var numbers: [[Likeness]: Int] = [:]
        var stations: [Station] = []
        var ofEntry = rulesets.map { [[Int]](repeating: [], count: $0.entries.count) }
        for pair in pairs {
            let likeness = pair.enumerated().map { policy, entry in
                Likeness(
                    rulesets[policy].entries[entry], place: places[policy][entry],
                    protects: protects[policy][entry], tellsClaims: tellsClaims)
            }
            let number = numbers[likeness] ?? stations.count
            if number == stations.count {
                numbers[likeness] = number
                stations.append(
                    Station(
                        entries: rulesets.map { _ in [] },
                        protects: pair.enumerated().map { protects[$0.offset][$0.element] }))
            }
            for (policy, entry) in pair.enumerated() {
                stations[number].entries[policy].append(entry)
                ofEntry[policy][entry].append(number)
            }
        }
        self.stations = stations
        self.ofEntry = ofEntry
    }

    /// By entry: a number for the sets of `at` that it is in.
    private static func places(_ ruleset: Ruleset) -> [Fingerprint] {
        var result = [Fingerprint](repeating: Fingerprint(), count: ruleset.entries.count)
        let sets = Set(ruleset.rules.compactMap(\.entries))
        for (owner, set) in sets.enumerated() {
            for entry in set { result[entry].toggle(owner) }
        }
        return result
    }
}

extension Stations.Likeness {
    init(_ entry: PortEntry, place: Fingerprint, protects: Protects, tellsClaims: Bool) {
        let guards = entry.guards(protects)
        self.init(
            place: place, defaults: [entry.defaults.in, entry.defaults.out], essentials: entry.defaults.essentials,
            protects: protects, vlans: entry.vlanAdmission(protects), guards: guards,
            claimed: tellsClaims && protects == .workload && !guards.isDisjoint(with: [.ip, .destination])
                ? entry.claimedAddresses : nil)
    }
}

/// Where a packet is judged: each station, in each direction, with each class of VLAN tags. Directions come first, so
/// that what holds in one of them is one run.
struct CrossingAxis: Sendable {
    let stations: Int
    let tags: TagAxis

    var count: Int { 2 * stations * tags.count }

    private func start(_ direction: Direction, _ station: Int) -> Int {
        ((direction == .in ? 0 : stations) + station) * tags.count
    }

    /// - Parameter stations: nil: all.
    func classes(_ directions: Directions, at stations: Set<Int>?, tags set: ClassSet) -> ClassSet {
        if directions.isBoth, stations == nil, set.count == tags.count { return ClassSet(below: count) }
        var sets: [ClassSet] = []
        for direction in Direction.allCases where directions.contains(direction) {
            if stations == nil, set.count == tags.count {
                let first = start(direction, 0)
                sets.append(ClassSet(first..<first + self.stations * tags.count))
                continue
            }
            let all = stations.map { $0.sorted() } ?? Array(0..<self.stations)
            sets += all.map { set.moved(by: start(direction, $0)) }
        }
        return ClassSet(unionOf: sets)
    }

    /// The tags that the ports of a station admit.
    func admitted(_ admission: VLANAdmission) -> ClassSet {
        switch admission {
        case .none: tags.classes(of: [0])
        case .list(let list): tags.classes(of: list)
        case .any: ClassSet(below: tags.count)
        }
    }

    /// What a class stands for.
    func meaning(_ number: UInt32) -> (station: Int, direction: Direction, tag: UInt32) {
        let place = Int(number) / tags.count
        return (
            place % stations, place < stations ? .in : .out, UInt32(Int(number) % tags.count)
        )
    }

    func classOf(_ direction: Direction, _ station: Int, tag: UInt16) -> UInt32 {
        UInt32(start(direction, station)) + tags.classOf(tag)
    }
}
