// SPDX-License-Identifier: Apache-2.0
import Analysis
import Foundation
import Policy

/// How long it takes to tell what is odd about a workload's rules, and to prove a hundred assertions about it.
struct LintFigures {
    static let heading =
        "| set | rules | lint s | shadowed | redundant | not told | 100 assertions s | hold | fail | not proved "
        + "| MiB |\n"
        + "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |"

    let row: String

    init(_ name: String, _ options: Options) throws {
        var ruleset = try Workload(name, corpora: options.corpora).ruleset()
        let protects = ruleset.protects([])
        let clock = ContinuousClock()
        var start = clock.now
        let lint = Lint(ruleset, protects: protects)
        let linting = clock.now - start
        func count(_ code: Finding.Code) -> Int { lint.diagnostics.count { $0.finding?.code == code } }
        ruleset.assertions = LintFigures.assertions(ruleset)
        start = clock.now
        let proofs = Prover(ruleset, protects: protects).proofs()
        let proving = clock.now - start
        var outcomes = [0, 0, 0]
        for proof in proofs {
            switch proof.outcome {
            case .holds: outcomes[0] += 1
            case .fails: outcomes[1] += 1
            case .unproved: outcomes[2] += 1
            }
        }
        func seconds(_ time: Duration) -> String { String(format: "%.2f", time / .seconds(1)) }
        row =
            "| \(name) | \(ruleset.rules.count) | \(seconds(linting)) | \(count(.shadowed)) | \(count(.redundant)) | "
            + "\(Set(lint.unproved).count) | \(seconds(proving)) | \(outcomes[0]) | \(outcomes[1]) | \(outcomes[2]) | "
            + "\(LintFigures.peakMemory) |"
    }

    /// A hundred, spread over the rules: nothing passes between a rule's ends, or all of it does.
    private static func assertions(_ ruleset: Ruleset) -> [Assertion] {
        let step = max(1, ruleset.rules.count / 100)
        return stride(from: 0, to: ruleset.rules.count, by: step).prefix(100).map { rank in
            let rule = ruleset.rules[rank]
            return Assertion(
                name: "a\(rank)", location: rule.location, ends: Array(rule.ends.prefix(1)),
                services: rank / step % 3 == 0 ? nil : rule.services, expect: rule.action == .accept ? .accept : .drop)
        }
    }

    /// The most memory that the process had, in MiB.
    private static var peakMemory: Int {
        let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
        let line = status.split(separator: "\n").first { $0.hasPrefix("VmHWM") } ?? ""
        return (Int(line.filter(\.isNumber)) ?? 0) / 1024
    }
}
