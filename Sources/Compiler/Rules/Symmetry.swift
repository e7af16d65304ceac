// SPDX-License-Identifier: Apache-2.0
import Policy

/// Where what is not TCP needs no flows, for with and without them the verdicts and the rules' counters are the same.
///
/// There one rule, or the default, accepts every IP packet but TCP's, in both directions, without a limit, an end or an
/// event. So whatever such a packet is, a reply or an ICMP error about another too, a flow could only have it accepted
/// as it is anyway, and counted by the same rule. An error may come from neither end of a connection, and passes only
/// where it quotes a flow; that is why a rule between two groups does not qualify. TCP keeps its flows: they tell what
/// is `invalid-state`.
package struct Symmetry: Sendable {
    package private(set) var entries: Set<Int> = []

    package init(_ ruleset: Ruleset) {
        // A later policy that tells the directions apart has to adopt what is open then. Where that is not wanted,
        // everything has a flow.
        guard ruleset.adopt > 0 else { return }
        // Entries where nothing has matched yet.
        var left = Set(ruleset.entries.indices)
        for rule in ruleset.rules where rule.mayMatchOtherThanTCP {
            if left.isEmpty { return }
            let here = rule.entries.map(left.intersection) ?? left
            if rule.isSameBothWays { entries.formUnion(here) }
            left.subtract(here)
        }
        let defaults = ruleset.entries.map(\.defaults)
        entries.formUnion(left.filter { defaults[$0].in == .accept && defaults[$0].out == .accept })
    }
}

extension Ruleset {
    /// Entries where some rule says that it accepts without a flow.
    package var statelessEntries: Set<Int> {
        let stateless = rules.indices.filter { rules[$0].isStateless }
        if stateless.contains(where: { rules[$0].entries == nil }) { return Set(entries.indices) }
        return stateless.reduce(into: []) { $0.formUnion(rules[$1].entries ?? []) }
    }
}

extension Rule {
    /// Whether it may match an IP packet other than TCP's, as far as its services and ends tell.
    fileprivate var mayMatchOtherThanTCP: Bool {
        guard ends.contains(where: { $0.from?.isEmpty != true && $0.to?.isEmpty != true }) else { return false }
        guard let services else { return true }
        return services.contains { service in
            switch service {
            case .ports(let number, _, _), .protocol(let number): number != 6
            case .icmp: true
            case .ethertype: false
            }
        }
    }

    /// Whether it accepts every IP packet, in both directions and at any time, and says nothing of it.
    fileprivate var isSameBothWays: Bool {
        action == .accept && services == nil && vlans == nil && directions.isBoth && !isConditional && !log
            && !isStateless && ends.contains(Ends(from: nil, to: nil))
    }
}
