// SPDX-License-Identifier: Apache-2.0

/// How often a rule may match: a rate, and how many packets may come at once after a pause.
public struct RuleLimit: Sendable, Hashable {
    public enum Period: String, Sendable, Hashable, CaseIterable {
        case second = "s"
        case minute = "m"

        public var seconds: Int { self == .second ? 1 : 60 }
    }

    /// What has a token bucket of its own.
    public enum Subject: String, Sendable, Hashable, CaseIterable {
        case rule
        /// A source address; in IPv6 its first 64 bits.
        case source
    }

    /// Packets per period.
    public var rate: Int
    public var period: Period
    public var burst: Int
    public var per: Subject

    /// - Parameter burst: Packets; nil: as many as in a second, at least one.
    public init(rate: Int, period: Period, burst: Int? = nil, per: Subject = .rule) {
        self.rate = rate
        self.period = period
        self.burst = burst ?? max(rate / period.seconds, 1)
        self.per = per
    }

    /// The time in which an empty bucket fills up, in seconds, rounded up.
    var refillSeconds: Int { (burst * period.seconds + rate - 1) / rate }
}

extension RuleLimit: CustomStringConvertible {
    public var description: String { "limit \(rate)/\(period.rawValue) burst \(burst) per \(per.rawValue)" }
}

/// Reads the key `limit`.
enum LimitSyntax {
    private static let most = 1_000_000_000
    private static let longestRefill = 365 * 86400

    static func parse(_ node: Node, _ problems: Problems) -> RuleLimit? {
        if case .scalar(let text, _) = node.content, text.contains("/") {
            problems.error(node.location, "\"limit\" must be a mapping; write { rate: \(text) }")
            return nil
        }
        guard let fields = Fields(node, "\"limit\"", keys: ["rate", "burst", "per"], problems) else { return nil }
        let burst = fields["burst"].map { problems.number($0, "a number of packets", in: 1...most) }
        let per = fields["per"].map { problems.word($0, RuleLimit.Subject.self) }
        guard let rate = rate(fields, problems), burst != .some(nil), per != .some(nil) else { return nil }
        let limit = RuleLimit(
            rate: rate.count, period: rate.period, burst: burst ?? nil, per: (per ?? nil) ?? .rule)
        guard limit.refillSeconds <= longestRefill else {
            problems.error(
                fields["burst"]?.location ?? fields.location,
                "a burst of \(limit.burst) takes \(limit.refillSeconds / 86400) days to refill at this rate; "
                    + "at most \(longestRefill / 86400) days are allowed, so lower the burst or raise the rate")
            return nil
        }
        return limit
    }

    private static func rate(_ fields: Fields, _ problems: Problems) -> (count: Int, period: RuleLimit.Period)? {
        guard let node = fields["rate"] else {
            problems.error(fields.location, "the limit has no \"rate\"")
            return nil
        }
        guard let text = problems.text(node, "a rate") else { return nil }
        let period = RuleLimit.Period.allCases.first { text.hasSuffix("/" + $0.rawValue) }
        guard let period, let count = Problems.decimal(text.dropLast(2)), count <= most else {
            problems.error(node.location, "\"\(text)\" is not a rate such as 1000/s or 60/m")
            return nil
        }
        if count == 0 {
            problems.error(
                node.location,
                "a rule with a rate of zero would never match; remove the rule, or give a rate such as 1000/s")
            return nil
        }
        return (count, period)
    }
}
