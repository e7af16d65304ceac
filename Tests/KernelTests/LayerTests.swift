// SPDX-License-Identifier: Apache-2.0
import Compiler
import Foundation
import Network
import Policy
import Simulation
import TestSupport
import Testing
import Wire

extension PacketTables {
    /// Layers, and rules that leave the decision to later ones.
    @Suite struct LayerTests {
        private static let ports = """
            version: 1
            ports:
              nic: { interface: nic0, protects: host }
              guest: { interface: tap0, protects: workload }
            defaults: { in: drop, out: drop }
            """

        /// Ten rules that a packet to port 80 does not match, so that lists are long.
        private static func others(_ prefix: String) -> String {
            (0..<10).map { "      - { name: \(prefix)-\($0), service: tcp/\(9000 + $0), action: drop }\n" }.joined()
        }

        private static func policy(_ more: (String) -> String) -> String {
            """
            \(ports)
            layers:
              - name: mandatory
                rules:
                  - { name: no-telnet, service: tcp/23, action: drop }
                  - { name: watch, service: [tcp/80, tcp/23, udp/53, ping], action: log, tag: seen }
                  - { name: web-goes-on, service: [tcp/80, tcp/82], action: pass }
            \(more("mandatory"))
                  - { name: web, service: tcp/80-99, action: accept }
              - name: tenant
                rules:
                  - { name: telnet, service: tcp/23, action: accept }
            \(more("tenant"))
                  - { name: tenant-web, service: tcp/80, action: drop }
                  - { name: all-goes-on, service: udp/1-1000, action: pass }
                  - { name: datagrams, service: udp/53, action: accept }
              - name: fallback
                rules:
            \(more("fallback"))
                  - { name: dns, service: udp/53-54, action: drop }
            rules:
              - { name: last, service: tcp/82, action: accept }
            """
        }

        private static let rows = bothFamilies { family in
            func row(_ description: String, _ segment: Segment, _ expected: PacketRow.Expectation) -> PacketRow {
                PacketRow(description, Ends.frame(family, segment), expected, at: ["nic", "guest"])
            }
            let ping: Segment = family == .v4 ? .icmp(8, 0) : .icmpv6(128, 0)
            return [
                row("a later layer overrides no earlier one", .tcp(40000, 23), .drop(by: "no-telnet")),
                row("what passes is decided by the next layer", .tcp(40000, 80), .drop(by: "tenant-web")),
                row("what does not pass is decided in its layer", .tcp(40000, 81), .accept(by: "web")),
                row("what passes to no match goes on to the last layer", .tcp(40000, 82), .accept(by: "last")),
                row("what a second layer passes is the third's", .udp(40000, 53), .drop(by: "dns")),
                row("what passes to nothing is the default's", .udp(40000, 99), .drop(.default)),
                row("what is only logged is the default's", ping, .drop(.default)),
            ]
        }

        @Test(arguments: rows) func shortLists(row: PacketRow) throws { try Self.short.check(row) }
        @Test(arguments: rows) func longLists(row: PacketRow) throws { try Self.long.check(row) }

        private static let short = PolicyTable(policy { _ in "" })
        private static let long = PolicyTable(policy(others))

        /// Which rules a packet met: those that log or pass, with their layers and tags.
        @Test(arguments: AddressFamily.allCases) func whatIsTriedIsTold(family: AddressFamily) throws {
            let image = try Compiler().compile(try Simulation.ruleset(Self.policy { _ in "" }))
            let record = image.portRecord(entry: 0, protects: .host)
            try FlowSimulator.use(image, adopts: false) { simulator throws in
                func tried(_ segment: Segment) throws -> [String] {
                    let outcome = try simulator.judge(
                        frame: Ends.frame(family, segment).bytes, portRecord: record, hook: .tcIngress)
                    #expect(outcome.decided?.layer == (outcome.decided?.name == "dns" ? "fallback" : "tenant"))
                    return outcome.tried.map { "\($0.rule.name) \($0.why.rawValue) \($0.rule.layer ?? "-")" }
                }
                #expect(try tried(.tcp(40000, 80)) == ["watch logged mandatory", "web-goes-on passed mandatory"])
                #expect(try tried(.udp(40000, 53)) == ["watch logged mandatory", "all-goes-on passed tenant"])
                #expect(simulator.view.rule(1)?.note?.tag == "seen")
            }
        }

        /// XDP leaves what a rule logs to tc, so that it is logged once.
        @Test func theEarlyPathLogsNothing() throws {
            let image = try Compiler().compile(try Simulation.ruleset(Self.policy { _ in "" }))
            let record = image.portRecord(entry: 0, protects: .host)
            try FlowSimulator.use(image, adopts: false) { simulator throws in
                func early(_ segment: Segment) throws -> Reason? {
                    try simulator.judge(frame: Ends.frame(.v4, segment).bytes, portRecord: record, hook: .xdp).reason
                }
                #expect(try early(.tcp(40000, 80)) == nil)
                #expect(try early(.tcp(40000, 23)) == .rule)
            }
        }

        /// A rule that starts in five minutes, before one that does the opposite: open flows are judged anew then.
        @Test(arguments: AddressFamily.allCases) func aRuleStarts(family: AddressFamily) throws {
            let inFiveMinutes = Timestamp(nanoseconds: UInt64(Date().timeIntervalSince1970 + 300) * 1_000_000_000)
            let text = FlowScript.policy(
                """
                  - { name: closing, service: tcp/80, direction: in, action: drop, starts: "\(inFiveMinutes)" }
                  - { name: rest, service: tcp/80, direction: in, action: accept }
                """)
            let image = try Compiler().compile(try Simulation.ruleset(text))
            let record = image.portRecord(entry: 1, protects: .workload)
            try FlowSimulator.use(image, adopts: false) { simulator throws in
                func judge(_ frame: Frame, hook: Simulator.Hook = .tcEgress) throws -> String {
                    let outcome = try simulator.judge(frame: frame.bytes, portRecord: record, hook: hook)
                    let tried = outcome.tried.map { "(\($0.rule.name) \($0.why.rawValue))" }
                    return ([outcome.verdict.rawValue, outcome.reason?.rawValue, outcome.ruleName] + tried)
                        .compactMap(\.self).joined(separator: " ")
                }
                let talk = FlowTests.Talk(family: family)
                #expect(try judge(talk.ask(2, 1000)) == "accept rule rest (closing time)")
                #expect(try judge(talk.answer(18, 5000, 1001), hook: .tcIngress) == "accept established")
                #expect(try judge(talk.ask(16, 1001, 5001)) == "accept established")
                simulator.pass(seconds: 200)
                #expect(try judge(talk.ask(16, 1001, 5001)) == "accept established")
                simulator.pass(seconds: 101)
                #expect(try judge(talk.there(.tcp(40002, 80))) == "drop rule closing")
                #expect(try judge(talk.ask(16, 1001, 5001)) == "drop policy-changed closing")
            }
        }
    }
}
