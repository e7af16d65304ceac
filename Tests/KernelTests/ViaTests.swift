// SPDX-License-Identifier: Apache-2.0
import Compiler
import Network
import Policy
import Simulation
import TestSupport
import Testing
import Wire

extension PacketTables {
    /// Rules that ask where a packet came from that the host sends.
    @Suite struct ViaTests {
        private static let policy = """
            version: 1
            ports:
              lan: { interface: nic0, protects: host }
              wan: { interface: nic1, protects: host }
              guest: { interface: tap0, protects: workload }
              other: { interface: tap1, protects: workload }
              taps: { interface: [tap2, tap3], protects: workload }
            defaults: { in: accept, out: drop, adopt: 0s }
            rules:
              - { name: between, service: udp/80, via: lan, at: wan, action: accept, stateless: true }
              - { name: own, service: udp/81, via: host, action: accept, stateless: true }
              - { name: guests, service: udp/82, via: "*e*", action: drop }
              - { name: rest, service: udp/82, direction: out, action: accept, stateless: true }
              - { name: never, service: udp/83, via: lan, direction: in, at: wan, action: drop }
              - { name: one, service: udp/84, via: taps/tap2, at: guest, action: drop }
              - { name: both, service: udp/85, via: [host, lan], action: drop }
              - { name: logs, service: udp/86, via: lan, action: log }
              - { name: limited, service: udp/86, via: wan, limit: { rate: 1/h, burst: 1 }, action: drop }
            """

        private struct Row: Sendable, CustomTestStringConvertible {
            var port: UInt16
            var at: String
            var direction: Direction
            /// A port, `host`, or nothing.
            var from: String?
            var expected: PacketRow.Expectation

            init(_ port: UInt16, at: String, _ direction: Direction, from: String?, _ expected: PacketRow.Expectation) {
                (self.port, self.at, self.direction, self.from) = (port, at, direction, from)
                self.expected = expected
            }

            var testDescription: String { "udp/\(port) \(direction) at \(at) from \(from ?? "elsewhere")" }
        }

        private static let accept = PacketRow.Expectation.accept(.default)
        private static let drop = PacketRow.Expectation.drop(.default)

        private static let rows: [Row] = [
            Row(80, at: "wan", .out, from: "lan", .accept(by: "between")), Row(80, at: "wan", .out, from: "wan", drop),
            Row(80, at: "wan", .out, from: "guest", drop), Row(80, at: "wan", .out, from: "host", drop),
            Row(80, at: "wan", .out, from: nil, drop), Row(80, at: "lan", .out, from: "lan", drop),
            Row(80, at: "wan", .in, from: nil, accept),
            Row(81, at: "wan", .out, from: "host", .accept(by: "own")), Row(81, at: "wan", .out, from: nil, drop),
            Row(81, at: "wan", .out, from: "lan", drop), Row(81, at: "guest", .in, from: "host", .accept(by: "own")),
            Row(81, at: "guest", .out, from: nil, drop), Row(81, at: "lan", .in, from: nil, accept),
            Row(82, at: "wan", .out, from: "guest", .drop(by: "guests")),
            Row(82, at: "wan", .out, from: "other", .drop(by: "guests")),
            Row(82, at: "wan", .out, from: "lan", .accept(by: "rest")),
            Row(82, at: "wan", .out, from: nil, .accept(by: "rest")),
            Row(82, at: "guest", .out, from: nil, .accept(by: "rest")),
            Row(82, at: "other", .in, from: "guest", .drop(by: "guests")),
            Row(82, at: "other", .in, from: "lan", accept),
            Row(83, at: "wan", .in, from: nil, accept),
            Row(84, at: "guest", .in, from: "taps/tap2", .drop(by: "one")),
            Row(84, at: "guest", .in, from: "taps/tap3", accept), Row(84, at: "other", .in, from: "taps/tap2", accept),
            Row(85, at: "guest", .in, from: "host", .drop(by: "both")),
            Row(85, at: "wan", .out, from: "lan", .drop(by: "both")), Row(85, at: "wan", .out, from: "guest", drop),
            Row(86, at: "guest", .in, from: "lan", accept),
            Row(86, at: "guest", .in, from: "wan", .drop(by: "limited")),
        ]

        @Test(arguments: AddressFamily.allCases) func judges(family: AddressFamily) throws {
            // Each on its own: some rules have a limit.
            for row in Self.rows {
                let simulation = try Simulation(policy: Self.policy)
                let port = try #require(simulation.binding(row.at), "\(row.at)")
                var probe = Simulation.Probe(Ends.frame(family, .udp(40000, row.port)), row.direction)
                if let from = row.from {
                    probe.origin =
                        from == "host" ? .host : .port(record: try #require(simulation.binding(from), "\(from)").record)
                }
                #expect(try simulation.judge(probe, at: port) == row.expected, "\(row.testDescription) IP\(family)")
                guard (row.direction == .in) == (port.protects == .host) else { continue }
                if let early = try simulation.judgeEarly(probe, at: port) {
                    #expect(early == row.expected, "XDP: \(row.testDescription) IP\(family)")
                }
            }
        }

        /// The verdict of one origin is not kept for another.
        @Test(arguments: AddressFamily.allCases) func noVerdictIsKeptForAnotherOrigin(family: AddressFamily) throws {
            let simulation = try Simulation(policy: Self.policy)
            let wan = try #require(simulation.binding("wan"))
            let origins: [(Simulator.Origin, PacketRow.Expectation)] = [
                (.host, Self.drop),
                (.port(record: try #require(simulation.binding("lan")).record), .accept(by: "between")),
                (.elsewhere, Self.drop),
            ]
            for (origin, expected) in origins + origins {
                var probe = Simulation.Probe(Ends.frame(family, .udp(40000, 80)), .out)
                probe.origin = origin
                #expect(try simulation.judge(probe, at: wan) == expected, "\(origin)")
            }
        }
    }
}
