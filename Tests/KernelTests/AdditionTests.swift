// SPDX-License-Identifier: Apache-2.0
import Compiler
import Network
import Policy
import Simulation
import TestSupport
import Testing
import Wire

extension PacketTables {
    /// Rules that put an end of a packet into a dynamic group.
    @Suite struct AdditionTests {
        private static let policy = """
            version: 1
            ports:
              nic: { interface: nic0, protects: host }
              web: { interface: tap0, protects: workload }
            groups:
              scanners: { dynamic: { max: 4, timeout: 10m } }
              seen: { dynamic: {} }
            defaults: { in: drop, out: drop, adopt: 0s }
            rules:
              - { name: banned, from: scanners, direction: in, action: drop }
              - { name: notes, service: udp/9, action: log, add: { group: seen, for: 1h, end: destination } }
              - { name: bait, service: tcp/23, direction: in, action: drop, add: { group: scanners } }
              - { name: longer, service: tcp/24, direction: in, action: reject, add: { group: scanners, for: 1h } }
              - { name: open, service: tcp/80, direction: in, action: accept, add: { group: seen } }
            """

        private struct Site {
            let simulator: Simulator
            let record: Int
            let family: AddressFamily

            func source(_ number: Int) -> IPAddress {
                family == .v4
                    ? IPAddress(v4: 0xcb00_7100 + UInt32(number))
                    : IPAddress(v6: UInt128(0x2001_0db8) << 96 + UInt128(number))
            }

            var server: IPAddress { Ends.server(family) }

            func judge(_ segment: Segment, from number: Int = 1) throws -> String {
                let frame = Frame(Datagram(source(number), server, segment))
                let outcome = try simulator.judge(frame: frame.bytes, portRecord: record, direction: .in)
                return [outcome.verdict.rawValue, outcome.ruleName ?? outcome.reason?.rawValue ?? "-"]
                    .joined(separator: " ")
            }

            func answer(_ segment: Segment, to number: Int = 1) throws -> String {
                let frame = Frame(Datagram(server, source(number), segment))
                let outcome = try simulator.judge(frame: frame.bytes, portRecord: record, direction: .out)
                return "\(outcome.verdict.rawValue) \(outcome.reason?.rawValue ?? "-")"
            }

            func members(_ group: String) throws -> Set<Prefix> { try simulator.members(of: group) }
        }

        private static func onSite(_ family: AddressFamily, _ body: (Site) throws -> Void) throws {
            let image = try Compiler().compile(try Simulation.ruleset(policy))
            try FlowSimulator.use(image, adopts: false) { simulator throws in
                let record = image.portRecord(entry: 1, protects: .workload)
                try body(Site(simulator: simulator, record: record, family: family))
            }
        }

        @Test(arguments: AddressFamily.allCases) func aScanBansItself(family: AddressFamily) throws {
            try Self.onSite(family) { site throws in
                #expect(try site.judge(.tcp(40000, 80)) == "accept open")
                #expect(try site.judge(.tcp(40000, 23)) == "drop bait")
                #expect(try site.members("scanners") == [Prefix(site.source(1))])
                #expect(try site.judge(.tcp(40001, 80)) == "drop banned")
                #expect(try site.judge(.tcp(40001, 80), from: 2) == "accept open")
                // Ten minutes from the last match that was let through to the rule.
                site.simulator.pass(seconds: 599)
                #expect(try site.judge(.tcp(40001, 80)) == "drop banned")
                site.simulator.pass(seconds: 2)
                #expect(try site.judge(.tcp(40001, 80)) == "accept open")
                #expect(try site.members("scanners") == [])
                #expect(try site.judge(.tcp(40000, 24)) == "reject longer")
                site.simulator.pass(seconds: 3590)
                #expect(try site.judge(.tcp(40001, 80)) == "drop banned")
                site.simulator.pass(seconds: 11)
                #expect(try site.judge(.tcp(40002, 80)) == "accept open")
            }
        }

        /// What it has opened before ends with its next packet.
        @Test(arguments: AddressFamily.allCases) func openConnectionsEnd(family: AddressFamily) throws {
            try Self.onSite(family) { site throws in
                #expect(try site.judge(.tcp(40000, 80, flags: 2, sequence: 1000)) == "accept open")
                #expect(
                    try site.answer(.tcp(80, 40000, flags: 18, sequence: 5000, acknowledgement: 1001))
                        == "accept established")
                let next = Segment.tcp(40000, 80, flags: 16, sequence: 1001, acknowledgement: 5001)
                #expect(try site.judge(next) == "accept established")
                #expect(try site.judge(.tcp(40000, 23)) == "drop bait")
                #expect(try site.judge(next) == "drop banned")
            }
        }

        @Test(arguments: AddressFamily.allCases) func aRuleThatLogsAddsToo(family: AddressFamily) throws {
            try Self.onSite(family) { site throws in
                #expect(try site.judge(.udp(40000, 9)) == "drop default")
                #expect(try site.judge(.tcp(40000, 80), from: 2) == "accept open")
                #expect(try site.members("seen") == [Prefix(site.server), Prefix(site.source(2))])
                site.simulator.pass(seconds: 3601)
                #expect(try site.members("seen") == [Prefix(site.source(2))])
            }
        }

        /// The packet itself is judged as the group was before, also by rules after one that adds and goes on.
        @Test(arguments: AddressFamily.allCases) func aRuleThatLogsAddsAfterTheVerdict(family: AddressFamily) throws {
            let text = FlowScript.policy(
                """
                  - { name: first, service: udp/7, action: log, add: { group: seen } }
                  - { name: other, service: udp/7, action: log, add: { group: peers, end: destination } }
                  - { name: known, from: seen, service: udp/7, action: accept, stateless: true }
                """, defaults: "in: drop, out: drop, adopt: 0s"
            ).replacing("rules:", with: "groups: { seen: { dynamic: {} }, peers: { dynamic: {} } }\nrules:")
            let image = try Compiler().compile(try Simulation.ruleset(text))
            try FlowSimulator.use(image, adopts: false) { simulator throws in
                let site = Site(
                    simulator: simulator, record: image.portRecord(entry: 1, protects: .workload), family: family)
                #expect(try site.judge(.udp(40000, 7)) == "drop default")
                #expect(try site.members("seen") == [Prefix(site.source(1))])
                #expect(try site.members("peers") == [Prefix(site.server)])
                #expect(try site.judge(.udp(40000, 7)) == "accept known")
            }
        }

        /// A rule that does not decide in the end adds nothing: the packet's connection is denied the other way.
        @Test(arguments: AddressFamily.allCases) func whatDoesNotDecideAddsNothing(family: AddressFamily) throws {
            let text = FlowScript.policy(
                """
                  - name: answers
                    direction: out
                    service: { protocol: tcp, sourcePorts: [80] }
                    action: accept
                    add: { group: seen }
                  - { name: denied, direction: in, service: tcp/80, action: drop }
                """, defaults: "in: drop, out: drop, adopt: 120s"
            ).replacing("rules:", with: "groups: { seen: { dynamic: {} } }\nrules:")
            let image = try Compiler().compile(try Simulation.ruleset(text))
            try FlowSimulator.use(image, adopts: true) { simulator throws in
                let site = Site(
                    simulator: simulator, record: image.portRecord(entry: 1, protects: .workload), family: family)
                let answer = Segment.tcp(80, 40000, flags: 16, sequence: 5000, acknowledgement: 1001)
                #expect(try site.answer(answer) == "drop rule")
                #expect(try site.members("seen") == [])
            }
        }

        /// A full group takes none, until some have expired.
        @Test(arguments: AddressFamily.allCases) func aGroupHasItsMaximum(family: AddressFamily) throws {
            try Self.onSite(family) { site throws in
                for number in 1...6 { #expect(try site.judge(.tcp(40000, 23), from: number) == "drop bait") }
                #expect(try site.members("scanners").count == 4)
                #expect(try site.judge(.tcp(40000, 80), from: 6) == "accept open")
                site.simulator.pass(seconds: 601)
                for number in 11...16 { #expect(try site.judge(.tcp(40000, 23), from: number) == "drop bait") }
                #expect(try site.members("scanners") == Set((11...14).map { Prefix(site.source($0)) }))
                // The controller counts the same.
                #expect(throws: (any Error).self) {
                    try site.simulator.add([Prefix(site.source(20))], to: "scanners", atMost: 4)
                }
                try site.simulator.delete([Prefix(site.source(11))], from: "scanners")
                try site.simulator.add([Prefix(site.source(20))], to: "scanners", atMost: 4)
                #expect(try site.judge(.tcp(40000, 23), from: 21) == "drop bait")
                #expect(try site.members("scanners").count == 4)
            }
        }

        /// A command's membership is not shortened, and a wider prefix's end counts.
        @Test(arguments: AddressFamily.allCases) func commandsCountToo(family: AddressFamily) throws {
            try Self.onSite(family) { site throws in
                try site.simulator.add([Prefix(site.source(1))], to: "scanners", seconds: nil)
                try site.simulator.delete([Prefix(site.source(1))], from: "scanners")
                #expect(try site.judge(.tcp(40000, 23)) == "drop bait")
                let bits = family == .v4 ? 24 : 64
                try site.simulator.add([Prefix(site.source(0), length: bits)], to: "scanners", seconds: 1200)
                site.simulator.pass(seconds: 700)
                #expect(try site.judge(.tcp(40001, 80)) == "drop banned")
                site.simulator.pass(seconds: 501)
                #expect(try site.judge(.tcp(40002, 80)) == "accept open")
            }
        }

        /// XDP leaves it to tc, which adds.
        @Test func theEarlyPathAddsNothing() throws {
            let image = try Compiler().compile(try Simulation.ruleset(Self.policy))
            try FlowSimulator.use(image, adopts: false) { simulator throws in
                let record = image.portRecord(entry: 0, protects: .host)
                let outcome = try simulator.judge(
                    frame: Ends.frame(.v4, .tcp(40000, 23)).bytes, portRecord: record, hook: .xdp)
                #expect(outcome.reason == nil)
                #expect(try simulator.members(of: "scanners") == [])
            }
        }
    }
}
