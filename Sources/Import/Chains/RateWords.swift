// SPDX-License-Identifier: Apache-2.0
import Policy

/// Rates as other firewalls write them.
enum RateWords {
    private static let longestRefill = 365 * 86400

    /// The seconds of a unit of time, such as `second`, `min` or `d`; nil if it is none.
    static func period(_ text: some StringProtocol) -> Int? {
        switch text.first {
        case "s": 1
        case "m": 60
        case "h": 3600
        case "d": 86400
        case "w": 604_800
        default: nil
        }
    }

    /// nil where a policy cannot say it: it knows seconds, minutes and hours.
    static func limit(_ count: Int, per seconds: Int?, burst: Int, unit: RuleLimit.Unit = .packets) -> RuleLimit? {
        guard var seconds, (1...1 << 40).contains(count), (1...1 << 40).contains(burst) else { return nil }
        var count = count
        if seconds > 3600 {
            let hours = seconds / 3600
            guard count % hours == 0 else { return nil }
            count /= hours
            seconds = 3600
        }
        guard let period = RuleLimit.Period.allCases.first(where: { $0.seconds == seconds }) else { return nil }
        guard unit == .bytes || count <= 1_000_000_000 && burst <= 1_000_000_000 else { return nil }
        guard burst / count <= longestRefill / seconds else { return nil }
        return RuleLimit(rate: count, period: period, burst: burst, unit: unit)
    }
}
