// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import Policy
import Wire

/// Where a packet may be. Port entry and direction give the *scope*. Scope, VLAN, and which of the packet's ends are
/// the host's own give the *context*. Contexts differ only if some rule tells them apart.
struct Contexts {
    /// The scope, by entry * number of directions + direction.
    private(set) var scopes: [UInt32] = []
    private(set) var scopeCount = 0
    /// The VLAN class, by tag.
    private(set) var vlanClasses: [UInt16] = []
    private(set) var vlanCount = 0
    /// The number of states of a packet's ends, see `bh_host_question`; 1 if no rule asks for the host.
    private(set) var hostStates = 1
    /// By scope: the bits of `bh_host_question` that its rules ask for.
    private(set) var hostQuestions: [UInt8] = []
    /// The context, by (scope * `vlanCount` + VLAN class) * `hostStates` + state of the ends.
    private(set) var contexts: [UInt32] = []
    /// By context: the places that it is in, see ``placeOfRule``.
    private(set) var members = SequenceTable<UInt32>()
    /// By rule: the number of its *place*, the distinct combination of entries, directions, VLANs and questions about
    /// the host.
    private(set) var placeOfRule: [UInt32] = []
    private(set) var placeCount = 0

    private struct Reach: Hashable {
        var entries: Set<Int>?
        var directions: Directions
    }

    private struct Place: Hashable {
        var reach: UInt32
        var vlans: UInt32
        var host: HostEnds
    }

    init(_ ruleset: Ruleset, _ budget: Budget) throws(CompileError) {
        var reaches: [Reach] = []
        var reachNumbers: [Reach: UInt32] = [:]
        var vlanSets: [Set<UInt16>?] = []
        var vlanNumbers: [Set<UInt16>?: UInt32] = [:]
        var places: [Place] = []
        var placeNumbers: [Place: UInt32] = [:]
        placeOfRule.reserveCapacity(ruleset.rules.count)
        for rank in ruleset.rules.indices {
            let reach = Reach(entries: ruleset.rules[rank].entries, directions: ruleset.rules[rank].directions)
            let place = Place(
                reach: Contexts.number(reach, in: &reachNumbers, of: &reaches),
                vlans: Contexts.number(ruleset.rules[rank].vlans, in: &vlanNumbers, of: &vlanSets),
                host: HostEnds(ruleset.rules[rank]))
            placeOfRule.append(Contexts.number(place, in: &placeNumbers, of: &places))
        }
        placeCount = places.count
        if places.contains(where: { $0.host.questions != 0 }) { hostStates = Int(BH_HOST_STATES) }
        let scopeMembers = makeScopes(reaches, entries: ruleset.entries.count)
        let vlanMembers = makeVLANClasses(vlanSets)
        try budget.check(
            "classes of ports, directions and VLAN tags", scopeCount * vlanCount * hostStates, atMost: \.tableEntries,
            by: .places)
        makeContexts(places, reachCount: reaches.count, vlanSets: vlanSets, scopeMembers, vlanMembers)
    }

    private static func number<Value: Hashable>(
        _ value: Value, in numbers: inout [Value: UInt32], of values: inout [Value]
    ) -> UInt32 {
        if let number = numbers[value] { return number }
        let number = UInt32(values.count)
        numbers[value] = number
        values.append(value)
        return number
    }

    private mutating func makeScopes(_ reaches: [Reach], entries: Int) -> SequenceTable<UInt32> {
        let directions: [Direction] = [.in, .out]
        var everywhere: [[UInt32]] = [[], []]
        var named = [[UInt32]](repeating: [], count: entries * directions.count)
        for (number, reach) in reaches.enumerated() {
            for (index, direction) in directions.enumerated() where reach.directions.contains(direction) {
                guard let entries = reach.entries else {
                    everywhere[index].append(UInt32(number))
                    continue
                }
                for entry in entries { named[entry * directions.count + index].append(UInt32(number)) }
            }
        }
        var members = SequenceTable<UInt32>()
        for place in named.indices {
            scopes.append(UInt32(members.intern((everywhere[place % directions.count] + named[place]).sorted())))
        }
        scopeCount = members.count
        return members
    }

    private mutating func makeVLANClasses(_ sets: [Set<UInt16>?]) -> SequenceTable<UInt32> {
        var byTag = [[UInt32]](repeating: [], count: Int(BH_VLANS))
        for (number, set) in sets.enumerated() {
            for tag in set ?? [] where Int(tag) < byTag.count { byTag[Int(tag)].append(UInt32(number)) }
        }
        var members = SequenceTable<UInt32>()
        for sets in byTag { vlanClasses.append(UInt16(members.intern(sets))) }
        vlanCount = members.count
        return members
    }

    private mutating func makeContexts(
        _ places: [Place], reachCount: Int, vlanSets: [Set<UInt16>?], _ scopeMembers: SequenceTable<UInt32>,
        _ vlanMembers: SequenceTable<UInt32>
    ) {
        var placesOfReach = [[UInt32]](repeating: [], count: reachCount)
        for (number, place) in places.enumerated() { placesOfReach[Int(place.reach)].append(UInt32(number)) }
        for scope in 0..<scopeCount {
            let here = scopeMembers[scope].flatMap { placesOfReach[Int($0)] }.sorted()
            hostQuestions.append(here.reduce(0) { $0 | places[Int($1)].host.questions })
            for vlan in 0..<vlanCount {
                let sets = Set(vlanMembers[vlan])
                let members = here.filter { number in
                    let vlans = places[Int(number)].vlans
                    return vlanSets[Int(vlans)] == nil || sets.contains(vlans)
                }
                for state in 0..<hostStates {
                    let matching = members.filter { places[Int($0)].host.admits(state) }
                    contexts.append(UInt32(self.members.intern(matching)))
                }
            }
        }
    }
}

/// What a rule asks of a packet's ends: whether each must, or must not, be one of the host's own addresses.
private struct HostEnds: Hashable {
    var source: Bool?
    var destination: Bool?

    /// - Parameter rule: A rule whose ends all ask the same.
    init(_ rule: borrowing Rule) {
        source = rule.ends.first?.source.isHost
        destination = rule.ends.first?.destination.isHost
    }

    var questions: UInt8 {
        UInt8((source == nil ? 0 : BH_HOST_SOURCE.rawValue) | (destination == nil ? 0 : BH_HOST_DESTINATION.rawValue))
    }

    func admits(_ state: Int) -> Bool {
        if questions == 0 { return true }
        if state == Int(BH_HOST_NO_ADDRESSES) { return false }
        func isAsked(_ end: Bool?, _ bit: bh_host_question) -> Bool {
            end == nil || end == (state & Int(bit.rawValue) != 0)
        }
        return isAsked(source, BH_HOST_SOURCE) && isAsked(destination, BH_HOST_DESTINATION)
    }
}
