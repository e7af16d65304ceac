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
    /// What must hold for it to match. Told of guards, and of rules where two policies are compared.
    var needs: [Need] = []

    /// Whether a rule or a default refuses, and not a guard.
    var isRefusalByPolicy: Bool {
        if case .guarded = cause { return false }
        return action != .accept
    }

    /// Whether it matches depends on more than the packet's place, ends, service, and what it claims to guards.
    var dependsOnTimeOrState: Bool {
        needs.contains { need in
            if case .fault = need.condition { return false }
            return true
        }
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

    /// The index of the policy in the universe.
    var policy = 0
    /// Where two policies are compared: their conditions.
    var conditions: Conditions?
    /// The one of the conditions' worlds that is the case.
    var world: [Need] = []
    /// A rule that has expired then matches nothing; nil: unknown.
    var now: Timestamp?
    var guards = Guards.none
    /// Whether rules lose what an earlier rule of their layer decides whenever they could be asked. Not where it is
    /// asked what they would do without that rule.
    var takesDecided = true

    /// A part of a rule that passes packets on, where it is known which world is the case; nil if it does not match in
    /// that.
    func settled(_ part: DecisionPart) -> DecisionPart? {
        guard conditions != nil else { return part }
        var part = part
        part.isSure = true
        return world.implies(part.needs) ? part : nil
    }
}
