import Compiler
import Foundation
import Policy
import TestSupport
import Testing

/// The image, read as the kernel reads it, against plain first match over the policy.
@Suite struct PropertyTests {
    @Test func imageAgreesWithReference() throws {
        let environment = ProcessInfo.processInfo.environment
        let first = environment["BULKHEAD_SEED"].flatMap(UInt64.init) ?? UInt64.random(in: 0...UInt64(UInt32.max))
        let policies = environment["BULKHEAD_POLICIES"].flatMap(Int.init) ?? 200
        print("property test: BULKHEAD_SEED=\(first), \(policies) policies")
        var judged: [Reason: Int] = [:]
        for seed in first..<first + UInt64(policies) {
            for (reason, count) in try compare(seed: seed) { judged[reason, default: 0] += count }
        }
        print("property test: " + judged.map { "\($0.key.rawValue) \($0.value)" }.sorted().joined(separator: ", "))
        // Every way to judge was tried.
        let reasons: [Reason] = [
            .rule, .default, .malformed, .vlan, .nonIP, .fragment, .extensionHeader, .essential, .control,
        ]
        if policies >= 200 { #expect(Set(judged.keys) == Set(reasons)) }
    }

    private func compare(seed: UInt64) throws -> [Reason: Int] {
        let ruleset = RandomPolicy(seed: seed).ruleset
        let image = try Compiler().compile(ruleset)
        let view = try ImageView(image.bytes)
        let reference = ReferenceEvaluator(ruleset)
        var frames = BoundaryFrames(ruleset, seed: seed)
        var judged: [Reason: Int] = [:]
        for _ in 0..<500 {
            let probe = frames.next()
            let packet = PacketParser.parse(probe.frame.bytes, frameLength: probe.frame.bytes.count)
            let expected = reference.judge(
                packet, entry: probe.entry, protects: probe.protects, direction: probe.direction,
                isUnknownToDrop: probe.isUnknownToDrop)
            let record = image.portRecord(
                entry: probe.entry, protects: probe.protects, unknownToDrop: probe.isUnknownToDrop)
            let found = view.judge(packet: packet, portRecord: record, direction: probe.direction)
            try #require(found == expected, "seed \(seed): \(probe) \(packet)")
            judged[expected.reason, default: 0] += 1
        }
        return judged
    }
}
