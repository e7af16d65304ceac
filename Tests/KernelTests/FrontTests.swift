// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import Libbpf
import Network
import Policy
import TestSupport
import Testing
import Wire

@testable import Datapath
@testable import Simulation

extension PacketTables {
    /// Packets like an earlier one, and packets that only seem to be: what the front knows of them.
    @Suite struct FrontTests {
        /// A packet at a port.
        struct Asked: Sendable {
            var source: IPAddress
            var destination: IPAddress
            var segment = Segment.udp(40000, 99, payload: [1])
            var tags: [Frame.Tag] = []
            var mac: MACAddress = "02:00:00:00:00:01"
            var port = "web"
            var direction = Direction.in
            var isQuarantined = false
            /// nil: the port's own.
            var device: UInt16?

            init(_ family: AddressFamily) {
                source = Ends.client(family)
                destination = Ends.server(family)
            }

            var frame: Frame {
                let datagram = Datagram(source, destination, segment)
                return Frame(
                    from: direction == .in ? "02:00:00:00:00:02" : mac,
                    to: direction == .in ? mac : "02:00:00:00:00:02", tags: tags, type: datagram.etherType,
                    payload: datagram.bytes)
            }
        }

        /// The verdicts under a policy, and whether the front gave them.
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

            func says(_ asked: Asked, hook: HookName? = nil) throws -> String {
                let record = try #require(records[asked.port])
                let outcome =
                    if let hook {
                        try simulator.judge(frame: asked.frame.bytes, portRecord: record, hook: hook)
                    } else {
                        try simulator.judge(
                            frame: asked.frame.bytes, portRecord: record, device: asked.device,
                            direction: asked.direction, isQuarantined: asked.isQuarantined)
                    }
                return "\(outcome.verdict.rawValue) \(outcome.ruleName ?? outcome.reason?.rawValue ?? "-")"
            }

            /// What the front says, once it knows; nil if it never does. Each CPU that the program runs on must learn
            /// it once.
            func repeats(_ asked: Asked, hook: HookName? = nil) throws -> String? {
                for _ in 0...2 * Map.possibleCPUs {
                    let said = try says(asked, hook: hook)
                    if simulator.wasAnswered { return said }
                }
                return nil
            }
        }

        static let policy = FlowScript.policy(
            """
              - { name: seven, vlan: 7, action: drop }
              - name: one
                from: [198.51.100.7, "2001:db8:7::7"]
                to: [192.0.2.80, "2001:db8:80::80"]
                service: { protocol: udp, ports: 99, sourcePorts: 40000 }
                at: web
                direction: in
                action: drop
              - { name: free, service: udp/100, direction: in, action: accept, stateless: true }
              - { name: log, service: udp/102, direction: in, action: accept, stateless: true, log: true }
              - { name: open, service: [udp/103, tcp/103], direction: in, action: accept }
              - { name: no, service: udp/104, direction: in, action: reject }
            """, ports: "  other: { interface: tap2, protects: workload }")

        @Test(.enabled(if: Front.blocks > 0), arguments: AddressFamily.allCases)
        func whatWasDecidedIsRemembered(family: AddressFamily) throws {
            try Table.use(Self.policy) { table throws in
                var asked = Asked(family)
                for (port, expected) in [(99, "drop one"), (100, "accept free"), (101, "drop default")] {
                    asked.segment = .udp(40000, UInt16(port), payload: [1])
                    #expect(try table.says(asked) == expected)
                    #expect(!table.simulator.wasAnswered)
                    #expect(try table.repeats(asked) == expected)
                }
                asked.segment = .tcp(40000, 99, flags: 2)
                #expect(try table.repeats(asked) == "drop default")
                asked.segment = .tcp(40000, 99, flags: 16)
                #expect(try table.repeats(asked) == "drop default")
                asked.segment = .tcp(40000, 103, flags: 16)
                #expect(try table.repeats(asked) == "drop invalid-state")
                asked.port = "nic"
                #expect(try table.repeats(asked, hook: .xdp) == "accept -")
                asked.segment = .udp(40000, 101, payload: [1])
                // A rule names a VLAN, so XDP is not sure, and never will be.
                #expect(try table.repeats(asked, hook: .xdp) == "accept -")
            }
        }

        /// Accepts that are streamed, rejects, which are answered, openings, and what is not of a plain shape.
        @Test(arguments: AddressFamily.allCases) func theRestIsNot(family: AddressFamily) throws {
            try Table.use(Self.policy) { table throws in
                let (v4, v6) = (Segment.icmp(), Segment.icmpv6())
                for segment in [
                    .udp(40000, 102, payload: [1]), .udp(40000, 104, payload: [1]), .tcp(40000, 99, flags: 4),
                    .tcp(40000, 99, flags: 3), .udp(68, 99, payload: [1]), .udp(547, 99, payload: [1]),
                    family == .v4 ? v4 : v6,
                ] {
                    var asked = Asked(family)
                    asked.segment = segment
                    #expect(try table.repeats(asked) == nil)
                }
                var asked = Asked(family)
                asked.tags = [Frame.Tag(9), Frame.Tag(9)]
                #expect(try table.repeats(asked) == nil)
            }
        }

        /// A packet with one tag has an answer of its own, for its VLAN alone.
        @Test(.enabled(if: Front.blocks > 0), arguments: AddressFamily.allCases)
        func aTagIsRemembered(family: AddressFamily) throws {
            try Table.use(Self.policy) { table throws in
                var asked = Asked(family)
                asked.port = "nic"
                let tags: [([Frame.Tag], String)] = [
                    ([Frame.Tag(7)], "drop seven"), ([Frame.Tag(9)], "drop default"), ([], "drop default"),
                    ([Frame.Tag(0)], "drop default"),
                ]
                for (tags, expected) in tags {
                    asked.tags = tags
                    #expect(try table.says(asked) == expected)
                    #expect(!table.simulator.wasAnswered)
                    #expect(try table.repeats(asked) == expected)
                }
                for (tags, expected) in tags {
                    asked.tags = tags
                    #expect(try table.says(asked) == expected)
                }
                // At XDP a tag may be hidden, so what is dropped is left to tc.
                asked.tags = [Frame.Tag(7)]
                #expect(try table.repeats(asked, hook: .xdp) == "accept -")
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

        /// Packets that differ in anything that a rule may ask for have separate answers.
        @Test(arguments: AddressFamily.allCases, differences.indices)
        func whatDiffersIsAskedAnew(family: AddressFamily, index: Int) throws {
            let (name, change) = Self.differences[index]
            var other = Asked(family)
            change(&other)
            // A family without this difference.
            guard other.source != Asked(family).source || name != "first half of the source" else { return }
            try Table.use(Self.policy) { table throws in
                _ = try table.repeats(Asked(family))
                #expect(try table.says(other) == (name == "VLAN" ? "drop seven" : "drop default"))
                #expect(!table.simulator.wasAnswered)
                #expect(try table.says(Asked(family)) == "drop one")
            }
        }

        @Test func aNewPolicyIsAskedAnew() throws {
            try Table.use(Self.policy) { table throws in
                _ = try table.repeats(Asked(.v4))
                let after = try table.swap(to: FlowScript.policy("  - { name: two, action: drop }"))
                #expect(try after.says(Asked(.v4)) == "drop two")
                #expect(!table.simulator.wasAnswered)
                _ = try after.repeats(Asked(.v4))
                let back = try after.swap(to: Self.policy)
                #expect(try back.says(Asked(.v4)) == "drop one")
                #expect(!table.simulator.wasAnswered)
            }
        }

        @Test func quarantineIsAskedAnew() throws {
            try Table.use(Self.policy) { table throws in
                var asked = Asked(.v4)
                asked.segment = .udp(40000, 100, payload: [1])
                for _ in 0..<3 {
                    _ = try table.repeats(asked)
                    asked.isQuarantined = true
                    #expect(try table.says(asked) == "drop quarantine")
                    asked.isQuarantined = false
                    #expect(try table.says(asked) == "accept free")
                    #expect(!table.simulator.wasAnswered)
                }
            }
        }

        /// While the programs are replaced nothing is answered, and nothing learnt.
        @Test(.enabled(if: Front.blocks > 0)) func aClosedFrontSaysNothing() throws {
            try Table.use(Self.policy) { table throws in
                #expect(try table.repeats(Asked(.v4)) == "drop one")
                let stamp = try Stamp(table.simulator.maps)
                stamp.close()
                #expect(try table.repeats(Asked(.v4)) == nil)
                #expect(try table.says(Asked(.v4)) == "drop one")
                try Mapping(table.simulator.maps[.stamp], writable: true).change(at: 0) {
                    $0 & ~(UInt64(BH_STAMP_CLOSED.rawValue) << 32)
                }
                #expect(try table.repeats(Asked(.v4)) == "drop one")
            }
        }

        /// Where no packet comes twice the front is hardly asked, and is asked again soon where some do.
        @Test(.enabled(if: Front.blocks > 0)) func itIsAskedLessWhereItKnowsLittle() throws {
            try Table.use(Self.policy) { table throws in
                let simulator = table.simulator
                (simulator.keepsRoom, simulator.keepsScore) = (true, true)
                defer { (simulator.keepsRoom, simulator.keepsScore) = (false, false) }
                var asked = Asked(.v4)
                // What opens a flow is never known.
                for number in 0..<300 {
                    asked.segment = .udp(UInt16(1000 + number), 103, payload: [1])
                    #expect(try table.says(asked) == "accept open")
                }
                var answered: [Bool] = []
                for _ in 0..<2000 {
                    #expect(try table.says(Asked(.v4)) == "drop one")
                    answered.append(simulator.wasAnswered)
                }
                #expect(answered.prefix(70).count { $0 } <= 20)
                #expect(answered.suffix(100).count { $0 } > 90)
            }
        }

        /// Readers see drops that the front knows, as many as there is room for, and the rest is quick.
        @Test(.enabled(if: Front.blocks > 0)) func readersAreServed() throws {
            try Table.use(Self.policy) { table throws in
                #expect(try table.repeats(Asked(.v4)) == "drop one")
                let stamp = try Stamp(table.simulator.maps)
                stamp.setReaders(true)
                defer { stamp.setReaders(false) }
                table.simulator.pass(seconds: 100)
                #expect(try table.says(Asked(.v4)) == "drop one")
                #expect(!table.simulator.wasAnswered)
                var answered = 0
                for _ in 0..<3000 {
                    #expect(try table.says(Asked(.v4)) == "drop one")
                    answered += table.simulator.wasAnswered ? 1 : 0
                }
                #expect(answered > 500, "\(answered) of 3000")
            }
        }

        /// A flow that comes into being, and ends, between packets whose like were dropped before.
        @Test(arguments: AddressFamily.allCases) func aFlowIsAskedEachTime(family: AddressFamily) throws {
            try Table.use(Self.policy) { table throws in
                var asked = Asked(family)
                asked.segment = .udp(40000, 103, payload: [1])
                var reply = asked
                (reply.source, reply.destination) = (asked.destination, asked.source)
                reply.segment = .udp(103, 40000, payload: [1])
                reply.direction = .out
                let known = try table.repeats(reply)
                #expect(known == (Front.blocks > 0 ? "drop default" : nil))
                for _ in 0..<3 {
                    #expect(try table.says(reply) == "drop default")
                    #expect(try table.says(asked) == "accept open")
                    #expect(try table.says(reply) == "accept established")
                    #expect(try table.says(asked) == "accept established")
                    if Front.blocks > 0 {
                        #expect(try table.repeats(reply) == "accept established")
                        #expect(try table.repeats(asked) == "accept established")
                    }
                    table.simulator.pass(seconds: 1000)
                }
            }
        }

        /// Guards by MAC address hold for packets alike but for it.
        @Test func aForgedMACIsAskedAnew() throws {
            let policy = """
                version: 1
                ports:
                  nic: { interface: nic0, protects: host }
                  web:
                    interface: tap0
                    protects: workload
                    mac: "02:00:00:00:00:01"
                    addresses: [192.0.2.80]
                    guard: strict
                defaults: { in: accept, out: accept }
                rules:
                  - { name: free, service: udp/99, action: accept, stateless: true }
                """
            try Table.use(policy) { table throws in
                var asked = Asked(.v4)
                (asked.source, asked.destination, asked.direction) = (asked.destination, asked.source, .out)
                asked.segment = .udp(40000, 99, payload: [1])
                let known = try table.repeats(asked)
                #expect(known == (Front.blocks > 0 ? "accept free" : nil))
                asked.mac = "02:00:00:00:00:09"
                #expect(try table.says(asked) == "drop guard-mac")
                (asked.source, asked.destination, asked.direction) = (asked.destination, asked.source, .in)
                #expect(try table.says(asked) == "drop guard-promiscuous")
                asked.mac = "02:00:00:00:00:01"
                #expect(try table.says(asked) == "accept free")
            }
        }

        /// Verdicts that depend on more than the packet, and so are not kept: on a limit, a time, members, and rules
        /// after such a rule.
        @Test(arguments: [
            ("limit: { rate: 1/m, burst: 2 }", ["drop rule", "drop rule", "drop default", "drop default"]),
            ("expires: 2001-01-01T00:00:00Z", ["drop default", "drop default"]),
            ("from: crowd", ["drop default", "drop default"]),
        ])
        func conditionsAreAskedEachTime(condition: String, expected: [String]) throws {
            let policy =
                "groups: { crowd: { dynamic: {} } }\n"
                + FlowScript.policy(
                    "  - { name: rule, service: udp/99, direction: in, action: drop, \(condition) }")
            try Table.use(policy) { table throws in
                for answer in expected {
                    #expect(try table.says(Asked(.v4)) == answer)
                    #expect(!table.simulator.wasAnswered)
                }
            }
        }

        /// More packets than places, so that many meet the answers of others in their lines; then the last ones again.
        @Test(arguments: AddressFamily.allCases) func linesAreShared(family: AddressFamily) throws {
            let policy = FlowScript.policy(
                "  - { name: upper, service: udp/32768-65535, at: web, direction: in, action: drop }",
                defaults: "in: drop, out: drop")
            try Table.use(policy) { table throws in
                for number in Array(0..<20_000) + Array(16_000..<20_000) {
                    let port = UInt16(truncatingIfNeeded: number &* 40_503)
                    var asked = Asked(family)
                    asked.segment = .udp(7, port, payload: [1])
                    #expect(try table.says(asked) == (port >= 32768 ? "drop upper" : "drop default"))
                    asked.port = "db"
                    #expect(try table.says(asked) == "drop default")
                    asked.port = "web"
                    asked.direction = .out
                    #expect(try table.says(asked) == "drop default")
                }
            }
        }
    }
}
