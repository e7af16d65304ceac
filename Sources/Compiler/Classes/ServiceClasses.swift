// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import Network
import Policy

/// Divides what packets carry (protocol, ports, type and code, EtherType) into classes that no rule's services tell
/// apart.
struct ServiceClasses {
    /// The classes of one protocol: `class` for every packet, or by first and second key.
    struct ProtocolTable {
        var `class`: UInt32 = 0
        /// Two-level tables, only for keys that have something to tell apart; see `bh_protocol`.
        var first: Intervals<UInt32>?
        var second: Intervals<UInt32>?
        /// The class, by first key's class * `stride` + second key's class.
        var classes: [UInt32] = []
        var stride = 1
    }

    /// By protocol index.
    private(set) var protocols: [ProtocolTable] = []
    /// By class: the service lists that it is in. Class 0 is in none.
    private(set) var members = SequenceTable<UInt32>.withEmpty

    /// - Parameter lists: The distinct `services` of the policy's rules.
    init(_ lists: [[Service]?], _ budget: Budget) throws(CompileError) {
        var alternatives = [ProtocolAlternatives](
            repeating: ProtocolAlternatives(), count: Int(BH_PROTOCOL_INDEX_MAX.rawValue))
        for (list, services) in lists.enumerated() {
            guard let services else {
                for index in alternatives.indices where index != Int(BH_PROTOCOL_ETHERTYPE.rawValue) {
                    alternatives[index].always.append(UInt32(list))
                }
                continue
            }
            for service in services { ServiceClasses.add(service, of: UInt32(list), to: &alternatives) }
        }
        for alternative in alternatives { protocols.append(try table(alternative, budget)) }
    }

    /// What the service lists say about one protocol.
    private struct ProtocolAlternatives {
        struct Alternative {
            var list: UInt32
            var first: [ClosedRange<UInt16>]
            var second: [ClosedRange<UInt16>]
        }

        /// Lists that every packet of the protocol is in.
        var always: [UInt32] = []
        var keyed: [Alternative] = []
    }

    private static let anyKey: [ClosedRange<UInt16>] = [0...UInt16.max]

    private static func add(_ service: Service, of list: UInt32, to alternatives: inout [ProtocolAlternatives]) {
        switch service {
        case .ports(let number, let destination, let source):
            guard number == 6 || number == 17 || number == 132 else { return }
            alternatives[Int(number)].keyed.append(.init(list: list, first: destination, second: source))
        case .icmp(let family, let type, let code):
            let types = type.map { $0...$0 } ?? 0...255
            let ranges = types.map { type in
                UInt16(type) << 8 | UInt16(code ?? 0)...UInt16(type) << 8 | UInt16(code ?? 255)
            }
            let number = family == .v4 ? 1 : 58
            alternatives[number].keyed.append(.init(list: list, first: ranges, second: anyKey))
        case .protocol(let number):
            alternatives[Int(number)].always.append(list)
            if number == 1 { alternatives[Int(BH_PROTOCOL_ICMP_IN_IPV6.rawValue)].always.append(list) }
            if number == 58 { alternatives[Int(BH_PROTOCOL_ICMPV6_IN_IPV4.rawValue)].always.append(list) }
        case .ethertype(let type):
            let key = type ?? 0
            alternatives[Int(BH_PROTOCOL_ETHERTYPE.rawValue)].keyed.append(
                .init(list: list, first: [key...key], second: anyKey))
        }
    }

    private mutating func table(_ alternatives: ProtocolAlternatives, _ budget: Budget) throws(CompileError)
        -> ProtocolTable
    {
        var table = ProtocolTable()
        table.class = UInt32(members.intern(ServiceClasses.set(alternatives.always)))
        guard !alternatives.keyed.isEmpty else { return table }
        var firstEdges: [Intervals<UInt32>.Edge] = []
        var secondEdges: [Intervals<UInt32>.Edge] = []
        var isAnySecond: [Bool] = []
        for (owner, alternative) in alternatives.keyed.enumerated() {
            firstEdges.add(alternative.first, owner: UInt32(owner))
            isAnySecond.append(alternative.second == ServiceClasses.anyKey)
            if !isAnySecond[owner] { secondEdges.add(alternative.second, owner: UInt32(owner)) }
        }
        var firstMembers = SequenceTable<UInt32>()
        table.first = Intervals(sweeping: firstEdges, into: &firstMembers)
        var secondMembers = SequenceTable<UInt32>.withEmpty
        if !secondEdges.isEmpty { table.second = Intervals(sweeping: secondEdges, into: &secondMembers) }
        table.stride = secondMembers.count
        try budget.check(
            "classes of one protocol's ports or types", max(firstMembers.count, secondMembers.count),
            atMost: \.keyClasses, by: .services)
        try budget.check(
            "service classes of one protocol", firstMembers.count * secondMembers.count, atMost: \.tableEntries,
            by: .services)
        table.classes.reserveCapacity(firstMembers.count * table.stride)
        for first in 0..<firstMembers.count {
            appendRow(
                of: firstMembers[first], seconds: secondMembers, isAnySecond: isAnySecond, alternatives: alternatives,
                to: &table.classes)
        }
        return table
    }

    /// Appends the classes of one class of first keys, by class of second keys.
    private mutating func appendRow(
        of owners: ArraySlice<UInt32>, seconds: SequenceTable<UInt32>, isAnySecond: [Bool],
        alternatives: ProtocolAlternatives, to classes: inout [UInt32]
    ) {
        var lists = alternatives.always
        var isPending = [Bool](repeating: false, count: isAnySecond.count)
        for owner in owners {
            if isAnySecond[Int(owner)] {
                lists.append(alternatives.keyed[Int(owner)].list)
            } else {
                isPending[Int(owner)] = true
            }
        }
        let plain = ServiceClasses.set(lists)
        let plainClass = UInt32(members.intern(plain))
        for second in 0..<seconds.count {
            let more = seconds[second].filter { isPending[Int($0)] }
            if more.isEmpty {
                classes.append(plainClass)
            } else {
                let lists = plain + more.map { alternatives.keyed[Int($0)].list }
                classes.append(UInt32(members.intern(ServiceClasses.set(lists))))
            }
        }
    }

    /// Sorted, without repetitions.
    private static func set(_ lists: [UInt32]) -> [UInt32] {
        var result: [UInt32] = []
        for list in lists.sorted() where result.last != list { result.append(list) }
        return result
    }
}
