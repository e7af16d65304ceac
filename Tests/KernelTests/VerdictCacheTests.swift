// SPDX-License-Identifier: Apache-2.0
import Datapath
import Libbpf
import Network
import Policy
import Simulation
import TestSupport
import Testing
import Wire

extension PacketTables {
    /// Packets like an earlier one, and packets that only seem to be.
    @Suite struct VerdictCacheTests {
        /// A packet at a port.
        struct Asked: Sendable {
            var source: IPAddress
            var destination: IPAddress
            var segment = Segment.udp(40000, 99, payload: [1])
            var tags: [Frame.Tag] = []
            var port = "web"
            var direction = Direction.in

            init(_ family: AddressFamily) {
                source = Ends.client(family)
                destination = Ends.server(family)
            }
        }

        /// The rules' verdict, and whether it came from the cache.
        struct Table {
            let simulator: Simulator
            private let records: [String: Int]

            static func use(_ policy: String, _ body: (Table) throws -> Void) throws {
                var records: [String: Int] = [:]
                let image = try FlowScript.compile(policy, &records)
                try FlowSimulator.use(image, adopts: false) { try body(Table(simulator: $0, records: records)) }
            }

            func swap(to policy: String) throws -> Table {
                var records: [String: Int] = [:]
                try simulator.use(FlowScript.compile(policy, &records))
                return Table(simulator: simulator, records: records)
            }

            func says(_ asked: Asked) throws -> String {
                let frame = Frame(Datagram(asked.source, asked.destination, asked.segment), tags: asked.tags)
                let outcome = try simulator.judge(
                    frame: frame.bytes, portRecord: try #require(records[asked.port]), direction: asked.direction)
                return "\(outcome.verdict.rawValue) \(outcome.ruleName ?? outcome.reason?.rawValue ?? "-")"
            }

            /// The verdict once it is cached; nil if it is never cached. Each CPU that the program runs on must compute
            /// it once.
            func repeats(_ asked: Asked) throws -> String? {
                for _ in 0...Map.possibleCPUs {
                    let said = try says(asked)
                    if simulator.wasRecalled { return said }
                }
                return nil
            }
        }

        private static let policy = FlowScript.policy(
            """
              - { name: seven, vlan: 7, action: drop }
              - name: one
                from: [198.51.100.7, "2001:db8:7::7"]
                to: [192.0.2.80, "2001:db8:80::80"]
                service: { protocol: udp, ports: 99, sourcePorts: 40000 }
                at: web
                direction: in
                action: drop
              - { name: log, service: udp/100, direction: in, action: accept, stateless: true, log: true }
            """, ports: "  other: { interface: tap2, protects: workload }", defaults: "in: reject, out: reject")

        @Test(arguments: AddressFamily.allCases) func whatTheRulesSaidIsRemembered(family: AddressFamily) throws {
            try Table.use(Self.policy) { table throws in
                var asked = Asked(family)
                for (port, expected) in [(99, "drop one"), (100, "accept log"), (101, "reject default")] {
                    asked.segment = .udp(40000, UInt16(port), payload: [1])
                    #expect(try table.says(asked) == expected)
                    #expect(!table.simulator.wasRecalled)
                    #expect(try table.repeats(asked) == expected)
                }
            }
        }

        static let differences: [(String, @Sendable (inout Asked) -> Void)] = [
            ("source", { $0.source = $0.source.family == .v4 ? "198.51.100.8" : "2001:db8:7::8" }),
            ("first half of the source", { if $0.source.family == .v6 { $0.source = "2001:db8:8::7" } }),
            ("destination", { $0.destination = $0.destination.family == .v4 ? "192.0.2.81" : "2001:db8:80::81" }),
            ("source port", { $0.segment = .udp(40001, 99, payload: [1]) }),
            ("destination port", { $0.segment = .udp(40000, 98, payload: [1]) }),
            ("ports the other way round", { $0.segment = .udp(99, 40000, payload: [1]) }),
            ("protocol", { $0.segment = .tcp(40000, 99) }),
            ("VLAN", { $0.tags = [Frame.Tag(7)] }),
            ("port", { $0.port = "other" }),
            ("direction", { $0.direction = .out }),
            ("ends", { swap(&$0.source, &$0.destination) }),
        ]

        /// Packets that differ in anything that a rule may ask for have separate entries.
        @Test(arguments: AddressFamily.allCases, differences.indices)
        func whatDiffersIsAskedAnew(family: AddressFamily, index: Int) throws {
            let (name, change) = Self.differences[index]
            var other = Asked(family)
            change(&other)
            // A family without this difference.
            guard other.source != Asked(family).source || name != "first half of the source" else { return }
            try Table.use(Self.policy) { table throws in
                #expect(try table.repeats(Asked(family)) == "drop one")
                #expect(try table.says(other) == (name == "VLAN" ? "drop seven" : "reject default"))
                #expect(!table.simulator.wasRecalled)
                #expect(try table.repeats(Asked(family)) == "drop one")
            }
        }

        @Test func aNewPolicyIsAskedAnew() throws {
            try Table.use(Self.policy) { table throws in
                #expect(try table.repeats(Asked(.v4)) == "drop one")
                let after = try table.swap(to: FlowScript.policy("  - { name: two, action: reject }"))
                #expect(try after.says(Asked(.v4)) == "reject two")
                #expect(!table.simulator.wasRecalled)
                #expect(try after.repeats(Asked(.v4)) == "reject two")
                let back = try after.swap(to: Self.policy)
                #expect(try back.says(Asked(.v4)) == "drop one")
                #expect(!table.simulator.wasRecalled)
            }
        }

        /// Verdicts that depend on more than the packet, and so are not cached: on a limit, a time, members, and rules
        /// after such a rule.
        @Test(arguments: [
            ("limit: { rate: 1/m, burst: 2 }", ["drop rule", "drop rule", "reject default", "reject default"]),
            ("expires: 2001-01-01T00:00:00Z", ["reject default", "reject default"]),
            ("from: crowd", ["reject default", "reject default"]),
        ])
        func conditionsAreAskedEachTime(condition: String, expected: [String]) throws {
            let policy =
                "groups: { crowd: { dynamic: {} } }\n"
                + FlowScript.policy(
                    "  - { name: rule, service: udp/99, direction: in, action: drop, \(condition) }",
                    defaults: "in: reject, out: reject")
            try Table.use(policy) { table throws in
                for answer in expected {
                    #expect(try table.says(Asked(.v4)) == answer)
                    #expect(!table.simulator.wasRecalled)
                }
            }
        }

        /// Rules see the type and code of ICMP, which a cache entry does not have.
        @Test func messagesOfICMPAreNotRemembered() throws {
            try Table.use(Self.policy) { table throws in
                var asked = Asked(.v4)
                asked.segment = .icmp(8, 0)
                #expect(try table.repeats(asked) == nil)
            }
        }

        /// More packets than slots, so that many meet the entries of others in their sets; then the last ones again.
        @Test(arguments: AddressFamily.allCases) func setsAreShared(family: AddressFamily) throws {
            let policy = FlowScript.policy(
                "  - { name: upper, service: udp/32768-65535, at: web, direction: in, action: drop }",
                defaults: "in: reject, out: drop")
            try Table.use(policy) { table throws in
                var recalled = 0
                for number in Array(0..<24_000) + Array(20_000..<24_000) {
                    let port = UInt16(truncatingIfNeeded: number &* 40_503)
                    var asked = Asked(family)
                    asked.segment = .udp(7, port, payload: [1])
                    #expect(try table.says(asked) == (port >= 32768 ? "drop upper" : "reject default"))
                    recalled += table.simulator.wasRecalled ? 1 : 0
                    asked.port = "db"
                    #expect(try table.says(asked) == "reject default")
                    asked.port = "web"
                    asked.direction = .out
                    #expect(try table.says(asked) == "drop default")
                }
                #expect((1...4000).contains(recalled))
            }
        }
    }
}
