// SPDX-License-Identifier: Apache-2.0
import Compiler
import Foundation
import Network
import Policy
import Reference
import TestSupport
import Testing
import Wire

extension PacketTables {
    /// The kernel's programs against a plain first match over the policy, for random policies and packets from a seed.
    @Suite struct PropertyTests {
        @Test func theKernelAgreesWithTheReference() throws {
            let first = Seed.first()
            let policies = Seed.count("BULKHEAD_POLICIES", usual: 125)
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
                .essential, .control, .guardMAC, .guardIP, .guardARP, .guardND, .guardDHCP, .guardRA,
                .guardPromiscuous, .guardDestination, .notAdmitted,
            ]
            #expect(Set(judged.keys) == Set(reasons))
            #expect(early > 1000)
        }

        /// The same with 10,000 rules; with some hundred on a slow machine.
        @Test func theKernelAgreesOnManyRules() throws {
            let first = Seed.first()
            let policies = Effort.isLong ? 20 : 1
            print("kernel property test with 10,000 rules: BULKHEAD_SEED=\(first), \(policies) policies")
            for seed in first..<first + UInt64(policies) {
                _ = try compare(seed: seed, size: Effort.isSmall ? .large : .huge, packets: Effort.isLong ? 400 : 100)
            }
        }

        private func compare(
            seed: UInt64, size: RandomPolicy.Size = .small, packets: Int
        ) throws -> (judged: [Reason: Int], early: Int) {
            // Around this time the clocks of a random policy's zones change.
            let start = Timestamp(nanoseconds: 2_000_000_000_000_000_000)
            let ruleset = RandomPolicy(seed: seed, size: size, mixedFrom: start).ruleset
            // Every other small policy has as much in bitmaps as there can be; of a large one that would not fit.
            let isForced = size == .small && seed / 2 % 2 == 1
            let simulation = try Simulation(
                ruleset, compiler: isForced ? Compiler(cellsBeforeBitmaps: 0) : Compiler())
            try simulation.set(start)
            var reference = ReferenceFlows(ruleset, start: start)
            var frames = BoundaryFrames(ruleset, seed: seed)
            var judged: [Reason: Int] = [:]
            var early = 0
            var random = RandomNumbers(seed: seed)
            for _ in 0..<packets {
                if random.once(in: 40) { try Self.changeMembers(ruleset, simulation, &reference, &random) }
                if random.once(in: 80) {
                    // No sum of these and of what members stay is a second from another: who is to go within a second
                    // from now on is not kept longer by another match.
                    let seconds = random.pick([10, 60, 3600])
                    try simulation.pass(seconds: seconds)
                    reference.pass(seconds: seconds)
                }
                if random.once(in: 40) {
                    reference.own = Set((0..<12).map { _ in Prefix(frames.address()) })
                    try simulation.setOwn(reference.own)
                }
                let drawn = frames.next()
                var probe = Self.vary(drawn.frame, drawn.direction, &random)
                probe.isQuarantined = random.once(in: 20)
                let origin = Self.origin(of: drawn.direction, drawn.protects, ruleset, &random)
                if let origin { probe.origin = simulation.origin(origin) }
                let packet = PacketParser.parse(
                    probe.frame.bytes, frameLength: probe.originalLength ?? probe.frame.bytes.count,
                    segments: probe.segments)
                reference.marked = PacketMarks(of: packet, in: probe.frame.bytes)
                let expected = reference.judge(
                    packet, quoting: PacketParser.quotation(in: probe.frame.bytes, of: packet),
                    claiming: packet.claim(in: probe.frame.bytes),
                    at: .init(
                        scope: 0, entry: drawn.entry, protects: drawn.protects,
                        isUnknownToDrop: drawn.isUnknownToDrop, isQuarantined: probe.isQuarantined, origin: origin),
                    direction: drawn.direction)
                // Each packet by itself: the flow table is empty.
                reference.forgetFlows()
                let port = simulation.port(
                    entry: drawn.entry, protects: drawn.protects, isUnknownToDrop: drawn.isUnknownToDrop)
                let found = try simulation.judgeAndParse(probe, at: port)
                let wanted = PacketRow.Expectation(
                    verdict: expected.verdict, reason: expected.reason,
                    rule: expected.rule.map { ruleset.rules[$0].name })
                try #require(found.said == wanted, "seed \(seed): \(probe) \(packet)")
                if packet.refusal == nil, let read = found.packet {
                    try #require(read == packet, "seed \(seed): \(probe)")
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

        /// Where a packet came from; nil if the host does not send it.
        private static func origin(
            of direction: Direction, _ protects: Protects, _ ruleset: Ruleset, _ random: inout RandomNumbers
        ) -> ReferenceOrigin? {
            guard (protects == .host) == (direction == .out) else { return nil }
            return random.pick([.elsewhere, .host] + ruleset.entries.indices.map { .entry($0) })
        }

        /// A member joins or leaves a dynamic group.
        private static func changeMembers(
            _ ruleset: Ruleset, _ simulation: Simulation, _ reference: inout ReferenceFlows,
            _ random: inout RandomNumbers
        ) throws {
            guard !ruleset.dynamicGroups.isEmpty else { return }
            let group = random.pick(ruleset.dynamicGroups).name
            switch random.number(0...2) {
            case 0:
                let gone = random.some(of: reference.members[group].prefixes.sorted { "\($0)" < "\($1)" })
                try simulation.delete(gone, from: group)
                reference.change(group) { members in for prefix in gone { members.delete(prefix) } }
            default:
                let prefixes = RandomPolicy.members(&random)
                let seconds = random.pick([nil, 5, 50, 500])
                try simulation.add(prefixes, to: group, seconds: seconds)
                reference.change(group) { members in
                    for prefix in prefixes { members.add(prefix, seconds: seconds) }
                }
            }
        }

        /// Most frames as they are, some as a capture or a segmentation offload leaves them.
        private static func vary(
            _ frame: Frame, _ direction: Direction, _ random: inout RandomNumbers
        ) -> Simulation.Probe {
            let count = frame.bytes.count
            switch random.number(0...15) {
            case 0:
                let kept = random.number(0...count)
                return .init(frame.cut(to: kept), direction, originalLength: count)
            case 1:
                return .init(frame, direction, originalLength: count + random.number(0...100))
            case 2:
                let packet = PacketParser.parse(frame.bytes, frameLength: count)
                guard packet.hasL4, [6, 17].contains(packet.ipProtocol), packet.fragment == .whole else { break }
                let segments = random.number(2...50)
                return .init(frame, direction, originalLength: count + 1000 * segments, segments: segments)
            default: break
            }
            return .init(frame, direction)
        }
    }
}
