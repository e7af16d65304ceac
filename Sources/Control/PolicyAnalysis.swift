// SPDX-License-Identifier: Apache-2.0
import Analysis
import Policy

/// What follows from a policy over all packets.
struct PolicyAnalysis {
    private let ruleset: Ruleset
    private let protects: [Protects]
    private let now: Timestamp?

    init(_ source: PolicySource, _ ruleset: Ruleset) {
        self.ruleset = ruleset
        protects = ruleset.protects(source.loaded.bindings)
        now = source.host.now
    }

    /// What is to be said of the assertions: an error for each that fails, a warning for each that was not proved.
    var assertions: [Diagnostic] {
        if ruleset.assertions.isEmpty { return [] }
        return Prover(ruleset, protects: protects, now: now).proofs().compactMap { $0.diagnostic(ruleset) }
    }

    /// What is odd about the rules.
    ///
    /// - Parameter known: What is said of them already.
    func lint(_ known: [Diagnostic]) -> [Diagnostic] {
        let reported = known.filter { $0.finding?.code == .shadowed }.compactMap(\.rule)
        let lint = Lint(ruleset, protects: protects, reported: Set(reported), now: now)
        guard let first = lint.unproved.first else { return lint.diagnostics }
        let start = SourceLocation(file: ruleset.files.first?.name ?? "", line: 1, column: 1)
        let others = Set(lint.unproved).count - 1
        let names = others > 0 ? "\"\(first)\" and \(others) others" : "\"\(first)\""
        let note = "the policy is too large to tell of every rule whether it has an effect: nothing is said of \(names)"
        return [Diagnostic(.note, at: start, note)] + lint.diagnostics
    }
}
