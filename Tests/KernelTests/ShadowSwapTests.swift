// SPDX-License-Identifier: Apache-2.0
import Compiler
import Datapath
import Foundation
import Network
import Policy
import Synchronization
import TestSupport
import Testing
import Wire

@testable import Simulation

extension PacketTables {
    /// What a shadow says of a packet against the programs themselves: the same packets go through two simulators.
    /// Before the last of them the shadow's policy comes into force in the second one.
    @Suite struct ShadowSwapTests {
        private struct Loaded {
            let asked: Simulator
            let shadow: SimulatedShadow
            let swapped: Simulator
        }

        private static let loaded = Mutex<Loaded?>(nil)

        @Test func aShadowSaysWhatTheProgramsSayAfterASwap() throws {
            let first = Seed.first(usual: 1)
            let runs = Seed.count("BULKHEAD_FLOW_RUNS", usual: 250)
            print("shadow swap test: BULKHEAD_SEED=\(first), \(runs) runs")
            var counts: [String: Int] = [:]
            for seed in first..<first + UInt64(runs) { try Self.compare(seed: seed, &counts) }
            print("shadow swap test: " + counts.map { "\($0.key) \($0.value)" }.sorted().joined(separator: ", "))
            guard runs >= 250 else { return }
            for reason in ["rule", "default", "invalid-state", "established", "policy-changed", "adopted"] {
                #expect(counts[reason, default: 0] > 0, "never \(reason)")
            }
            #expect(counts["changed", default: 0] > runs / 10 && counts["may", default: 0] < runs / 10)
        }

        /// Two policies, of which the first often passes without a flow what it passes.
        private static func policies(_ start: Timestamp, _ random: inout RandomNumbers) -> [Ruleset] {
            var policies = (0..<2).map { _ in FlowPropertyTests.ruleset(start, &random) }
            if random.once(in: 2) {
                for rank in policies[0].rules.indices where policies[0].rules[rank].action == .accept {
                    policies[0].rules[rank].isStateless = policies[0].rules[rank].connections == nil
                }
                var free = Rule(name: "free", location: policies[0].entries[0].location, action: .accept)
                free.isStateless = true
                policies[0].rules.append(free)
            }
            // Most limits differ, and then nobody can say what they come to.
            if random.once(in: 4) { return policies }
            for index in policies.indices {
                for rank in policies[index].rules.indices { policies[index].rules[rank].limit = nil }
            }
            return policies
        }

        private static func use(_ images: [Image], adopts: Bool, _ body: (Loaded) throws -> Void) throws {
            try loaded.withLock { loaded in
                let asked = try loaded?.asked ?? Simulator(image: images[0], answerBlocks: Front.blocks)
                let swapped = try loaded?.swapped ?? Simulator(image: images[0])
                for simulator in [asked, swapped] {
                    try simulator.forgetFlows()
                    simulator.adopts = adopts
                    try simulator.use(images[0])
                }
                let both = try Loaded(
                    asked: asked, shadow: loaded?.shadow ?? SimulatedShadow(asked, image: images[1]), swapped: swapped)
                loaded = both
                for hook in [HookName.tcIngress, .tcEgress] { try both.shadow.stand(behind: hook) }
                try both.shadow.use(images[1])
                both.shadow.isOn = true
                defer { both.shadow.isOn = false }
                try body(both)
            }
        }

        private static func compare(seed: UInt64, _ counts: inout [String: Int]) throws {
            var random = RandomNumbers(seed: seed)
            let start = Timestamp(nanoseconds: UInt64(Date().timeIntervalSince1970 * 1_000_000_000))
            let images = try policies(start, &random).map { try Compiler().compile($0) }
            var traffic = FlowTraffic(&random)
            try use(images, adopts: random.once(in: 2)) { both throws in
                for simulator in [both.asked, both.swapped] { simulator.time = start.nanoseconds }
                for _ in 0..<random.number(0...30) {
                    let seconds = random.once(in: 25) ? random.pick([21, 47, 93, 151, 401]) : 0
                    let drawn = traffic.next(&random)
                    for simulator in [both.asked, both.swapped] {
                        if seconds > 0 { simulator.pass(seconds: seconds) }
                        _ = try judge(drawn, simulator, images[0])
                    }
                }
                let last = traffic.next(&random)
                var now: Simulator.Outcome?
                let answer = try both.shadow.answer { now = try judge(last, both.asked, images[0]) }
                try both.swapped.use(images[1])
                let wanted = try judge(last, both.swapped, images[1])
                count(answer, try #require(now), &counts)
                guard let answer, !answer.isDoubtful else { return }
                let said = "\(answer.verdict) \(answer.reason?.rawValue ?? "-")"
                #expect(
                    said == "\(wanted.verdict) \(wanted.reason?.rawValue ?? "-")"
                        // Of a flow, a simulator does not tell the rule.
                        && (wanted.reason?.isOfFlow == true || answer.rule?.name == wanted.ruleName),
                    """
                    seed \(seed): \(last.entry) \(last.direction) \(last.frame): \(answer), not \(wanted.verdict) \
                    \(wanted.reason?.rawValue ?? "-") \(wanted.ruleName ?? "-"), \
                    now \(now?.verdict.rawValue ?? "-") \(now?.reason?.rawValue ?? "-")
                    """)
            }
        }

        private static func judge(
            _ drawn: FlowTraffic.Drawn, _ simulator: Simulator, _ image: Image
        ) throws -> Simulator.Outcome {
            try simulator.judge(
                frame: drawn.frame.bytes,
                portRecord: image.portRecord(entry: drawn.entry, protects: drawn.entry == 0 ? .host : .workload),
                direction: drawn.direction)
        }

        private static func count(
            _ answer: SimulatedShadow.Answer?, _ now: Simulator.Outcome, _ counts: inout [String: Int]
        ) {
            guard let answer, !answer.isDoubtful else {
                counts[answer == nil ? "not compared" : "may", default: 0] += 1
                return
            }
            if answer.verdict != now.verdict { counts["changed", default: 0] += 1 }
            if let reason = answer.reason { counts[reason.rawValue, default: 0] += 1 }
        }
    }
}

extension Reason {
    fileprivate var isOfFlow: Bool { self == .established || self == .related || self == .policyChanged }
}
