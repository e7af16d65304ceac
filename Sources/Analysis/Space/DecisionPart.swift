// SPDX-License-Identifier: Apache-2.0
import Policy
import Wire

/// Packets, and what becomes of those that no earlier part decides.
struct DecisionPart: Hashable, Sendable {
    /// Why a packet is decided as it is.
    enum Cause: Hashable, Sendable {
        /// By rank.
        case rule(Int)
        case `default`
        /// A guard, or VLAN admission.
        case guarded(Reason)
    }

    var box: Box
    var cause: Cause
    var action: Action
    /// Whether it decides whatever matches it. A part that depends on time or state may pass it over.
    var isSure: Bool

    /// Whether a rule or a default refuses, and not a guard.
    var isRefusalByPolicy: Bool {
        if case .guarded = cause { return false }
        return action != .accept
    }

    /// The part where it is known whether conditions hold; nil if it then matches nothing.
    func settled(_ conditions: DecisionOptions.Conditions) -> DecisionPart? {
        if isSure || conditions == .open { return self }
        if conditions == .failed { return nil }
        var part = self
        part.isSure = true
        return part
    }

    /// The rank of its rule; nil if it is none.
    var rank: Int? {
        if case .rule(let rank) = cause { return rank }
        return nil
    }
}

/// What is decided for, and how.
struct DecisionOptions: Sendable {
    /// Which guards are asked before the rules, and VLAN admission with them.
    enum Guards: Sendable {
        case none
        /// Those that look at more than the source: where each packet comes from the port that its source is bound to.
        case ofContent
        case all
    }

    /// What is taken of the parts that depend on time or state.
    enum Conditions: Sendable {
        /// They may match or not.
        case open
        /// They match.
        case fulfilled
        /// They do not match.
        case failed
    }

    /// The index of the policy in the universe.
    var policy = 0
    var conditions = Conditions.open
    /// A rule that has expired then matches nothing; nil: unknown.
    var now: Timestamp?
    var guards = Guards.none
}
