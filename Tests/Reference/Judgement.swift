// SPDX-License-Identifier: Apache-2.0
import Wire

/// What became of a packet at one port, in one direction.
public struct Judgement: Sendable, Hashable {
    public var verdict: Action
    public var reason: Reason
    /// Rank of the rule that decided, where one did.
    public var rule: Int?

    public init(_ verdict: Action, _ reason: Reason, rule: Int? = nil) {
        self.verdict = verdict
        self.reason = reason
        self.rule = rule
    }
}

extension Judgement: CustomStringConvertible {
    public var description: String { "\(verdict) \(reason.rawValue)" + (rule.map { " #\($0)" } ?? "") }
}
