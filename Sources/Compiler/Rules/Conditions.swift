// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import Policy

/// The conditions of conditional rules, as the image holds them.
struct Conditions {
    private(set) var records: [bh_condition] = []
    private var identities: Set<UInt32> = []

    /// The units of a limit's clock in a second: sixteenths of a nanosecond.
    private static let second: UInt64 = 16_000_000_000

    /// By condition: the MAC addresses of both ends, as the image lists them, if the rule asks for them.
    private(set) var macs: [(from: bh_mac_list?, to: bh_mac_list?)] = []

    /// What rules put into groups.
    private(set) var additions: [bh_addition] = []
    private var additionNumbers: [RuleAddition: Int] = [:]

    /// What rules count their flows by, one each.
    private(set) var connections: [bh_connections] = []
    private var namesOfCounts: Set<UInt32> = []

    /// The time zones that rules name.
    private(set) var zones: [bh_zone] = []
    private var zoneNumbers: [TimeZoneTable: Int] = [:]
    /// By condition: its zone's number.
    private var zoneOfRecord: [Int?] = []

    private static func flags(of rule: Rule) -> UInt32 {
        var flags: UInt32 = 0
        if rule.starts != nil { flags |= BH_CONDITION_STARTS.rawValue }
        if rule.expires != nil { flags |= BH_CONDITION_EXPIRES.rawValue }
        if rule.times != nil { flags |= BH_CONDITION_TIMES.rawValue }
        if rule.asksMembers { flags |= BH_CONDITION_MEMBERS.rawValue }
        if let limit = rule.limit {
            flags |= BH_CONDITION_LIMITED.rawValue
            if limit.per == .source { flags |= BH_CONDITION_BY_SOURCE.rawValue }
            if limit.per == .destination { flags |= BH_CONDITION_BY_DESTINATION.rawValue }
            if limit.unit == .bytes { flags |= BH_CONDITION_BYTES.rawValue }
            if limit.isOver { flags |= BH_CONDITION_OVER.rawValue }
        }
        if rule.match != .any { flags |= BH_CONDITION_FIELDS.rawValue }
        if !rule.action.isVerdict { flags |= BH_CONDITION_GOES_ON.rawValue }
        return flags
    }

    /// Adds the condition of one of a rule's terms, and returns its number. The terms of a rule share one limit.
    ///
    /// - Parameter next: The rank to go on with after a rule that does not decide.
    mutating func add(_ rule: Rule, _ term: RuleTerms.Term, next: Int) -> UInt32 {
        var record = bh_condition()
        record.flags = Conditions.flags(of: rule)
        record.next = rule.action.isVerdict ? 0 : UInt32(next)
        let literals = term.membership.literals
        record.literals = (
            literals[0], literals[1], literals[2], literals[3], literals[4], literals[5], literals[6], literals[7]
        )
        record.starts = rule.starts?.nanoseconds ?? 0
        record.expires = rule.expires?.nanoseconds ?? 0
        if let limit = rule.limit {
            setPrice(limit, of: &record)
            // A limited rule's first term comes before its others.
            let known = term.term > 0 ? records.last?.identity : nil
            record.identity = known ?? Conditions.identity("\(rule.name) \(limit)", among: &identities)
        }
        setConnections(rule, term, of: &record)
        setTimes(rule.times, of: &record)
        setAddition(rule.addition, of: &record)
        setFields(rule.match, of: &record)
        macs.append((rule.match.sourceMACs?.imageList ?? nil, rule.match.destinationMACs?.imageList ?? nil))
        records.append(record)
        return UInt32(records.count - 1)
    }

    /// Sets what a limit takes for a packet or a byte, and whose budget it is. A byte at a high rate costs so little
    /// that its price is kept with more digits.
    private func setPrice(_ limit: RuleLimit, of record: inout bh_condition) {
        let isFast = limit.unit == .bytes && limit.rate / limit.period.seconds >= 1_000_000
        record.shift = isFast ? 16 : 0
        let period = UInt64(limit.period.seconds) * Conditions.second << UInt64(record.shift)
        record.cost = (period + UInt64(limit.rate) - 1) / UInt64(limit.rate)
        record.span = UInt64((UInt128(record.cost) * UInt128(limit.burst)) >> UInt128(record.shift))
        record.v4_mask = Conditions.v4Mask(limit.v4Prefix)
        (record.high_mask, record.low_mask) = Conditions.v6Mask(limit.v6Prefix)
    }

    private static func v4Mask(_ length: Int) -> UInt32 { ~UInt32(0) << UInt32(32 - length) }

    private static func v6Mask(_ length: Int) -> (high: UInt64, low: UInt64) {
        let mask = ~UInt128(0) << UInt128(128 - length)
        return (UInt64(truncatingIfNeeded: mask >> 64), UInt64(truncatingIfNeeded: mask))
    }

    /// The terms of a rule count together.
    private mutating func setConnections(
        _ rule: Rule, _ term: RuleTerms.Term, of record: inout bh_condition
    ) {
        guard let asked = rule.connections else { return }
        if term.term == 0 {
            var count = bh_connections()
            count.maximum = UInt32(asked.maximum)
            count.destination = asked.per == .destination ? 1 : 0
            count.identity = Conditions.identity("\(rule.name) connections", among: &namesOfCounts)
            if asked.per != .rule {
                count.v4_mask = Conditions.v4Mask(asked.v4Prefix)
                (count.high_mask, count.low_mask) = Conditions.v6Mask(asked.v6Prefix)
            }
            connections.append(count)
        }
        record.connections = UInt16(connections.count)
    }

    /// The different ones are few, see ``RuleAddition/most``.
    private mutating func setAddition(_ addition: RuleAddition?, of record: inout bh_condition) {
        guard let addition else { return }
        let added = bh_addition(
            seconds: UInt32(clamping: addition.seconds ?? 0), group: UInt16(addition.group),
            destination: addition.end == .destination ? 1 : 0, pad: 0)
        let number = additionNumbers[addition] ?? additions.count
        if number == additions.count {
            additionNumbers[addition] = number
            additions.append(added)
        }
        record.addition = UInt8(number + 1)
    }

    private mutating func setTimes(_ times: RuleTimes?, of record: inout bh_condition) {
        guard let times else { return zoneOfRecord.append(nil) }
        record.from = UInt16(times.from)
        record.to = UInt16(times.to)
        record.days = times.days.reduce(0) { $0 | 1 << UInt8($1) }
        let number = zoneNumbers[times.zone] ?? zones.count
        if number == zones.count {
            zoneNumbers[times.zone] = number
            zones.append(bh_zone(times.zone))
        }
        zoneOfRecord.append(number)
    }

    /// Sets where the time zones are, once they have their places.
    mutating func place(zones table: UInt32) {
        for (index, zone) in zoneOfRecord.enumerated() {
            if let zone { records[index].zone = table + UInt32(zone * MemoryLayout<bh_zone>.stride) }
        }
    }

    private func setFields(_ match: RuleMatch, of record: inout bh_condition) {
        func ask(_ field: bh_field) { record.fields |= UInt16(field.rawValue) }
        if let flags = match.tcpFlags {
            ask(BH_FIELD_TCP_FLAGS)
            (record.tcp_flags, record.tcp_mask) = (flags.set, flags.of)
        }
        if let hops = match.hopLimit {
            ask(BH_FIELD_HOP_LIMIT)
            (record.least_hops, record.most_hops) = (hops.lowerBound, hops.upperBound)
        }
        if let length = match.length {
            ask(BH_FIELD_LENGTH)
            (record.shortest, record.longest) = (length.lowerBound, length.upperBound)
        }
        if let fragment = match.fragment { ask(fragment ? BH_FIELD_FRAGMENT : BH_FIELD_WHOLE) }
        if let dscp = match.dscp {
            ask(BH_FIELD_DSCP)
            record.dscps = dscp.reduce(0) { $0 | 1 << UInt64($1) }
        }
        if let pcp = match.pcp {
            ask(BH_FIELD_PCP)
            record.pcps = pcp.reduce(0) { $0 | 1 << $1 }
        }
        if match.sourceMACs != nil { ask(BH_FIELD_FROM_MAC) }
        if match.destinationMACs != nil { ask(BH_FIELD_TO_MAC) }
    }

    /// Sets where the lists of MAC addresses are, once they have their places.
    mutating func place(macs table: UInt32) {
        var offset = table
        for index in records.indices {
            if macs[index].from != nil { records[index].from_macs = offset }
            if macs[index].from != nil { offset += UInt32(MemoryLayout<bh_mac_list>.stride) }
            if macs[index].to != nil { records[index].to_macs = offset }
            if macs[index].to != nil { offset += UInt32(MemoryLayout<bh_mac_list>.stride) }
        }
    }

    /// The identity by which the state of a limit, or of what a rule counts, is kept from policy to policy. It depends
    /// on the rule's name and, of a limit, on its figures; it is unique in the policy, even and not 0.
    private static func identity(_ text: String, among identities: inout Set<UInt32>) -> UInt32 {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in text.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        var identity = UInt32(truncatingIfNeeded: hash ^ hash >> 32) & ~1
        while identity == 0 || !identities.insert(identity).inserted { identity &+= 2 }
        return identity
    }
}

extension bh_zone {
    /// The last change fills the rest.
    fileprivate init(_ zone: TimeZoneTable) {
        self.init()
        let changes = zone.changes.prefix(Int(BH_ZONE_CHANGES))
        unsafe withUnsafeMutableBytes(of: &self) { bytes in
            for place in 0..<Int(BH_ZONE_CHANGES) {
                let change = changes[min(place, changes.count - 1)]
                unsafe bytes.storeBytes(of: change.minute, toByteOffset: place * 8, as: UInt32.self)
                unsafe bytes.storeBytes(of: change.offset, toByteOffset: place * 8 + 4, as: Int32.self)
            }
        }
    }
}
