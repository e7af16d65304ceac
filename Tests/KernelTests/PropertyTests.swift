import Compiler
import Foundation
import Network
import Policy
import TestSupport
import Testing

extension PacketTables {
    /// The kernel's programs against plain first match over the policy, for policies and packets made up from a seed.
    @Suite struct PropertyTests {
        @Test func theKernelAgreesWithTheReference() throws {
            let environment = ProcessInfo.processInfo.environment
            let first = environment["BULKHEAD_SEED"].flatMap(UInt64.init) ?? UInt64.random(in: 0...UInt64(UInt32.max))
            let policies = environment["BULKHEAD_POLICIES"].flatMap(Int.init) ?? 125
            print("kernel property test: BULKHEAD_SEED=\(first), \(policies) policies")
            var judged: [Reason: Int] = [:]
            var early = 0
            for seed in first..<first + UInt64(policies) {
                let counts = try compare(seed: seed, packets: 800)
                early += counts.early
                for (reason, count) in counts.judged { judged[reason, default: 0] += count }
            }
            print(
                "kernel property test: \(early) dropped by XDP; "
                    + judged.map { "\($0.key.rawValue) \($0.value)" }.sorted().joined(separator: ", "))
            #expect(judged.values.reduce(0, +) == policies * 800)
            guard policies >= 100 else { return }
            let reasons: [Reason] = [
                .rule, .default, .malformed, .vlan, .nonIP, .fragment, .extensionHeader, .essential, .control,
            ]
            #expect(Set(judged.keys) == Set(reasons))
            #expect(early > 1000)
        }

        private func compare(seed: UInt64, packets: Int) throws -> (judged: [Reason: Int], early: Int) {
            let ruleset = RandomPolicy(seed: seed).ruleset
            let simulation = try Simulation(ruleset)
            let reference = ReferenceEvaluator(ruleset)
            var frames = BoundaryFrames(ruleset, seed: seed)
            var judged: [Reason: Int] = [:]
            var early = 0
            for _ in 0..<packets {
                let probe = frames.next()
                let packet = PacketParser.parse(probe.frame.bytes, frameLength: probe.frame.bytes.count)
                let expected = reference.judge(
                    packet, entry: probe.entry, protects: probe.protects, direction: probe.direction,
                    isUnknownToDrop: probe.isUnknownToDrop)
                let port = simulation.port(
                    entry: probe.entry, protects: probe.protects, isUnknownToDrop: probe.isUnknownToDrop)
                let found = try simulation.judge(.init(probe.frame, probe.direction), at: port)
                let wanted = PacketRow.Expectation(
                    verdict: expected.verdict, reason: expected.reason,
                    rule: expected.rule.map { ruleset.rules[$0].name })
                try #require(found == wanted, "seed \(seed): \(probe) \(packet)")
                judged[expected.reason, default: 0] += 1
                guard probe.direction == (probe.protects == .host ? .in : .out) else { continue }
                if let before = try simulation.judgeEarly(.init(probe.frame, probe.direction), at: port) {
                    try #require(before == found, "XDP, seed \(seed): \(probe) \(packet)")
                    early += 1
                }
            }
            return (judged, early)
        }
    }
}
