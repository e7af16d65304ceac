// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import Policy
import Wire

/// Where a packet may be. Port entry and direction give the *scope*. Scope, VLAN, which of the packet's ends are the
/// host's own, and where it came from give the *context*. Contexts differ only if some rule tells them apart.
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
    /// Where packets came from, in classes that the rules tell apart; 1 if no rule asks.
    private(set) var viaCount = 1
    /// The class, by `bh_via` and then by port record.
    private(set) var viaClasses: [UInt16] = []
    /// The context, by ((scope * `vlanCount` + VLAN class) * `hostStates` + state of the ends) * `viaCount` + class of
    /// where it came from.
    private(set) var contexts: [UInt32] = []
    /// By context: the places that it is in, see ``placeOfRule``.
    private(set) var members = SequenceTable<UInt32>()
    /// By rule: the number of its *place*, the distinct combination of entries, directions, VLANs and questions about
    /// the host.
    private(set) var placeOfRule: [UInt32] = []
    private(set) var placeCount = 0
    /// The number of the origin of rules that do not ask for one.
    private var anywhere = UInt32.max

    private struct Reach: Hashable {
        var entries: Set<Int>?
        var directions: Directions
    }

    fileprivate struct Place: Hashable {
        var reach: UInt32
        var vlans: UInt32
        var host: HostEnds
        var via: UInt32
    }

    /// What a rule asks of where a packet came from. It matters whether it denies, see `bh_via`.
    fileprivate struct Origin: Hashable {
        var via: Rule.Via
        var isDenial: Bool
    }

    init(_ ruleset: Ruleset, _ budget: Budget) throws(CompileError) {
        var reaches: [Reach] = []
        var reachNumbers: [Reach: UInt32] = [:]
        var vlanSets: [Set<UInt16>?] = []
        var vlanNumbers: [Set<UInt16>?: UInt32] = [:]
        var places: [Place] = []
        var placeNumbers: [Place: UInt32] = [:]
        var origins: [Origin?] = []
        var originNumbers: [Origin?: UInt32] = [:]
        placeOfRule.reserveCapacity(ruleset.rules.count)
        for rank in ruleset.rules.indices {
            let reach = Reach(entries: ruleset.rules[rank].entries, directions: ruleset.rules[rank].directions)
            let place = Place(
                reach: Contexts.number(reach, in: &reachNumbers, of: &reaches),
                vlans: Contexts.number(ruleset.rules[rank].vlans, in: &vlanNumbers, of: &vlanSets),
                host: HostEnds(ruleset.rules[rank]),
                via: Contexts.number(Origin(ruleset.rules[rank]), in: &originNumbers, of: &origins))
            placeOfRule.append(Contexts.number(place, in: &placeNumbers, of: &places))
        }
        placeCount = places.count
        if places.contains(where: { $0.host.questions != 0 }) { hostStates = Int(BH_HOST_STATES) }
        anywhere = originNumbers[nil] ?? .max
        let viaMembers = try makeViaClasses(origins, PortRecords(ruleset), budget)
        let scopeMembers = makeScopes(reaches, entries: ruleset.entries.count)
        let vlanMembers = makeVLANClasses(vlanSets)
        try budget.check(
            "classes of ports, directions and VLAN tags", scopeCount * vlanCount * hostStates * viaCount,
            atMost: \.tableEntries, by: .places)
        makeContexts(places, reachCount: reaches.count, vlanSets: vlanSets, scopeMembers, vlanMembers, viaMembers)
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

    /// The origins that each class is one of. Nothing comes from nowhere, the first class.
    private mutating func makeViaClasses(
        _ origins: [Origin?], _ records: PortRecords, _ budget: Budget
    ) throws(CompileError) -> SequenceTable<UInt32> {
        var members = SequenceTable<UInt32>()
        func numbers(_ isOne: (Origin) -> Bool) -> [UInt32] {
            origins.indices.filter { origins[$0].map(isOne) ?? false }.map { UInt32($0) }
        }
        if origins.contains(where: { $0 != nil }) {
            viaClasses = [
                members.intern(numbers { _ in false }), members.intern(numbers { $0.via.host }),
                members.intern(numbers(\.isDenial)), members.intern(numbers { !$0.isDenial }),
            ].map { UInt16($0) }
            for record in records.all {
                let number = members.intern(numbers { $0.via.entries.contains(record.entry) })
                try budget.check("classes of what packets come via", number, atMost: \.tableEntries, by: .places)
                viaClasses.append(UInt16(number))
            }
        } else {
            _ = members.intern([])
        }
        viaCount = members.count
        return members
    }

    private mutating func makeContexts(
        _ places: [Place], reachCount: Int, vlanSets: [Set<UInt16>?], _ scopeMembers: SequenceTable<UInt32>,
        _ vlanMembers: SequenceTable<UInt32>, _ viaMembers: SequenceTable<UInt32>
    ) {
        let anywhere = self.anywhere
        let origins = (0..<viaCount).map { Set(viaMembers[$0]) }
        var placesOfReach = [[UInt32]](repeating: [], count: reachCount)
        for (number, place) in places.enumerated() { placesOfReach[Int(place.reach)].append(UInt32(number)) }
        for scope in 0..<scopeCount {
            let here = scopeMembers[scope].flatMap { placesOfReach[Int($0)] }.sorted()
            hostQuestions.append(here.reduce(0) { $0 | places[Int($1)].questions(anywhere: anywhere) })
            for vlan in 0..<vlanCount {
                let sets = Set(vlanMembers[vlan])
                let members = here.filter { number in
                    let vlans = places[Int(number)].vlans
                    return vlanSets[Int(vlans)] == nil || sets.contains(vlans)
                }
                for state in 0..<hostStates {
                    let matching = members.filter { places[Int($0)].host.admits(state) }
                    for via in origins {
                        let coming = matching.filter {
                            places[Int($0)].via == anywhere || via.contains(places[Int($0)].via)
                        }
                        contexts.append(UInt32(self.members.intern(coming)))
                    }
                }
            }
        }
    }
}

extension Contexts.Place {
    /// - Parameter anywhere: The number of the origin of rules that do not ask for one.
    fileprivate func questions(anywhere: UInt32) -> UInt8 {
        host.questions | (via == anywhere ? 0 : UInt8(BH_HOST_VIA.rawValue))
    }
}

extension Contexts.Origin {
    /// nil if the rule does not ask.
    fileprivate init?(_ rule: borrowing Rule) {
        guard let via = rule.via else { return nil }
        self.init(via: via, isDenial: rule.action == .drop || rule.action == .reject)
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
