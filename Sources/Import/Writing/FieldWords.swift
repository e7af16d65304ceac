// SPDX-License-Identifier: Apache-2.0
import Network
import Policy

/// What a rule asks of a packet's own fields, as values of its keys.
struct FieldWords {
    /// The value of `match`.
    let value: YAMLValue?
    let sourceMACs: YAMLValue?
    let destinationMACs: YAMLValue?

    init(_ fields: RuleMatch) {
        var parts: [YAMLField] = []
        func add(_ key: String, _ words: [String]?) {
            guard let words else { return }
            parts.append(YAMLField(key: key, value: .one(of: words)))
        }
        add("tcpFlags", fields.tcpFlags.map { ["\($0)"] })
        add("hopLimit", fields.hopLimit.map { [FieldWords.range($0)] })
        add("length", fields.length.map { [FieldWords.range($0)] })
        add("dscp", fields.dscp.map { $0.sorted().map { "\($0)" } })
        add("pcp", fields.pcp.map { $0.sorted().map { "\($0)" } })
        add("fragment", fields.fragment.map { ["\($0)"] })
        value = parts.isEmpty ? nil : .map(parts)
        sourceMACs = fields.sourceMACs.map { .one(of: $0.map { "\($0)" }) }
        destinationMACs = fields.destinationMACs.map { .one(of: $0.map { "\($0)" }) }
    }

    private static func range<Bound>(_ range: ClosedRange<Bound>) -> String {
        range.lowerBound == range.upperBound ? "\(range.lowerBound)" : "\(range.lowerBound)-\(range.upperBound)"
    }
}
