// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import Policy

/// The rules as the image has them. A rule that asks for dynamic groups or the host's own addresses occurs once for
/// each combination that it asks for. Ranks count these.
struct RuleTerms {
    struct Term {
        /// The rank of the rule in the policy.
        var number: Int
        /// The number of the term within its rule.
        var term = 0
        /// How many terms of the same rule follow.
        var behind = 0
        var membership = Rule.Ends(from: nil, to: nil)
    }

    /// The policy with one rule per term; all ends of such a rule ask the same of dynamic groups and of the host.
    private(set) var ruleset: Ruleset
    private(set) var terms: [Term]

    /// By rank of a rule that does not decide: the rank to go on with.
    func next(after rank: Int) -> Int {
        guard ruleset.rules[rank].action == .pass else { return rank + 1 + terms[rank].behind }
        let layer = ruleset.rules[rank].layer
        return ruleset.rules[rank...].firstIndex { $0.layer != layer } ?? ruleset.rules.count
    }

    init(_ policy: Ruleset) {
        ruleset = policy
        terms = policy.rules.indices.map { Term(number: $0) }
        guard policy.rules.indices.contains(where: { policy.rules[$0].asksMoment }) else { return }
        ruleset.rules = []
        terms = []
        for (number, rule) in policy.rules.enumerated() {
            let memberships = rule.asksMoment ? rule.memberships : [Rule.Ends(from: nil, to: nil)]
            for (index, membership) in memberships.enumerated() {
                var part = rule
                if rule.asksMoment {
                    part.ends = rule.ends.filter {
                        $0.source == membership.source && $0.destination == membership.destination
                    }
                }
                ruleset.rules.append(part)
                terms.append(
                    Term(
                        number: number, term: index, behind: memberships.count - 1 - index, membership: membership))
            }
        }
    }
}

extension Rule {
    /// Whether its ends depend on more than addresses.
    fileprivate var asksMoment: Bool { ends.contains { !$0.asksNothing } }
}

extension Rule.Ends {
    /// The questions about dynamic groups, filled up with 0.
    var literals: [UInt16] {
        func all(_ groups: Set<Int>, _ flags: UInt32) -> [UInt16] {
            groups.sorted().map { UInt16(UInt32($0) | flags | BH_LITERAL_USED.rawValue) }
        }
        let (outside, destination) = (BH_LITERAL_OUTSIDE.rawValue, BH_LITERAL_DESTINATION.rawValue)
        let literals =
            all(source.inside, 0) + all(self.destination.inside, destination) + all(source.outside, outside)
            + all(self.destination.outside, destination | outside)
        return literals + [UInt16](repeating: 0, count: max(0, Int(BH_LITERALS_MAX) - literals.count))
    }
}
