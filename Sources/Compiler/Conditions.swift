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
        if let limit = rule.limit {
            flags |= BH_RULE_LIMITED.rawValue
            if limit.per == .source { flags |= BH_RULE_BY_SOURCE.rawValue }
        }
        return UInt8(flags)
    }

    /// Enters a rule's; returns its number.
    mutating func add(_ rule: Rule) -> UInt32 {
        var record = bh_condition()
        record.expires = rule.expires?.nanoseconds ?? 0
        if let limit = rule.limit {
            let period = UInt64(limit.period.seconds) * Conditions.second
            record.cost = (period + UInt64(limit.rate) - 1) / UInt64(limit.rate)
            record.span = record.cost * UInt64(limit.burst)
            record.identity = identity(rule.name, limit)
        }
        records.append(record)
        return UInt32(records.count - 1)
    }

    /// What a limit's budget is known by from policy to policy: it changes with the rule's name and the limit. Each is another, even and not 0.
    private mutating func identity(_ name: String, _ limit: RuleLimit) -> UInt32 {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in "\(name) \(limit)".utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        var identity = UInt32(truncatingIfNeeded: hash ^ hash >> 32) & ~1
        while identity == 0 || !identities.insert(identity).inserted { identity &+= 2 }
        return identity
    }
}
