// SPDX-License-Identifier: Apache-2.0
import Policy

/// The entries at which traffic other than TCP needs no flows, because verdicts and rule counters are the same without
/// them.
///
/// At these entries one rule, or the defaults, accept every IP packet other than TCP in both directions, without a
/// limit, an expiry or an event. A flow could only accept such a packet, a reply or an ICMP error included, as it is
/// accepted anyway, and the same rule counts it. A rule between two groups does not qualify: an ICMP error may come
/// from neither end of a connection, and passes only if it quotes a flow. TCP keeps its flows, which tell what is
/// `invalid-state`.
package struct Symmetry: Sendable {
    package private(set) var entries: Set<Int> = []

    package init(_ ruleset: Ruleset) {
        // A later policy that tells the directions apart must adopt the connections that are open then. If adopting is
        // turned off, everything needs a flow.
        guard ruleset.adopt > 0 else { return }
        // Entries at which no rule so far may match such a packet.
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
    /// The entries at which some rule accepts without a flow.
    package var statelessEntries: Set<Int> {
        let stateless = rules.indices.filter { rules[$0].isStateless }
        if stateless.contains(where: { rules[$0].entries == nil }) { return Set(entries.indices) }
        return stateless.reduce(into: []) { $0.formUnion(rules[$1].entries ?? []) }
    }
}

extension Rule {
    /// Whether it may match an IP packet other than TCP, judged by its services and ends.
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

    /// Whether it accepts every IP packet, in both directions and at any time, without an event.
    fileprivate var isSameBothWays: Bool {
        action == .accept && services == nil && vlans == nil && via == nil && directions.isBoth && !isConditional
            && !log
            && !isStateless && ends.contains(Ends(from: nil, to: nil))
    }
}
