// SPDX-License-Identifier: Apache-2.0
import Compiler
import Datapath
import Foundation
import Fuzzing
import Network
import Policy
import Reference
import Synchronization
import TestSupport
import Testing
import Wire

@testable import Simulation

extension PacketTables {
    /// What a shadow says of random packets against the models: its verdict is what the packet would meet if the
    /// shadow's policy had come into force right before it.
    @Suite struct ShadowPropertyTests {
        /// The programs, with a shadow behind them, loaded once.
        private static let loaded = Mutex<(simulator: Simulator, shadow: SimulatedShadow)?>(nil)

        private struct Counts {
            var compared = 0
            var changed = 0
            var doubtful = 0
            var reasons: [Reason: Int] = [:]

            mutating func add(_ answer: SimulatedShadow.Answer, after found: Simulator.Outcome) {
                compared += 1
                if answer.verdict != found.verdict { changed += 1 }
                if answer.isDoubtful { doubtful += 1 }
                if let reason = answer.reason { reasons[reason, default: 0] += 1 }
            }
        }

        private static func use(
            _ image: Image, shadow other: Image, adopts: Bool,
            _ body: (Simulator, SimulatedShadow) throws -> Void
        ) throws {
            try loaded.withLock { loaded in
                let simulator = try loaded?.simulator ?? Simulator(image: image, answerBlocks: Front.blocks)
                try simulator.forgetFlows()
                try simulator.setOwn([])
                simulator.adopts = adopts
                try simulator.use(image)
                let shadow = try loaded?.shadow ?? SimulatedShadow(simulator, image: other)
                loaded = (simulator, shadow)
                try shadow.use(other)
                for hook in [HookName.tcIngress, .tcEgress, .xdp] { try shadow.stand(behind: hook) }
                shadow.isOn = true
                defer { shadow.isOn = false }
                try body(simulator, shadow)
            }
        }

        private static var first: UInt64 { Seed.first(usual: 1) }

        /// Packets of a few connections, in any order, while time passes and members come and go.
        @Test func aShadowSaysWhatASwapWouldDoToFlows() throws {
            let runs = Seed.count("BULKHEAD_FLOW_RUNS", usual: 40)
            print("shadow property test: BULKHEAD_SEED=\(Self.first), \(runs) runs")
            var counts = Counts()
            for seed in Self.first..<Self.first + UInt64(runs) { try compareFlows(seed: seed, &counts) }
            print("shadow property test: \(counts)")
            guard runs >= 40 else { return }
            #expect(counts.changed > 500 && counts.compared - counts.doubtful > 5000)
            #expect(
                Set(counts.reasons.keys).isSuperset(
                    of: [.rule, .default, .invalidState, .established, .related, .policyChanged, .adopted]))
        }

        private func compareFlows(seed: UInt64, _ counts: inout Counts) throws {
            var random = RandomNumbers(seed: seed)
            let start = Timestamp(nanoseconds: UInt64(Date().timeIntervalSince1970 * 1_000_000_000))
            let policies = (0..<2).map { _ in FlowPropertyTests.ruleset(start, &random) }
            let images = try policies.map { try Compiler().compile($0) }
            let adopts = random.once(in: 2)
            var model = ReferenceWorlds(ReferenceFlows(policies[0], adopts: adopts, start: start))
            var traffic = FlowTraffic(&random)
            try Self.use(images[0], shadow: images[1], adopts: adopts) { simulator, shadow in
                for step in 0..<300 {
                    if random.once(in: 25) {
                        let seconds = random.pick([21, 47, 93, 151, 401, 8009])
                        simulator.pass(seconds: seconds)
                        model.pass(seconds: seconds)
                    }
                    if random.once(in: 20) {
                        try FlowPropertyTests.changeMembers(simulator, &model, &random)
                    }
                    let drawn = traffic.next(&random)
                    let protects: Protects = drawn.entry == 0 ? .host : .workload
                    let packet = PacketParser.parse(drawn.frame.bytes, frameLength: drawn.frame.bytes.count)
                    let quotation = PacketParser.quotation(in: drawn.frame.bytes, of: packet)
                    let place = ReferenceFlows.Place(scope: drawn.entry, entry: drawn.entry, protects: protects)
                    var swapped = model
                    swapped.use(policies[1])
                    var outcome: Simulator.Outcome?
                    let answer = try shadow.answer {
                        outcome = try simulator.judge(
                            frame: drawn.frame.bytes,
                            portRecord: images[0].portRecord(entry: drawn.entry, protects: protects),
                            direction: drawn.direction)
                    }
                    let found = try #require(outcome)
                    let expected = model.judge(
                        packet, quoting: quotation, claiming: packet.claim(in: drawn.frame.bytes), at: place,
                        direction: drawn.direction
                    ) { found.verdict == $0.verdict && found.reason == $0.reason && found.rule == $0.rule }
                    let here = "seed \(seed), step \(step): \(drawn.entry) \(drawn.direction) \(drawn.frame)"
                    try #require(found.verdict == expected.verdict && found.reason == expected.reason, "\(here)")
                    guard let answer else { continue }
                    counts.add(answer, after: found)
                    if answer.isDoubtful { continue }
                    let wanted = swapped.judge(
                        packet, quoting: quotation, claiming: packet.claim(in: drawn.frame.bytes), at: place,
                        direction: drawn.direction
                    ) { answer.verdict == $0.verdict }
                    try #require(
                        answer.verdict == wanted.verdict,
                        "\(here): \(answer), not \(wanted), now \(found.verdict)"
                    )
                }
            }
        }

        /// Packets of every kind, each by itself, under policies with everything that the language has.
        @Test func aShadowSaysWhatASwapWouldDoToLonePackets() throws {
            let policies = Seed.count("BULKHEAD_POLICIES", usual: 60)
            print("shadow property test: BULKHEAD_SEED=\(Self.first), \(policies) policies")
            var (counts, early) = (Counts(), Counts())
            for seed in Self.first..<Self.first + UInt64(policies) {
                try compareLone(seed: seed, packets: 400, &counts, &early)
            }
            print("shadow property test: \(counts), at XDP \(early)")
            guard policies >= 60 else { return }
            #expect(counts.changed > 1000 && counts.compared - counts.doubtful > 10_000)
            // Most of what XDP drops is malformed or against a guard, whatever the rules are.
            #expect(early.changed > 20 && early.compared - early.doubtful > 500)
            #expect(Set(early.reasons.keys).isSuperset(of: [.rule, .default]))
        }

        /// Another policy with the same ports: some rules less, some that do otherwise, in another order.
        private static func changed(_ ruleset: Ruleset, _ random: inout RandomNumbers) -> Ruleset {
            var other = ruleset
            for index in other.rules.indices where random.once(in: 4) {
                other.rules[index].action = random.pick([.accept, .drop, .reject])
            }
            other.rules.removeAll { _ in random.once(in: 6) }
            if other.layers.isEmpty, random.once(in: 2) { other.rules.shuffle(using: &random) }
            for index in other.entries.indices where random.once(in: 3) {
                other.entries[index].defaults.in = random.pick([.accept, .drop])
                other.entries[index].defaults.essentials.toggle()
                other.entries[index].guards = random.pick([.strict, .list([])])
            }
            return other
        }

        /// Where a tag matters, XDP drops next to nothing: it cannot see one that the card keeps out of the frame.
        private static func leaveTagsAlone(_ ruleset: inout Ruleset) {
            for index in ruleset.entries.indices { ruleset.entries[index].vlans = .any }
            for rank in ruleset.rules.indices { ruleset.rules[rank].vlans = nil }
        }

        private func compareLone(
            seed: UInt64, packets: Int, _ counts: inout Counts, _ early: inout Counts
        ) throws {
            var random = RandomNumbers(seed: seed)
            var ruleset = RandomPolicy(seed: seed).ruleset
            let isEarly = random.once(in: 2)
            if isEarly { Self.leaveTagsAlone(&ruleset) }
            let other = Self.changed(ruleset, &random)
            let start = Timestamp(nanoseconds: 2_000_000_000_000_000_000)
            var model = ReferenceFlows(ruleset, start: start)
            var frames = BoundaryFrames(ruleset, seed: seed)
            let image = try Compiler().compile(ruleset)
            try Self.use(image, shadow: Compiler().compile(other), adopts: false) { simulator, shadow in
                simulator.time = start.nanoseconds
                simulator.keepsFlows = false
                defer { simulator.keepsFlows = true }
                for step in 0..<packets {
                    if random.once(in: 40) {
                        model.own = Set((0..<12).map { _ in Prefix(frames.address()) })
                        try simulator.setOwn(model.own)
                    }
                    let drawn = frames.next()
                    let bytes = drawn.frame.bytes
                    let packet = PacketParser.parse(bytes, frameLength: bytes.count)
                    let sends = (drawn.protects == .host) == (drawn.direction == .out)
                    let origin: ReferenceOrigin? =
                        sends ? random.pick([.elsewhere, .host] + ruleset.entries.indices.map { .entry($0) }) : nil
                    let place = ReferenceFlows.Place(
                        scope: 0, entry: drawn.entry, protects: drawn.protects,
                        isUnknownToDrop: drawn.isUnknownToDrop, origin: origin)
                    let record = image.portRecord(
                        entry: drawn.entry, protects: drawn.protects, unknownToDrop: drawn.isUnknownToDrop)
                    var swapped = model
                    swapped.use(other)
                    func expect(of model: inout ReferenceFlows) -> Judgement {
                        model.judge(
                            packet, quoting: PacketParser.quotation(in: bytes, of: packet),
                            claiming: packet.claim(in: bytes), at: place, direction: drawn.direction)
                    }
                    let hooks: [HookName] =
                        sends ? [.tcEgress] : isEarly || random.once(in: 3) ? [.xdp, .tcIngress] : [.tcIngress]
                    for hook in hooks {
                        var outcome: Simulator.Outcome?
                        let answer = try shadow.answer {
                            outcome = try simulator.judge(
                                frame: bytes, portRecord: record, hook: hook, from: Simulator.Origin(origin, in: image))
                        }
                        let found = try #require(outcome)
                        let here = "seed \(seed), step \(step), \(hook): \(drawn.frame)"
                        // What XDP passes on is compared once, at tc.
                        if hook == .xdp, found.reason == nil {
                            #expect(answer == nil, "\(here)")
                            continue
                        }
                        let wanted = expect(of: &swapped)
                        if hook == .xdp {
                            if let answer { early.add(answer, after: found) }
                        } else if let answer {
                            counts.add(answer, after: found)
                        }
                        guard let answer, !answer.isDoubtful else { break }
                        try #require(
                            answer.verdict == wanted.verdict && answer.reason == wanted.reason,
                            "\(here): \(answer), not \(wanted), now \(found.verdict) \(found.reason?.rawValue ?? "-")")
                        try #require(answer.rule?.name == wanted.rule.map { other.rules[$0].name }, "\(here)")
                        break
                    }
                    _ = expect(of: &model)
                    model.forgetFlows()
                }
            }
        }
    }
}
