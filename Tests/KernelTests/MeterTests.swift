// SPDX-License-Identifier: Apache-2.0
import Compiler
import Network
import Policy
import Simulation
import TestSupport
import Testing
import Wire

extension PacketTables {
    /// What flows carry takes of a limit of bytes, also where they are judged anew.
    @Suite struct MeterTests {
        /// Judges packets of a guest's port in turn.
        private static func onSite(
            _ text: String, adopts: Bool = false,
            _ body: (Simulator, (Frame, Direction) throws -> String) throws -> Void
        ) throws {
            let image = try Compiler().compile(try Simulation.ruleset(text))
            let record = image.portRecord(entry: 1, protects: .workload)
            try FlowSimulator.use(image, adopts: adopts) { simulator throws in
                try body(simulator) { frame, direction in
                    let outcome = try simulator.judge(frame: frame.bytes, portRecord: record, direction: direction)
                    return [outcome.verdict.rawValue, outcome.reason?.rawValue, outcome.ruleName].compactMap(\.self)
                        .joined(separator: " ")
                }
            }
        }

        /// Frames of IPv4 have 50 bytes, of IPv6 70.
        private static func burst(_ family: AddressFamily) -> String {
            "limit: { rate: 1B/s, burst: \(family == .v4 ? 200 : 280) }"
        }

        /// A change of a group has each flow judged anew that depends on it. Otherwise whoever has groups changed, as a
        /// scan does that bans its sources, would get past the limit.
        @Test(arguments: AddressFamily.allCases) func whatIsJudgedAnewPays(family: AddressFamily) throws {
            let text = FlowScript.policy(
                """
                  - { name: banned, from: some, action: drop }
                  - { name: names, service: udp/53, direction: in, action: accept, \(Self.burst(family)) }
                """, defaults: "in: drop, out: drop, adopt: 0s"
            ).replacing("rules:", with: "groups: { some: { dynamic: {} } }\nrules:")
            try Self.onSite(text) { simulator, judge throws in
                let ask = Ends.frame(family, .udp(40000, 53, payload: [UInt8](repeating: 1, count: 8)))
                let answer = Frame(
                    Datagram(
                        Ends.server(family), Ends.client(family),
                        .udp(53, 40000, payload: [UInt8](repeating: 1, count: 8))))
                func change(_ number: UInt32) throws {
                    try simulator.add([Prefix(IPAddress(v4: 0xcb00_7200 + number))], to: "some", seconds: nil)
                }
                #expect(try judge(ask, .in) == "accept rule names")
                try change(1)
                #expect(try judge(answer, .out) == "accept established")
                try change(2)
                #expect(try judge(ask, .in) == "accept established")
                try change(3)
                #expect(try judge(answer, .out) == "accept established")
                // 200 or 280 bytes are used up.
                try change(4)
                #expect(try judge(answer, .out) == "drop rule names")
                #expect(try judge(ask, .in) == "drop rule names")
                simulator.pass(seconds: 75)
                try change(5)
                #expect(try judge(ask, .in) == "accept established")
            }
        }

        /// A flow pays the limit of the rule that opened it alone. Here a packet that the limited rule matches has a
        /// connection adopted that the other rule accepts.
        @Test(arguments: AddressFamily.allCases) func anotherRulesLimitIsNotPaid(family: AddressFamily) throws {
            let text = FlowScript.policy(
                """
                  - name: few
                    direction: out
                    service: { protocol: tcp, sourcePorts: [80] }
                    action: accept
                    \(Self.burst(family))
                  - { name: web, direction: in, service: tcp/80, action: accept }
                """, defaults: "in: drop, out: drop, adopt: 120s")
            try Self.onSite(text, adopts: true) { _, judge throws in
                let answer = Frame(
                    Datagram(
                        Ends.server(family), Ends.client(family),
                        .tcp(80, 40000, flags: 16, sequence: 5000, acknowledgement: 1001)))
                #expect(try judge(answer, .out) == "accept adopted web")
                for _ in 0..<9 { #expect(try judge(answer, .out) == "accept established") }
            }
        }

        /// A flow that goes on by a stateless rule pays its limit, each way.
        @Test(arguments: AddressFamily.allCases) func aFlowPaysAStatelessRule(family: AddressFamily) throws {
            func text(_ keys: String) -> String {
                FlowScript.policy(
                    "  - { name: names, service: udp/53, direction: in, action: accept\(keys) }",
                    defaults: "in: drop, out: drop, adopt: 0s")
            }
            let limited = try Compiler().compile(
                try Simulation.ruleset(text(", stateless: true, \(Self.burst(family))")))
            try Self.onSite(text("")) { simulator, judge throws in
                let payload = [UInt8](repeating: 1, count: 8)
                let ask = Ends.frame(family, .udp(40000, 53, payload: payload))
                let answer = Frame(
                    Datagram(Ends.server(family), Ends.client(family), .udp(53, 40000, payload: payload)))
                #expect(try judge(ask, .in) == "accept rule names")
                try simulator.use(limited)
                #expect(try judge(answer, .out) == "accept established")
                for _ in 0..<3 { #expect(try judge(ask, .in) == "accept established") }
                // 200 or 280 bytes are used up.
                #expect(try judge(answer, .out) == "drop rule names")
                #expect(try judge(ask, .in) == "drop rule names")
            }
        }

        /// A connection that takes the place of another one between the same ends pays as that did.
        @Test(arguments: AddressFamily.allCases) func aConnectionOverAnotherPays(family: AddressFamily) throws {
            let text = FlowScript.policy(
                "  - { name: web, service: tcp/80, direction: in, action: accept, limit: { rate: 1B/s, burst: 2kB } }",
                defaults: "in: drop, out: drop, adopt: 0s")
            try Self.onSite(text) { _, judge throws in
                let (syn, ack) = (UInt8(2), UInt8(16))
                func ask(_ flags: UInt8, _ sequence: UInt32, _ acknowledgement: UInt32 = 0, bytes: Int = 0) -> Frame {
                    Ends.frame(
                        family,
                        .tcp(
                            40000, 80, flags: flags, sequence: sequence, acknowledgement: acknowledgement,
                            payload: [UInt8](repeating: 1, count: bytes)))
                }
                func answer(_ flags: UInt8, _ sequence: UInt32, _ acknowledgement: UInt32) -> Frame {
                    Frame(
                        Datagram(
                            Ends.server(family), Ends.client(family),
                            .tcp(80, 40000, flags: flags, sequence: sequence, acknowledgement: acknowledgement)))
                }
                for start: UInt32 in [1000, 900_000] {
                    #expect(try judge(ask(syn, start), .in) == "accept rule web")
                    #expect(try judge(answer(syn | ack, 7000, start + 1), .out) == "accept established")
                    #expect(try judge(ask(ack, start + 1, 7001), .in) == "accept established")
                }
                #expect(try judge(ask(ack, 900_001, 7001, bytes: 1000), .in) == "accept established")
                // Less than 1000 bytes are left.
                #expect(try judge(ask(ack, 901_001, 7001, bytes: 1000), .in) == "drop rule web")
            }
        }

        /// A SYN over a connection passes a limited rule that leaves it to the next layer. When it is answered, the
        /// rules behind that one in its layer do not take it.
        @Test(arguments: AddressFamily.allCases) func anAnswerToASYNThatWasPassedOn(family: AddressFamily) throws {
            let text = """
                version: 1
                ports:
                  nic: { interface: nic0, protects: host }
                  web: { interface: tap0, protects: workload }
                defaults: { in: drop, out: drop, adopt: 0s }
                layers:
                  - name: first
                    rules:
                      - { name: few, service: tcp/80, direction: in, action: pass, limit: { rate: 1/s, burst: 9 } }
                      - { name: many, service: tcp/80, direction: in, action: drop }
                  - { name: second, rules: [{ name: web, service: tcp/80, direction: in, action: accept }] }
                """
            try Self.onSite(text) { _, judge throws in
                func ask(_ flags: UInt8, _ sequence: UInt32, _ acknowledgement: UInt32 = 0) -> Frame {
                    Ends.frame(
                        family,
                        .tcp(40000, 80, flags: flags, sequence: sequence, acknowledgement: acknowledgement))
                }
                func answer(_ flags: UInt8, _ sequence: UInt32, _ acknowledgement: UInt32) -> Frame {
                    Frame(
                        Datagram(
                            Ends.server(family), Ends.client(family),
                            .tcp(80, 40000, flags: flags, sequence: sequence, acknowledgement: acknowledgement)))
                }
                #expect(try judge(ask(2, 1000), .in) == "accept rule web")
                #expect(try judge(answer(18, 5000, 1001), .out) == "accept established")
                #expect(try judge(ask(16, 1001, 5001), .in) == "accept established")
                #expect(try judge(ask(2, 900_000), .in) == "accept rule web")
                #expect(try judge(answer(18, 7000, 900_001), .out) == "accept established")
                #expect(try judge(ask(16, 900_001, 7001), .in) == "accept established")
            }
        }
    }
}
