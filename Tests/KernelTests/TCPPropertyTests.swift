// SPDX-License-Identifier: Apache-2.0
import Compiler
import Datapath
import Foundation
import Policy
import Reference
import TestSupport
import Testing

extension PacketTables {
    /// Hosts that follow RFC 9293 and 5961 talk through the kernel's own programs, with loss, reordering, pauses, and
    /// strangers.
    @Suite struct TCPPropertyTests {
        /// The seeds are the same each time, because the model may miss something that a filter cannot know: so it was
        /// in two of a thousand runs, both by one cause that it knows now. By hand, use other seeds and more runs, and
        /// look at what is found.
        @Test func theKernelKeepsTheModelsLaw() throws {
            let first = Seed.first(usual: 1)
            let runs = Seed.count("BULKHEAD_FLOW_RUNS", usual: 60)
            print("TCP property test: BULKHEAD_SEED=\(first), \(runs) runs")
            var counts: [String: Int] = [:]
            var failures = 0
            var progress = Progress("TCP property test", runs: runs)
            for seed in first..<first + UInt64(runs) {
                defer { progress.advance("\(failures) failed") }
                if let failure = try run(seed: seed, isAlone: runs == 1, &counts) {
                    failures += 1
                    Issue.record("seed \(seed): \(failures <= 3 ? failure : String(failure.prefix { $0 != "\n" }))")
                }
            }
            #expect(failures == 0, "of \(runs) runs")
            print("TCP property test: " + counts.map { "\($0.key) \($0.value)" }.sorted().joined(separator: ", "))
            guard runs >= 50 else { return }
            for wanted in ["must pass", "must drop", "may"] { #expect(counts[wanted, default: 0] > 100) }
        }

        /// If only invalid segments are dropped, the model's hosts do everything that hosts do; otherwise the test
        /// above would show little.
        @Test func theModelsHostsTalk() {
            var counts: [String: Int] = [:]
            for seed in 0..<UInt64(300) {
                var random = RandomNumbers(seed: seed)
                var talk = TCPTalk(.draw(&random), &random)
                for _ in 0..<300 where !talk.judge.isSpoilt {
                    guard case .segment(let segment, let side, _, let ruling) = talk.next(&random) else { continue }
                    var passed = true
                    switch ruling {
                    case .mustDrop(let why):
                        (passed, counts["drop: " + why, default: 0]) = (false, counts["drop: " + why, default: 0] + 1)
                    case .mustPass(let why): counts["pass: " + why, default: 0] += 1
                    case .may(let why): counts["may: " + why, default: 0] += 1
                    }
                    talk.note(passed: passed, &random)
                    let state = talk.state(of: side.other)
                    counts["state \(state)", default: 0] += 1
                    if segment.payload > 0, state == .established { counts["data", default: 0] += 1 }
                }
                if talk.judge.isSpoilt { counts["spoilt", default: 0] += 1 }
            }
            print("TCP model: " + counts.map { "\($0.key) \($0.value)" }.sorted().joined(separator: ", "))
            for wanted in ["state established", "state closeWait", "state timeWait", "state synReceived", "data"] {
                #expect(counts[wanted, default: 0] > 100, "\(wanted)")
            }
        }

        /// Returns a description of what went wrong, if anything.
        /// - Parameter isAlone: whether to tell the whole talk.
        private func run(seed: UInt64, isAlone: Bool, _ counts: inout [String: Int]) throws -> String? {
            var random = RandomNumbers(seed: seed)
            let setting = TCPTalk.Setting.draw(&random)
            var talk = TCPTalk(setting, &random)
            let policies = try ["one", "two"].map { try Simulation.ruleset(setting.policy($0)) }
            let images = try policies.map { try Compiler().compile($0) }
            var counted: [String: Int] = [:]
            var failure: String?
            try FlowSimulator.use(images[0], adopts: setting.isAdopted) { simulator in
                var used = 0
                for _ in 0..<300 where failure == nil && !talk.judge.isSpoilt {
                    switch talk.next(&random) {
                    case .pass(let seconds): simulator.pass(seconds: seconds)
                    case .swap:
                        used = 1 - used
                        try simulator.use(images[used])
                    case .segment(_, let side, let frame, let ruling):
                        let found = try simulator.judge(
                            frame: frame.bytes, portRecord: images[0].portRecord(entry: 0, protects: .workload),
                            direction: side == .outside ? .in : .out)
                        let passed = found.verdict == .accept
                        talk.note(passed: passed, because: found.reason?.rawValue ?? "-", &random)
                        switch ruling {
                        case .mustPass(let why):
                            counted["must pass", default: 0] += 1
                            if !passed { failure = "must pass (\(why))" }
                        case .mustDrop(let why):
                            counted["must drop", default: 0] += 1
                            if passed { failure = "must not pass (\(why))" }
                        case .may(let why):
                            counted["may", default: 0] += 1
                            counted["may: " + why, default: 0] += 1
                        }
                        if failure != nil { failure! += ": \(found.verdict) \(found.reason?.rawValue ?? "-")" }
                    }
                }
            }
            counts.merge(counted, uniquingKeysWith: +)
            return failure.map { "\($0), \(setting)\n" + talk.log.suffix(isAlone ? 1000 : 60).joined(separator: "\n") }
        }
    }
}
