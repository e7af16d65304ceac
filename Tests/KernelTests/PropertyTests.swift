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
                .rule, .default, .malformed, .vlan, .nonIP, .quarantine, .fragment, .extensionHeader, .invalidState,
                .essential, .control,
            ]
            #expect(Set(judged.keys) == Set(reasons))
            #expect(early > 1000)
        }

        private func compare(seed: UInt64, packets: Int) throws -> (judged: [Reason: Int], early: Int) {
            let ruleset = RandomPolicy(seed: seed).ruleset
            let simulation = try Simulation(ruleset)
            let reference = ReferenceFlows(ruleset)
            var frames = BoundaryFrames(ruleset, seed: seed)
            var judged: [Reason: Int] = [:]
            var early = 0
            var random = RandomNumbers(seed: seed)
            for _ in 0..<packets {
                let drawn = frames.next()
                var (probe, wholeFrame) = Self.vary(drawn.frame, drawn.direction, &random)
                probe.isQuarantined = random.once(in: 20)
                let isQuarantined = probe.isQuarantined
                func expectation(_ packet: Packet, _ frame: Frame) -> Judgement {
                    // Each packet for itself: the table is empty.
                    var reference = reference
                    return reference.judge(
                        packet, quoting: PacketParser.quotation(in: frame.bytes, of: packet),
                        at: .init(
                            scope: 0, entry: drawn.entry, protects: drawn.protects,
                            isUnknownToDrop: drawn.isUnknownToDrop, isQuarantined: isQuarantined),
                        direction: drawn.direction)
                }
                let packet = PacketParser.parse(
                    probe.frame.bytes, frameLength: probe.originalLength ?? probe.frame.bytes.count,
                    segments: probe.segments)
                let expected = expectation(packet, probe.frame)
                let port = simulation.port(
                    entry: drawn.entry, protects: drawn.protects, isUnknownToDrop: drawn.isUnknownToDrop)
                let found = try simulation.judgeAndParse(probe, at: port)
                // What a capture cut may be judged by what is there of it, but never otherwise than the whole.
                let whole = expectation(
                    PacketParser.parse(wholeFrame.bytes, frameLength: wholeFrame.bytes.count), wholeFrame)
                let isCut = probe.frame.bytes.count < wholeFrame.bytes.count
                let wanted = [expected, isCut ? whole : expected].map { judgement in
                    PacketRow.Expectation(
                        verdict: judgement.verdict, reason: judgement.reason,
                        rule: judgement.rule.map { ruleset.rules[$0].name })
                }
                try #require(wanted.contains(found.said), "seed \(seed): \(probe) \(packet)")
                if packet.refusal == nil {
                    try #require(found.packet == packet, "seed \(seed): \(probe)")
                }
                judged[expected.reason, default: 0] += 1
                guard probe.segments == 1, drawn.direction == (drawn.protects == .host ? .in : .out) else { continue }
                if let before = try simulation.judgeEarly(probe, at: port) {
                    try #require(before == found.said, "XDP, seed \(seed): \(probe) \(packet)")
                    early += 1
                }
            }
            return (judged, early)
        }

        /// Most frames as they are; some as a capture or a segmentation offload leaves them. And the whole of what was cut.
        private static func vary(
            _ frame: Frame, _ direction: Direction, _ random: inout RandomNumbers
        ) -> (probe: Simulation.Probe, whole: Frame) {
            let count = frame.bytes.count
            switch random.number(0...15) {
            case 0:
                let kept = random.number(0...count)
                return (.init(frame.cut(to: kept), direction, originalLength: count), frame)
            case 1:
                let padded = frame.padded(to: count + random.number(0...100))
                return (.init(frame, direction, originalLength: padded.bytes.count), padded)
            case 2:
                let packet = PacketParser.parse(frame.bytes, frameLength: count)
                guard packet.hasL4, [6, 17].contains(packet.ipProtocol), packet.fragment == .whole else { break }
                let segments = random.number(2...50)
                return (
                    .init(frame, direction, originalLength: count + 1000 * segments, segments: segments), frame
                )
            default: break
            }
            return (.init(frame, direction), frame)
        }
    }
}
