// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import Network
import Policy

/// The identities of a policy's ports, as the image's tries and lists hold them.
struct Identities {
    /// The identity of one port record.
    struct Row: Sendable {
        /// Bits of `enum bh_guard`.
        var guards: UInt32 = 0
        /// Whether `v4` and `v6` are the port's own addresses. True also if it has none.
        var hasAddresses = false
        var macs: [MACAddress] = []
        /// Indices in ``sets``; nil if no address of the family is bound.
        var v4: Int?
        var v6: Int?
    }

    /// By port record.
    private(set) var rows: [Row] = []
    /// The distinct address sets, each of one family, over left-aligned addresses. Class 1 is what is bound.
    private(set) var sets: [Intervals<UInt128>] = []
    private var numbers: [Key: Int] = [:]

    private struct Key: Hashable {
        var family: AddressFamily
        var ranges: [ClosedRange<UInt128>]
    }

    init(_ ruleset: Ruleset) {
        let guests = ruleset.guestAddresses
        for record in PortRecords(ruleset).all {
            let entry = ruleset.entries[record.entry]
            let guards = entry.guards(record.protects)
            var row = Row()
            defer { rows.append(row) }
            row.guards = guards.bits
            if record.protects == .host, !guards.isEmpty {
                bind(guests, to: &row)
                continue
            }
            if !guards.isEmpty { row.macs = entry.claimedMACs }
            // The essentials need the addresses too, even without guards.
            row.hasAddresses = entry.claimsAddresses
            if row.hasAddresses { bind(entry.claimedAddresses, to: &row) }
        }
    }

    private mutating func bind(_ set: AddressSet, to row: inout Row) {
        row.v4 = number(set, .v4)
        row.v6 = number(set, .v6)
    }

    private mutating func number(_ set: AddressSet, _ family: AddressFamily) -> Int? {
        let key = Key(family: family, ranges: set.ranges(family))
        if key.ranges.isEmpty { return nil }
        if let known = numbers[key] { return known }
        let shift = UInt128(128 - family.bits)
        var edges: [Intervals<UInt128>.Edge] = []
        for range in key.ranges {
            edges.append(.init(position: range.lowerBound << shift, owner: 0, enters: true))
            // Zero if the range ends at the last address.
            let end = (range.upperBound &+ 1) << shift
            if end != 0 { edges.append(.init(position: end, owner: 0, enters: false)) }
        }
        var classes = SequenceTable<UInt32>.withEmpty
        numbers[key] = sets.count
        sets.append(Intervals(sweeping: edges, into: &classes))
        return sets.count - 1
    }
}

extension Identities.Row {
    /// The port's MAC addresses as the image lists them; nil if there are none.
    var macList: bh_mac_list? { macs.imageList }
}

extension [MACAddress] {
    /// At most `BH_MACS_MAX` addresses as the image lists them; nil if there are none.
    var imageList: bh_mac_list? {
        guard let first else { return nil }
        var numbers: [UInt64] = map { $0.value }
        numbers += [UInt64](repeating: first.value, count: Int(BH_MACS_MAX) - numbers.count)
        var list = bh_mac_list()
        list.macs = (
            numbers[0], numbers[1], numbers[2], numbers[3], numbers[4], numbers[5], numbers[6], numbers[7],
            numbers[8], numbers[9], numbers[10], numbers[11], numbers[12], numbers[13], numbers[14], numbers[15]
        )
        return list
    }
}

extension Set<Guard> {
    private static let numbers: [(guard: Guard, bit: UInt32)] = [
        (.mac, BH_GUARD_MAC.rawValue), (.ip, BH_GUARD_IP.rawValue), (.arp, BH_GUARD_ARP.rawValue),
        (.nd, BH_GUARD_ND.rawValue), (.dhcpServer, BH_GUARD_DHCP_SERVER.rawValue), (.ra, BH_GUARD_RA.rawValue),
        (.promiscuous, BH_GUARD_PROMISCUOUS.rawValue), (.destination, BH_GUARD_DESTINATION.rawValue),
    ]

    /// Bits of `enum bh_guard`.
    var bits: UInt32 { Self.numbers.reduce(0) { contains($1.guard) ? $0 | $1.bit : $0 } }

    /// Reads bits of `enum bh_guard`.
    package init(bits: UInt32) { self = Set(Self.numbers.filter { bits & $0.bit != 0 }.map(\.guard)) }
}
