// SPDX-License-Identifier: Apache-2.0
import Compiler
import Foundation
import Network
import Policy
import TestSupport
import Testing

/// Tests with rule sets and captures that are not part of the project; `BULKHEAD_CORPORA` names their folder.
enum Corpora {
    static let folder = ProcessInfo.processInfo.environment["BULKHEAD_CORPORA"]
}

enum Effort {
    /// Whether tests may take minutes: `BULKHEAD_LONG`, which `Scripts/test --long` sets.
    static let isLong = ProcessInfo.processInfo.environment["BULKHEAD_LONG"] != nil
    /// Whether the machine is slow, so that few random policies are tried.
    static let isSmall = Seed.count("BULKHEAD_POLICIES", usual: 100) < 10
}

extension PacketTables {
    @Suite(.enabled(if: Corpora.folder != nil, "BULKHEAD_CORPORA names no folder")) struct ClassBenchTests {
        /// Every TCP and UDP probe gets its first match and that rule's verdict. Of a large set some 1,500 probes,
        /// unless tests may take minutes.
        @Test(arguments: ClassBench.small + ClassBench.large) func everyProbeGetsItsFirstMatch(set: String) throws {
            let bench = try ClassBench(set, from: try #require(Corpora.folder))
            let step = Effort.isLong || ClassBench.small.contains(set) ? 1 : max(1, bench.probes.count / 1500)
            let probes = stride(from: 0, to: bench.probes.count, by: step).map { bench.probes[$0] }
            #expect(probes.count > 500)
            try compare(bench.filters, probes)
        }

        @Test(arguments: ["acl1_1k", "fw1_1k", "ipc1_1k"]) func inIPv6Too(set: String) throws {
            let bench = try ClassBench(set, from: try #require(Corpora.folder))
            try compare(bench.filters.inIPv6, bench.probes.map(\.inIPv6))
        }

        /// The longest prefix decides. For a part of all networks, unless tests may take minutes.
        @Test func everyAddressBelongsToItsNetwork() throws {
            var routes = try RoutedPrefixes(from: try #require(Corpora.folder))
            if !Effort.isLong { routes.routes.removeAll { $0.network.utf8.last != UInt8(ascii: "7") } }
            let search = RoutedPrefixes.Search(routes)
            let (ruleset, networks) = routes.ruleset()
            let simulation = try Simulation(ruleset)
            let port = simulation.port(entry: 0, protects: .host)
            var random = RandomNumbers(seed: 1)
            var found = 0
            for _ in 0..<(Effort.isLong ? 100_000 : 5_000) {
                let prefix = random.pick(routes.routes).prefix
                let value = [prefix.first, prefix.last, UInt128.random(in: prefix.first...prefix.last, using: &random)]
                let probe = FilterProbe(
                    from: IPAddress(family: prefix.family, value: random.pick(value)), 1000,
                    to: prefix.family == .v4 ? IPAddress(v4: 0xc000_0201) : IPAddress(v6: 1), 80, ipProtocol: 17)
                let rank = try simulation.judge(.init(probe.frame, .in), at: port).rule.flatMap { Int($0.dropFirst()) }
                try #require(rank.map { networks[$0] } == search.network(of: probe.source), "\(probe.source)")
                if rank != nil { found += 1 }
            }
            #expect(found > 4_000)
        }
    }

    /// Sets generated from a seed: 5,000 rules, 100,000 if tests may take minutes, 200 on a slow machine.
    @Suite struct GeneratedSetTests {
        @Test(arguments: FilterGenerator.Kind.allCases, [AddressFamily.v4, .v6])
        func everyProbeGetsItsFirstMatch(kind: FilterGenerator.Kind, family: AddressFamily) throws {
            let seed: UInt64 = 1
            let count = Effort.isLong ? 100_000 : Effort.isSmall ? 200 : 5_000
            let set = FilterGenerator.filters(kind, count: count, seed: seed)
            let probes = set.probes(Effort.isLong ? 2_000 : Effort.isSmall ? 50 : 500, seed: seed)
            #expect(Set(probes.map(\.firstMatch)).count > probes.count / 10)
            if family == .v4 {
                try compare(set, probes)
            } else {
                try compare(set.inIPv6, probes.map(\.inIPv6))
            }
        }
    }
}

/// Has the kernel's program judge the probes.
private func compare(_ set: FilterSet, _ probes: [FilterProbe]) throws {
    let simulation = try Simulation(set.ruleset)
    let port = simulation.port(entry: 0, protects: .host)
    var wrong = 0
    for probe in probes {
        let judged = try simulation.judge(.init(probe.frame, .in), at: port)
        let expected = probe.firstMatch.map { rank in
            PacketRow.Expectation(verdict: FilterSet.action(ofRank: rank), reason: .rule, rule: "r\(rank)")
        }
        if judged != expected ?? .drop(.default) {
            wrong += 1
            if wrong <= 5 { Issue.record("\(set.name): \(probe): \(judged)") }
        }
    }
    #expect(wrong == 0)
}
