// SPDX-License-Identifier: Apache-2.0

/// Warns of rules with `via` that can never match: it asks where a packet came from that the host sends, and they are
/// for the direction in which the host receives.
enum ViaLint {
    static func run(_ rules: [Rule], _ bindings: [PortBinding], _ problems: Problems) {
        for rule in rules where rule.via != nil && !rule.directions.isBoth {
            let at = bindings.filter { rule.entries?.contains($0.entry) ?? true }
            let sends = at.contains { rule.directions.contains($0.port.protects == .host ? .out : .in) }
            if at.isEmpty || sends { continue }
            let word = rule.directions.contains(.in) ? "in" : "out"
            problems.rule = rule.name
            problems.warning(
                rule.location,
                "the rule can never match: \"via\" asks where a packet came from that the host sends, and at its ports "
                    + "\"\(word)\" is what the host receives", Finding(.unused))
        }
        problems.rule = nil
    }
}
