// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import Policy

/// What conditional rules ask for besides the packet, as the image holds it.
struct Conditions {
    private(set) var records: [bh_condition] = []
    private var identities: Set<UInt32> = []

    /// Units of a limit's clock in a second: sixteenths of nanoseconds.
    private static let second: UInt64 = 16_000_000_000

    static func flags(of rule: Rule) -> UInt8 {
        var flags: UInt32 = 0
        if rule.expires != nil { flags |= BH_RULE_EXPIRES.rawValue }
        if rule.asksMembers { flags |= BH_RULE_MEMBERS.rawValue }
        if let limit = rule.limit {
            flags |= BH_RULE_LIMITED.rawValue
            if limit.per == .source { flags |= BH_RULE_BY_SOURCE.rawValue }
        }
        return UInt8(flags)
    }

    /// Enters that of one of a rule's terms, which share a limit; returns its number.
    mutating func add(_ rule: Rule, _ term: RuleTerms.Term) -> UInt32 {
        var record = bh_condition()
        let literals = term.membership.literals
        record.literals = (
            literals[0], literals[1], literals[2], literals[3], literals[4], literals[5], literals[6], literals[7]
        )
        record.expires = rule.expires?.nanoseconds ?? 0
        if let limit = rule.limit {
            let period = UInt64(limit.period.seconds) * Conditions.second
            record.cost = (period + UInt64(limit.rate) - 1) / UInt64(limit.rate)
            record.span = record.cost * UInt64(limit.burst)
            // The first of a limited rule's terms stands before the others.
            let known = term.term > 0 ? records.last?.identity : nil
            record.identity = known ?? identity(rule.name, limit)
        }
        records.append(record)
        return UInt32(records.count - 1)
    }

    /// What a limit's budget is known by from policy to policy: it changes with the rule's name and the limit. Each is
    /// another, even and not 0.
    private mutating func identity(_ name: String, _ limit: RuleLimit) -> UInt32 {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in "\(name) \(limit)".utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        var identity = UInt32(truncatingIfNeeded: hash ^ hash >> 32) & ~1
        while identity == 0 || !identities.insert(identity).inserted { identity &+= 2 }
        return identity
    }
}
