// SPDX-License-Identifier: Apache-2.0

/// Reads the key `limit`.
enum LimitSyntax {
    static let keys = ["rate", "burst", "per", "prefix", "over"]
    static let prefixKeys = ["v4", "v6"]
    private static let most = 1_000_000_000
    private static let mostBytes = 1_000_000_000_000
    private static let longestRefill = 365 * 86400
    private static let units: [(name: String, bytes: Int)] = [
        ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1000),
        ("KB", 1000), ("B", 1),
    ]

    static func parse(_ node: Node, _ problems: Problems) -> RuleLimit? {
        if case .scalar(let text, _) = node.content, text.contains("/") {
            problems.error(node.location, "\"limit\" must be a mapping; write { rate: \(text) }")
            return nil
        }
        guard let fields = Fields(node, "\"limit\"", keys: keys, problems) else { return nil }
        let rate = readRate(fields, problems)
        let unit = rate?.unit ?? .packets
        let burst = fields["burst"].map { readBurst($0, unit, problems) }
        let per = fields["per"].map { problems.word($0, RuleLimit.Subject.self) }
        guard let rate, burst != .some(nil), per != .some(nil) else { return nil }
        var limit = RuleLimit(
            rate: rate.count, period: rate.period, burst: burst ?? nil, per: (per ?? nil) ?? .rule, unit: unit)
        limit.isOver = fields["over"].flatMap(problems.isTrue) ?? false
        let prefix = prefix(fields, per: limit.per, problems)
        if let v4 = prefix.v4 { limit.v4Prefix = v4 }
        if let v6 = prefix.v6 { limit.v6Prefix = v6 }
        guard limit.refillSeconds <= longestRefill else {
            problems.error(
                fields["burst"]?.location ?? fields.location,
                "a burst of \(limit.burst) takes \(limit.refillSeconds / 86400) days to refill at this rate; "
                    + "at most \(longestRefill / 86400) days are allowed, so lower the burst or raise the rate")
            return nil
        }
        return limit
    }

    /// `prefix: { v4: 24, v6: 56 }`: the lengths that it gives.
    static func prefix(
        _ fields: Fields, per: RuleLimit.Subject, _ problems: Problems
    ) -> (v4: Int?, v6: Int?) {
        guard let node = fields["prefix"],
            let lengths = Fields(node, "\"prefix\"", keys: prefixKeys, problems)
        else { return (nil, nil) }
        if per == .rule {
            problems.error(node.location, "\"prefix\" needs \"per: source\" or \"per: destination\"")
        }
        return (
            lengths["v4"].flatMap { problems.number($0, "a prefix length", in: 1...32) },
            lengths["v6"].flatMap { problems.number($0, "a prefix length", in: 1...128) }
        )
    }

    private static func readBurst(_ node: Node, _ unit: RuleLimit.Unit, _ problems: Problems) -> Int? {
        guard unit == .bytes else { return problems.number(node, "a number of packets", in: 1...most) }
        if case .scalar(let text, _) = node.content, let bytes = Problems.decimal(text) ?? LimitSyntax.bytes(text[...]),
            (1...mostBytes).contains(bytes)
        {
            return bytes
        }
        problems.expected("a number of bytes such as 256kB", at: node)
        return nil
    }

    /// A number with a unit of bytes; nil if the text is none.
    private static func bytes(_ text: Substring) -> Int? {
        guard let unit = units.first(where: { text.hasSuffix($0.name) }),
            let number = Problems.decimal(text.dropLast(unit.name.count))
        else { return nil }
        let (bytes, isTooLarge) = number.multipliedReportingOverflow(by: unit.bytes)
        return isTooLarge ? nil : bytes
    }

    private static func readRate(
        _ fields: Fields, _ problems: Problems
    ) -> (count: Int, period: RuleLimit.Period, unit: RuleLimit.Unit)? {
        guard let node = fields["rate"] else {
            problems.error(fields.location, "the limit has no \"rate\"")
            return nil
        }
        guard let text = problems.text(node, "a rate") else { return nil }
        guard let period = RuleLimit.Period.allCases.first(where: { text.hasSuffix("/" + $0.rawValue) }),
            let (count, unit) = amount(text.dropLast(2))
        else {
            problems.error(node.location, "\"\(text)\" is not a rate such as 1000/s, 60/m, 10/h or 10MB/s")
            return nil
        }
        // Below that, the price of a large packet is no longer a number of 64 bits.
        if unit == .bytes, count > 0, count * 360 < period.seconds {
            problems.error(node.location, "a rate of bytes must be at least 10B/h")
            return nil
        }
        if count == 0 {
            problems.error(
                node.location,
                "a rule with a rate of zero would never match; remove the rule, or give a rate such as 1000/s")
            return nil
        }
        return (count, period, unit)
    }

    private static func amount(_ text: Substring) -> (Int, RuleLimit.Unit)? {
        if let count = Problems.decimal(text) { return count <= most ? (count, .packets) : nil }
        return bytes(text).flatMap { $0 <= mostBytes ? ($0, .bytes) : nil }
    }
}
