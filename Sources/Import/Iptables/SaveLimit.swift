// SPDX-License-Identifier: Apache-2.0
import Network
import Policy

/// The options of the modules `limit` and `hashlimit`.
struct SaveLimit {
    private var rate: String?
    private var burst: String?
    private var isOver = false
    private var per = RuleLimit.Subject.rule
    private var mask: Int?
    private var name: String?
    private(set) var isAsked = false
    /// An option that no limit of a policy has.
    private var strange: String?
    private(set) var words = "limit"

    static let options: Set<String> = [
        "--limit", "--limit-burst", "--hashlimit", "--hashlimit-upto", "--hashlimit-above", "--hashlimit-burst",
        "--hashlimit-mode", "--hashlimit-srcmask", "--hashlimit-dstmask", "--hashlimit-name",
        "--hashlimit-htable-size", "--hashlimit-htable-max", "--hashlimit-htable-expire",
        "--hashlimit-htable-gcinterval",
    ]

    /// Options that iptables asks for first, wherever they stand.
    private static let first: Set<String> = [
        "-s", "--source", "--src", "-d", "--destination", "--dst", "-i", "--in-interface", "-o", "--out-interface",
        "-p",
        "--protocol", "--proto", "-f", "--fragment",
    ]

    /// A limit takes what comes to it: where other conditions are asked after it, it takes more than the rule does.
    mutating func note(before option: String) {
        guard isAsked, !SaveLimit.options.contains(option), !SaveLimit.first.contains(option) else { return }
        strange = "\(words) before \(option)"
        words = "\(words) before \(option)"
    }

    mutating func take(_ option: String, _ value: String, isNegated: Bool) {
        switch option {
        case "--limit", "--hashlimit-upto", "--hashlimit", "--hashlimit-above":
            isAsked = true
            isOver = option == "--hashlimit-above"
            rate = value
            words = "\(option) \(value)"
        case "--limit-burst", "--hashlimit-burst": burst = value
        case "--hashlimit-mode":
            switch value {
            case "srcip": per = .source
            case "dstip": per = .destination
            default: strange = "\(option) \(value)"
            }
        case "--hashlimit-name": name = value
        case "--hashlimit-srcmask", "--hashlimit-dstmask": mask = Int(value)
        default: break
        }
        if isNegated { strange = "! \(option) \(value)" }
        if let strange { words = strange }
    }

    /// nil if a policy cannot say it.
    ///
    /// - Parameter shared: names that several rules have, and with them their limit.
    func limit(_ family: AddressFamily, shared: Set<String>) -> RuleLimit? {
        guard strange == nil, !(name.map(shared.contains) ?? false), let rate, let slash = rate.firstIndex(of: "/")
        else { return nil }
        let period = RateWords.period(rate[rate.index(after: slash)...])
        var limit: RuleLimit?
        if let count = Int(rate[..<slash]) {
            limit = RateWords.limit(count, per: period, burst: burst.map { Int($0) ?? 0 } ?? 5)
        } else if let bytes = SaveLimit.bytes(rate[..<slash]), period == 1 {
            // The burst of bytes is what comes in a second, if nothing else is written.
            let burst = burst.map { SaveLimit.bytes($0[...]) ?? 0 } ?? bytes
            limit = RateWords.limit(bytes, per: 1, burst: burst, unit: .bytes)
        }
        limit?.isOver = isOver
        limit?.per = per
        guard per != .rule, limit != nil else { return limit }
        let length = mask ?? family.bits
        guard (1...family.bits).contains(length) else { return nil }
        if family == .v4 { limit?.v4Prefix = length } else { limit?.v6Prefix = length }
        return limit
    }

    /// A number with a unit, as hashlimit writes bytes.
    private static func bytes(_ text: Substring) -> Int? {
        for (unit, size) in [("kb", 1 << 10), ("mb", 1 << 20), ("b", 1)] where text.hasSuffix(unit) {
            return Int(text.dropLast(unit.count)).flatMap { (1...1 << 30).contains($0) ? $0 * size : nil }
        }
        return nil
    }
}
