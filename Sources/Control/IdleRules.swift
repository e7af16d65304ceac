// SPDX-License-Identifier: Apache-2.0
import Datapath
import Policy

/// The rules of a policy that have matched no packet so far, where the policy in force has rules of the same names.
struct IdleRules {
    let diagnostics: [Diagnostic]

    init(_ ruleset: Ruleset, _ instance: Instance) throws(DatapathError) {
        let counters = try instance.counters()
        let idle = Set(counters.rules.filter { $0.count.packets == 0 }.map(\.name))
        let rules = ruleset.rules.filter { idle.contains($0.name) }
        if rules.isEmpty {
            diagnostics = []
            return
        }
        let starts = try IdleRules.starts(Set(rules.map(\.name)), instance)
        diagnostics = rules.map { rule in
            let since = starts[rule.name].map { " since \(Timestamp(nanoseconds: $0).utc.prefix(19))Z" } ?? ""
            return Diagnostic(
                .note, at: rule.location, "the rule has matched no packet\(since)", rule: rule.name,
                finding: Finding(.unhit))
        }
    }

    /// Since when the policies in force have had rules of these names without a break, as far as their texts are kept.
    private static func starts(_ names: Set<String>, _ instance: Instance) throws(DatapathError) -> [String: UInt64] {
        var starts: [String: UInt64] = [:]
        var open = names
        for past in try instance.generations() {
            if !past.isInForce {
                guard past.isKept, let kept = try? instance.keptPolicy(past.generation) else { break }
                let source = try PolicySource(kept: kept, of: instance, requiresDevices: false)
                open.formIntersection(source.loaded.ruleset?.rules.map(\.name) ?? [])
            }
            for name in open { starts[name] = past.time }
            if open.isEmpty { break }
        }
        return starts
    }
}
