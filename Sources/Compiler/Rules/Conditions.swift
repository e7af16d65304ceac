// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import Policy

/// The conditions of conditional rules, as the image holds them.
struct Conditions {
    private(set) var records: [bh_condition] = []
    private var identities: Set<UInt32> = []

    /// The units of a limit's clock in a second: sixteenths of a nanosecond.
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

    /// Adds the condition of one of a rule's terms, and returns its number. The terms of a rule share one limit.
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
            // A limited rule's first term comes before its others.
            let known = term.term > 0 ? records.last?.identity : nil
            record.identity = known ?? identity(rule.name, limit)
        }
        records.append(record)
        return UInt32(records.count - 1)
    }

    /// The identity by which a limit's bucket is kept from policy to policy. It depends on the rule's name and the
    /// limit, is unique in the policy, even and not 0.
    private mutating func identity(_ name: String, _ limit: RuleLimit) -> UInt32 {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in "\(name) \(limit)".utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        var identity = UInt32(truncatingIfNeeded: hash ^ hash >> 32) & ~1
        while identity == 0 || !identities.insert(identity).inserted { identity &+= 2 }
        return identity
    }
}
