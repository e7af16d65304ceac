// SPDX-License-Identifier: Apache-2.0
import Network
import Policy
import Wire

/// Whether an assertion holds for every packet.
public struct AssertionProof: Sendable {
    /// What one port on the way decides about the packet that shows it.
    public struct Hop: Sendable, Hashable {
        /// The port entry, by index.
        public var entry: Int
        public var direction: Direction
        public var verdict: Action
        /// The rank of the rule that decides; nil: the default, or a guard.
        public var rule: Int?
        /// Of a guard or VLAN admission.
        public var reason: Reason?
        /// Whether it depends on a limit, an expiry or a group's members.
        public var isConditional: Bool
        /// The packet as it is there.
        public var packet: Witness
    }

    public enum Outcome: Sendable {
        /// - Parameter isEmpty: Whether no packet goes from the one end to the other through a port.
        case holds(isEmpty: Bool)
        case fails([Hop])
        case unproved
    }

    public let assertion: Assertion
    public let outcome: Outcome
}

/// Proves the assertions of a policy.
public struct Prover: Sendable {
    private let ruleset: Ruleset
    private let ways: Ways
    private let universes: [(universe: Universe, list: DecisionList)]

    /// - Parameters:
    ///   - protects: By entry.
    ///   - now: The host's clock; nil if unknown.
    public init(_ ruleset: Ruleset, protects: [Protects], now: Timestamp? = nil) {
        self.ruleset = ruleset
        let asked = ruleset.rules.flatMap(\.ends) + ruleset.assertions.flatMap(\.ends)
        let asksHost = (
            source: asked.contains { $0.source.isHost != nil },
            destination: asked.contains { $0.destination.isHost != nil }
        )
        let stations = Stations(
            [ruleset], pairs: ruleset.entries.indices.map { [$0] }, protects: [protects], tellsClaims: false)
        ways = Ways(ruleset, stations, asksHost: asksHost)
        var extra = Universe.Extra()
        extra.sets = ways.sets + GuardParts.sets
        extra.sets += ruleset.assertions.flatMap(\.ends).flatMap { [$0.from, $0.to] }.compactMap(\.self)
        extra.services = GuardParts.services + ruleset.assertions.map(\.services)
        extra.tellsOwn = asksHost.source || asksHost.destination
        universes = AddressFamily.allCases.map { family in
            let universe = Universe(family, [ruleset], stations, extra)
            return (
                universe, DecisionList(ruleset, in: universe, DecisionOptions(now: now, guards: .ofContent))
            )
        }
    }

    /// - Parameter effort: Steps that each of them may cost; a few nanoseconds each.
    public func proofs(effort: Int = 500_000_000) -> [AssertionProof] {
        ruleset.assertions.map { assertion in
            var left = Effort(effort)
            do throws(Spent) {
                return AssertionProof(assertion: assertion, outcome: try outcome(assertion, &left))
            } catch {
                return AssertionProof(assertion: assertion, outcome: .unproved)
            }
        }
    }

    private func outcome(_ assertion: Assertion, _ effort: inout Effort) throws(Spent) -> AssertionProof.Outcome {
        var isEmpty = true
        for (universe, list) in universes {
            let services = universe.services.classes(of: assertion.services)
            let admitted = Ways.admitted(ruleset, universe)
            for source in ways.sources {
                for destination in ways.destinations {
                    guard let passage = Passage(universe, list, from: source, to: destination, admitted: admitted)
                    else { continue }
                    for ends in assertion.ends {
                        guard let box = passage.box(ends, services) else { continue }
                        isEmpty = false
                        if let hops = try counterexample(assertion.expect, passage, box, &effort) {
                            return .fails(hops)
                        }
                    }
                }
            }
        }
        return .holds(isEmpty: isEmpty)
    }

    private func counterexample(
        _ expect: Assertion.Expectation, _ passage: Passage, _ box: Box, _ effort: inout Effort
    ) throws(Spent) -> [AssertionProof.Hop]? {
        switch expect {
        case .drop:
            guard let found = try passage.accepted(box, &effort) else { return nil }
            return passage.hops.indices.map { hop($0, of: passage, found, wants: true) }
        case .accept:
            guard let (found, last) = try passage.refused(box, &effort) else { return nil }
            // Where a packet may pass the ports before it, these come first.
            return (0...last).map { hop($0, of: passage, found, wants: $0 < last) }
        }
    }

    /// What decides at a hop, of what may: an accepting part where that is asked for, else a refusing one.
    private func hop(_ hop: Int, of passage: Passage, _ box: Box, wants accepting: Bool) -> AssertionProof.Hop {
        let list = passage.list
        let packet = passage.witness(in: box, at: hop)
        let candidates = passage.universe.point(of: packet).map { list.candidates($0) } ?? []
        let chosen =
            candidates.first {
                accepting ? list.parts[$0].action == .accept : list.parts[$0].isRefusalByPolicy
            } ?? candidates.last
        let part = chosen.map { list.parts[$0] }
        var reason: Reason?
        if case .guarded(let why)? = part?.cause { reason = why }
        return AssertionProof.Hop(
            entry: entry(of: passage.hops[hop], packet, passage.universe), direction: packet.direction,
            verdict: part?.action ?? .drop, rule: part?.rank, reason: reason, isConditional: candidates.count > 1,
            packet: packet)
    }

    /// Of the entries of a station, the one that the address is bound to.
    private func entry(of hop: Ways.Hop, _ packet: Witness, _ universe: Universe) -> Int {
        let entries = universe.stations.stations[hop.station].entries[0]
        let address = hop.direction == .out ? packet.source : packet.destination
        guard universe.stations.stations[hop.station].protects[0] == .workload, let address else {
            return entries.first ?? 0
        }
        return entries.first { entry in
            (ruleset.entries[entry].addresses + ruleset.entries[entry].sharedAddresses).contains {
                $0.contains(address)
            }
        } ?? entries.first ?? 0
    }
}
