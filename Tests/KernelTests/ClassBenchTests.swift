import Compiler
import Foundation
import Network
import Policy
import TestSupport
import Testing

/// Rule sets and captures that are not part of the project: `BULKHEAD_CORPORA` names their folder.
enum Corpora {
    static let folder = ProcessInfo.processInfo.environment["BULKHEAD_CORPORA"]
}

extension PacketTables {
    @Suite(.enabled(if: Corpora.folder != nil, "BULKHEAD_CORPORA names no folder")) struct ClassBenchTests {
        /// Every TCP and UDP probe gets its first match, and its verdict.
        @Test(arguments: ["acl1_1k", "fw1_1k", "ipc1_1k"]) func everyProbeGetsItsFirstMatch(set: String) throws {
            let bench = try ClassBench(set, from: try #require(Corpora.folder))
            let simulation = try Simulation(bench.ruleset)
            let port = simulation.port(entry: 0, protects: .host)
            var wrong = 0
            for probe in bench.probes {
                let judged = try simulation.judge(.init(probe.frame, .in), at: port)
                let expected = probe.firstMatch.map { rank in
                    PacketRow.Expectation(verdict: bench.ruleset.rules[rank].action, reason: .rule, rule: "r\(rank)")
                }
                if judged != expected ?? .drop(.default) {
                    wrong += 1
                    if wrong <= 5 { Issue.record("\(probe): \(judged)") }
                }
            }
            #expect(bench.probes.count > 500)
            #expect(wrong == 0)
        }
    }
}
