// SPDX-License-Identifier: Apache-2.0
import Network
import Policy

/// The conditions of a rule on a packet's own fields.
extension SaveRule {
    static let fieldModules: Set<String> = ["length", "ttl", "hl", "dscp", "mac"]

    /// Whether the option was such a condition.
    mutating func takeField(_ option: String, isNegated: Bool) throws(ImportError) -> Bool {
        switch option {
        case "-f", "--fragment": addFragment(isNegated)
        case "--length", "--ttl-eq", "--ttl-lt", "--ttl-gt", "--ttl", "--hl-eq", "--hl-lt", "--hl-gt", "--dscp",
            "--dscp-class", "--mac-source":
            let value = try needed(option)
            guard let fields = fields(option, value, isNegated) else {
                match = match.unsaid((isNegated ? "! " : "") + option + " " + value)
                return true
            }
            match = match.and(Match([whole], fields: fields))
        default: return false
        }
        return true
    }

    /// Rules of a policy see the first fragment, and the rest follow it.
    private mutating func addFragment(_ isNegated: Bool) {
        if !isNegated {
            var fields = RuleMatch()
            fields.fragment = true
            match = match.and(Match([whole], fields: fields))
        }
        match = match.unsaid(isNegated ? "! -f" : "-f")
    }

    private func fields(_ option: String, _ value: String, _ isNegated: Bool) -> RuleMatch? {
        // What the rule set changes itself is not what comes in.
        if option != "--length", option != "--mac-source", context.table == "mangle" || context.changesFields {
            return nil
        }
        var fields = RuleMatch()
        switch option {
        case "--length":
            fields.length = SaveRule.range(value, most: 65535, isNegated).map {
                UInt32($0.lowerBound)...UInt32($0.upperBound)
            }
        case "--dscp", "--dscp-class":
            guard let code = SaveRule.codePoint(value) else { return nil }
            fields.dscp = isNegated ? Set(0...63).subtracting([code]) : [code]
        case "--mac-source": fields.sourceMACs = isNegated ? nil : MACAddress(value).map { [$0] }
        default:
            let most = 255
            let written =
                option.hasSuffix("-lt")
                ? Int(value).map { "0:\($0 - 1)" }
                : option.hasSuffix("-gt") ? Int(value).map { "\($0 + 1):\(most)" } : value
            fields.hopLimit = written.flatMap { SaveRule.range($0, most: most, isNegated) }.map {
                UInt8($0.lowerBound)...UInt8($0.upperBound)
            }
        }
        return fields.isAny ? nil : fields
    }

    /// `A`, `A:B`, `:B` or `A:`; nil if it, or its opposite, is not one range.
    private static func range(_ text: String, most: Int, _ isNegated: Bool) -> ClosedRange<Int>? {
        let ends = text.split(separator: ":", omittingEmptySubsequences: false)
        guard ends.count <= 2, let low = ends[0].isEmpty ? 0 : Int(ends[0]),
            let high = ends.count == 1 ? low : ends[1].isEmpty ? most : Int(ends[1]),
            low >= 0, low <= high, high <= most
        else { return nil }
        if !isNegated { return low...high }
        if low == 0, high < most { return (high + 1)...most }
        return high == most && low > 0 ? 0...(low - 1) : nil
    }

    private static func codePoint(_ text: String) -> UInt8? {
        if let number = text.hasPrefix("0x") ? UInt8(text.dropFirst(2), radix: 16) : UInt8(text) {
            return number < 64 ? number : nil
        }
        return CodePoint.named(text)
    }
}
