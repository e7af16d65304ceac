// SPDX-License-Identifier: Apache-2.0
import Compiler
import Network
import Policy
import Reference
import Simulation
import TestSupport
import Testing
import Wire

extension PacketTables.FlowPropertyTests {
    /// The same with layers, and with all that rules may ask for.
    @Test func theKernelAgreesOnAllConditions() throws {
        let runs = Seed.count("BULKHEAD_FLOW_RUNS", usual: 60)
        let reasons = try compare(runs, mixes: true) { start, random in
            let hasOrigins = random.once(in: 3)
            return (0..<3).map { _ in Self.mixture(start, hasOrigins: hasOrigins, &random) }
        }
        guard runs >= 50 else { return }
        #expect(reasons.isSuperset(of: Self.allReasons))
    }

    /// - Parameter hasOrigins: Whether rules ask where a packet came from, and not for bytes of flows: whose limit a
    ///   flow takes of depends on the packets by which it is judged anew, where nobody knows whence the first came.
    private static func mixture(
        _ start: Timestamp, hasOrigins: Bool, _ random: inout RandomNumbers
    ) -> Ruleset {
        var policy = ruleset(start, &random)
        var conditions = RandomConditions(
            start: start, steps: [0, 10, 35, 130], groups: policy.dynamicGroups.count, stays: [nil, 10, 35, 130],
            macs: [Frame.guest, Frame.peer, "52:54:00:00:00:03"])
        // What a rule counts by goes with its name, see there.
        conditions.drawsConnections = false
        conditions.countsFlows = { !hasOrigins && !$0.mayBeTCP }
        for rank in policy.rules.indices where !policy.rules[rank].ends.isEmpty {
            if random.once(in: 2) { conditions.draw(&policy.rules[rank], &random) }
            let isKnown = !policy.rules[rank].mayBeTCP
            if policy.rules[rank].action == .pass, !isKnown {
                // When a SYN over a connection is answered, nobody knows whether it met these.
                policy.rules[rank].match = .any
                policy.rules[rank].limit = nil
            } else if hasOrigins, isKnown, random.once(in: 2) {
                let entries = Set(random.some(of: [0, 1, 2]))
                policy.rules[rank].via = Rule.Via(entries: entries, host: entries.isEmpty || random.once(in: 3))
            }
        }
        let count = random.number(1...3)
        let ends = (1..<count).map { _ in random.number(0...4) }.sorted()
        for rank in policy.rules.indices { policy.rules[rank].layer = ends.count { $0 <= rank } }
        policy.layers = (0..<count).map { "layer-\($0)" }
        return policy
    }

    /// Where a packet came from; nil if the host does not send it.
    static func origin(_ drawn: FlowTraffic.Drawn, _ random: inout RandomNumbers) -> ReferenceOrigin? {
        guard (drawn.entry == 0) == (drawn.direction == .out) else { return nil }
        return random.pick([.elsewhere, .host, .entry(0), .entry(1), .entry(2)])
    }
}
