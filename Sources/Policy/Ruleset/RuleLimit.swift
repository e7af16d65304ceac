// SPDX-License-Identifier: Apache-2.0

/// How often a rule may match: a rate, and how much may come at once after a pause.
public struct RuleLimit: Sendable, Hashable {
    public enum Period: String, Sendable, Hashable, CaseIterable {
        case second = "s"
        case minute = "m"
        case hour = "h"

        public var seconds: Int {
            switch self {
            case .second: 1
            case .minute: 60
            case .hour: 3600
            }
        }
    }

    /// What has a token bucket of its own.
    public enum Subject: String, Sendable, Hashable, CaseIterable {
        case rule
        /// A source address, or the prefix that it is in.
        case source
        /// A destination address, or the prefix that it is in.
        case destination
    }

    public enum Unit: String, Sendable, Hashable, CaseIterable {
        case packets
        /// Bytes of frames on the wire.
        case bytes
    }

    /// Units per period.
    public var rate: Int
    public var period: Period
    public var burst: Int
    public var per: Subject
    public var unit = Unit.packets
    /// Whether the rule matches what exceeds the limit, instead of what is within it.
    public var isOver = false
    /// The bits of an address that tell one subject from another.
    public var v4Prefix = RuleLimit.standardV4Prefix
    public var v6Prefix = RuleLimit.standardV6Prefix

    public static let standardV4Prefix = 32
    public static let standardV6Prefix = 64

    /// - Parameter burst: Units; nil: as many as in a second, at least one; of bytes at least 128 KiB.
    public init(rate: Int, period: Period, burst: Int? = nil, per: Subject = .rule, unit: Unit = .packets) {
        self.rate = rate
        self.period = period
        let second = rate / period.seconds
        self.burst = burst ?? max(second, unit == .packets ? 1 : 131_072)
        self.per = per
        self.unit = unit
    }

    /// The time in which an empty bucket fills up, in seconds, rounded up.
    var refillSeconds: Int { (burst * period.seconds + rate - 1) / rate }
}

extension RuleLimit: CustomStringConvertible {
    public var description: String {
        let unit = unit == .bytes ? "B" : ""
        let isStandard = v4Prefix == RuleLimit.standardV4Prefix && v6Prefix == RuleLimit.standardV6Prefix
        return (isOver ? "over " : "")
            + "limit \(rate)\(unit)/\(period.rawValue) burst \(burst)\(unit) per \(per.rawValue)"
            + (isStandard ? "" : " /\(v4Prefix) /\(v6Prefix)")
    }
}
