// SPDX-License-Identifier: Apache-2.0
import Policy

/// The limits on a policy's size. A policy that exceeds one is refused, with the dimension, its figure, and the rule
/// that adds the most to it.
struct Budget {
    let limits: Limits
    private let rules: [Rule]

    /// The part of a rule that makes a dimension grow.
    enum Share: String {
        case addresses = "ranges of addresses"
        case services = "ranges of ports or types"
        case places = "ports, directions and VLAN tags"
    }

    init(_ ruleset: Ruleset, _ limits: Limits) {
        rules = ruleset.rules
        self.limits = limits
    }

    /// Throws if a dimension exceeds its limit.
    ///
    /// - Parameter share: The part of the rules that adds to the dimension; nil if rules add nothing.
    func check(
        _ dimension: String, _ figure: Int, atMost limit: KeyPath<Limits, Int>, by share: Share? = nil
    ) throws(CompileError) {
        let most = limits[keyPath: limit]
        guard figure > most else { return }
        var error = CompileError(
            message: "the policy is too large: \(figure) \(dimension), at most \(most) are allowed")
        if let share, let rule = rules.max(by: { $0.size(share) < $1.size(share) }) {
            error.rule = rule.name
            error.location = rule.location
            error.message += "; rule \(rule.name) adds the most, with \(rule.size(share)) \(share.rawValue)"
        }
        throw error
    }

    /// Throws if there are too many rules of a kind, and names the first one over the limit.
    func check(_ rules: [Rule], _ kind: String, atMost limit: KeyPath<Limits, Int>) throws(CompileError) {
        let most = limits[keyPath: limit]
        guard rules.count > most else { return }
        throw CompileError(
            rule: rules[most].name, location: rules[most].location,
            message: "the policy has \(rules.count) \(kind), at most \(most) are allowed")
    }
}

extension Rule {
    fileprivate func size(_ share: Budget.Share) -> Int {
        switch share {
        case .addresses:
            ends.reduce(0) { $0 + [$1.from, $1.to].reduce(0) { $0 + ($1.map { $0.v4.count + $0.v6.count } ?? 0) } }
        case .services:
            (services ?? []).reduce(0) { sum, service in
                if case .ports(_, let destinations, let sources) = service {
                    sum + destinations.count * sources.count
                } else {
                    sum + 1
                }
            }
        case .places: (entries?.count ?? 1) * directions.count * (vlans?.count ?? 1)
        }
    }
}
