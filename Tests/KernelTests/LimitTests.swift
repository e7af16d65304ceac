// SPDX-License-Identifier: Apache-2.0
import Compiler
import Datapath
import Foundation
import Network
import Policy
import Simulation
import TestSupport
import Testing
import Wire

extension PacketTables {
    /// Rules that match only so often, or only until a certain time.
    @Suite struct LimitTests {
        /// Packets of one kind at the NIC, one after the other, and how many of them a limited rule matches.
        struct Burst: Sendable, CustomTestStringConvertible {
            var testDescription: String
            var limit: String
            var rule = "service: udp/53, direction: in, action: accept, stateless: true"
            /// The seconds that pass first, the number of packets, the wire packets in each, and how many the rule must
            /// match.
            var rounds: [(pass: Int, packets: Int, segments: UInt32, taken: Int)]
            var segment: @Sendable (Int) -> Segment = { _ in .udp(40000, 53, payload: [1]) }
            var source: @Sendable (Int) -> IPAddress = { _ in "192.0.2.1" }
        }

        static let bursts: [Burst] = [
            Burst(
                testDescription: "a burst and no more", limit: "rate: 1/m, burst: 5",
                rounds: [(0, 9, 1, 5), (0, 3, 1, 0)]),
            Burst(
                testDescription: "what the rate adds comes back, up to the burst", limit: "rate: 6/m, burst: 5",
                rounds: [(0, 9, 1, 5), (10, 3, 1, 1), (20, 3, 1, 2), (3600, 9, 1, 5)]),
            Burst(
                testDescription: "an uneven rate", limit: "rate: 7/m, burst: 7",
                rounds: [(0, 9, 1, 7), (8, 1, 1, 0), (1, 2, 1, 1), (51, 9, 1, 5), (1, 9, 1, 1)]),
            Burst(
                testDescription: "a burst that is not written is a second's worth", limit: "rate: 3/s",
                rounds: [(0, 9, 1, 3), (100, 9, 1, 3)]),
            Burst(
                testDescription: "at least one", limit: "rate: 30/m", rounds: [(0, 9, 1, 1), (2, 9, 1, 1)]),
            Burst(
                testDescription: "a burst as large as they come", limit: "rate: 1000000000/s, burst: 1000000000",
                rounds: [(0, 50, 1, 50)]),
            Burst(
                testDescription: "wire packets of super-packets, whole or not at all", limit: "rate: 1/m, burst: 25",
                rounds: [(0, 4, 10, 2), (0, 1, 6, 0), (0, 9, 1, 5)]),
            Burst(
                testDescription: "new flows at a stateful rule, super-packets too", limit: "rate: 1/m, burst: 3",
                rule: "service: udp/53, direction: in, action: accept",
                rounds: [(0, 2, 10, 2), (0, 2, 1, 1)], segment: { .udp(UInt16(40000 + $0), 53, payload: [1]) }),
            Burst(
                testDescription: "no packets of flows", limit: "rate: 1/m, burst: 1",
                rule: "service: udp/53, direction: in, action: accept", rounds: [(0, 9, 1, 1)]),
            Burst(
                testDescription: "each SYN is a new connection", limit: "rate: 1/m, burst: 3",
                rule: "service: tcp/80, direction: in, action: accept", rounds: [(0, 9, 1, 3)],
                segment: { _ in .tcp(40000, 80) }),
            Burst(
                testDescription: "dropped packets one by one", limit: "rate: 1/m, burst: 3",
                rule: "service: udp/53, direction: in, action: drop", rounds: [(0, 9, 1, 3)]),
            Burst(
                testDescription: "each source by itself", limit: "rate: 1/m, burst: 2, per: source",
                rounds: [(0, 40, 1, 20), (0, 10, 1, 0), (60, 20, 1, 10)],
                source: { IPAddress(v4: 0xc000_0200 + UInt32($0 % 10)) }),
            Burst(
                testDescription: "an hour's rate", limit: "rate: 6/h, burst: 2",
                rounds: [(0, 5, 1, 2), (599, 1, 1, 0), (1, 2, 1, 1), (3600, 5, 1, 2)]),
            Burst(
                testDescription: "each destination by itself", limit: "rate: 1/m, burst: 2, per: destination",
                rounds: [(0, 9, 1, 2)], source: { IPAddress(v4: 0xc000_0200 + UInt32($0)) }),
            Burst(
                testDescription: "each source prefix by itself",
                limit: "rate: 1/m, burst: 2, per: source, prefix: { v4: 24 }",
                rounds: [(0, 40, 1, 4)], source: { IPAddress(v4: 0xc000_0200 + UInt32($0 % 2) << 8 + UInt32($0)) }),
            Burst(
                testDescription: "56 bits of an IPv6 source",
                limit: "rate: 1/m, burst: 2, per: source, prefix: { v6: 56 }", rounds: [(0, 40, 1, 4)],
                source: { IPAddress(v6: UInt128(0x2001_0db8) << 96 | UInt128($0 % 2) << 72 | UInt128($0) << 64) }),
            Burst(
                testDescription: "each IPv6 address by itself",
                limit: "rate: 1/m, burst: 2, per: source, prefix: { v6: 128 }", rounds: [(0, 40, 1, 8)],
                source: { IPAddress(v6: UInt128(0x2001_0db8) << 96 | UInt128($0 % 4)) }),
            Burst(
                testDescription: "only what exceeds it", limit: "rate: 1/m, burst: 5, over: true",
                rule: "service: udp/53, direction: in, action: drop",
                rounds: [(0, 9, 1, 4), (0, 3, 1, 3), (60, 2, 1, 1)]),
            // A frame has 50 bytes: 14, 20, 8 and 8.
            Burst(
                testDescription: "bytes", limit: "rate: 50B/s, burst: 500",
                rounds: [(0, 20, 1, 10), (1, 3, 1, 1), (5, 9, 1, 5)],
                segment: { _ in .udp(40000, 53, payload: [UInt8](repeating: 0, count: 8)) }),
            Burst(
                testDescription: "bytes with units", limit: "rate: 1MB/s, burst: 50kB",
                rounds: [(0, 1010, 1, 1000), (1, 1010, 1, 1000)],
                segment: { _ in .udp(40000, 53, payload: [UInt8](repeating: 0, count: 8)) }),
            Burst(
                testDescription: "bytes of super-packets on the wire", limit: "rate: 60B/m, burst: 1000",
                rounds: [(0, 3, 10, 2)]),
            Burst(
                testDescription: "64 bits of an IPv6 source", limit: "rate: 1/m, burst: 2, per: source",
                rounds: [(0, 40, 1, 4)],
                source: { IPAddress(v6: UInt128(0x2001_0db8) << 96 | UInt128($0 % 2) << 64 | UInt128($0)) }),
        ]

        @Test(arguments: bursts) func takesWhatTheLimitLeaves(burst: Burst) throws {
            let text = FlowScript.policy("  - { name: limited, \(burst.rule), limit: { \(burst.limit) } }")
            let image = try Compiler().compile(try Simulation.ruleset(text))
            let record = image.portRecord(entry: 0, protects: .host)
            try FlowSimulator.use(image, adopts: false) { simulator throws in
                var index = 0
                for (number, round) in burst.rounds.enumerated() {
                    if round.pass > 0 { simulator.pass(seconds: round.pass) }
                    var taken = 0
                    for _ in 0..<round.packets {
                        defer { index += 1 }
                        let source = burst.source(index)
                        let frame = Frame(Datagram(source, Ends.server(source.family), burst.segment(index)))
                        // XDP drops none of these, and uses none of the limit.
                        let early = try simulator.judge(frame: frame.bytes, portRecord: record, hook: .xdp)
                        #expect(early.reason == nil)
                        let outcome = try simulator.judge(
                            frame: frame.bytes, portRecord: record, hook: .tcIngress,
                            segmentSize: round.segments > 1 ? 1000 : 0,
                            segments: round.segments > 1 ? round.segments : 0)
                        if outcome.reason == .rule { taken += 1 }
                        if outcome.reason == .rule { #expect(outcome.decided?.isLimited == true) }
                    }
                    #expect(taken == round.taken, "round \(number + 1)")
                }
            }
        }

        /// More sources than slots: no source within the limit is refused, and one over the limit stays limited.
        @Test func aFloodOfForgedSourcesRefusesNoOne() throws {
            let rule = "service: udp/53, direction: in, action: accept, stateless: true"
            let text = FlowScript.policy(
                "  - { name: limited, \(rule), limit: { rate: 1/m, burst: 40, per: source } }")
            let image = try Compiler().compile(try Simulation.ruleset(text))
            let record = image.portRecord(entry: 1, protects: .workload)
            func frame(_ source: UInt32) -> [UInt8] {
                Frame(Datagram(IPAddress(v4: source), Ends.server(.v4), .udp(40000, 53))).bytes
            }
            try FlowSimulator.use(image, adopts: false) { simulator throws in
                func isTaken(_ source: UInt32) throws -> Bool {
                    try simulator.judge(frame: frame(source), portRecord: record, hook: .tcEgress).reason == .rule
                }
                for _ in 0..<40 { #expect(try isTaken(1)) }
                var (honest, abuser) = (0, 0)
                for index in 0..<150_000 as Range<UInt32> {
                    try #require(try isTaken(0x0a00_0000 + index))
                    if index % 10_000 == 0, try isTaken(2) { honest += 1 }
                    if index % 10_000 == 0, try isTaken(1) { abuser += 1 }
                }
                #expect(honest == 15)
                #expect(abuser == 0)
            }
        }

        // MARK: Flows

        private static let talk = FlowTests.Talk(family: .v4)
        private static let limited = FlowScript.policy(
            """
              - { name: few, service: tcp/80, direction: in, action: accept, limit: { rate: 1/m, burst: 1 } }
              - { name: other, service: udp/53, direction: in, action: accept }
            """)
        /// The same with another rule before it: the rule's name keeps its used limit.
        private static let moved = limited.replacingOccurrences(
            of: "rules:\n", with: "rules:\n  - { name: first, service: tcp/1, action: drop }\n")
        private static let raised = limited.replacingOccurrences(of: "burst: 1", with: "burst: 2")
        private static let without = FlowScript.policy(
            "  - { name: few, service: tcp/80, direction: in, action: accept }")

        static let scripts: [FlowScript] = [
            FlowScript(
                "what an established flow sends is not counted", under: limited,
                talk.handshake() + [
                    .frame(talk.there(.tcp(40001, 80)), at: "web", .in, "drop default"),
                    .frame(talk.ask(24, 1001, 5001, payload: 9), at: "web", .in, "accept established"),
                    .pass(seconds: 60), .frame(talk.there(.tcp(40001, 80)), at: "web", .in, "accept rule"),
                ]),
            FlowScript(
                "a segment without a flow takes nothing", under: limited,
                [.frame(talk.ask(16, 1, 1), at: "web", .in, "drop invalid-state")] + talk.handshake()),
            FlowScript(
                "a connection that was there before takes nothing", under: limited, adopts: true,
                [
                    .frame(talk.ask(16, 1, 1), at: "web", .in, "accept adopted"),
                    .frame(talk.there(.tcp(40001, 80, flags: 16)), at: "web", .in, "accept adopted"),
                    .frame(talk.back(.tcp(80, 40002, flags: 16)), at: "web", .out, "accept adopted"),
                    .frame(talk.there(.tcp(40003, 80)), at: "web", .in, "accept rule"),
                    .frame(talk.there(.tcp(40004, 80)), at: "web", .in, "drop default"),
                ]),
            FlowScript(
                "a new policy keeps what is used, and judges flows whatever is", under: limited,
                talk.handshake() + [
                    .swap(moved), .frame(talk.there(.tcp(40001, 80)), at: "web", .in, "drop default"),
                    .frame(talk.ask(24, 1001, 5001, payload: 9), at: "web", .in, "accept established"),
                    .pass(seconds: 60), .frame(talk.there(.tcp(40001, 80)), at: "web", .in, "accept rule"),
                ]),
            FlowScript(
                "another limit starts anew", under: limited,
                [
                    .frame(talk.there(.tcp(40001, 80)), at: "web", .in, "accept rule"), .swap(raised),
                    .frame(talk.there(.tcp(40002, 80)), at: "web", .in, "accept rule"),
                    .frame(talk.there(.tcp(40003, 80)), at: "web", .in, "accept rule"),
                    .frame(talk.there(.tcp(40004, 80)), at: "web", .in, "drop default"),
                    .swap(without), .frame(talk.there(.tcp(40005, 80)), at: "web", .in, "accept rule"),
                    .swap(raised), .frame(talk.there(.tcp(40006, 80)), at: "web", .in, "accept rule"),
                ]),
        ]

        @Test(arguments: scripts) func limitsAndFlows(script: FlowScript) throws { try script.run() }

        // MARK: Expiry

        /// A rule that expires in five minutes, before one that does the opposite.
        @Test(arguments: [Action.accept, .drop]) func aRuleExpires(action: Action) throws {
            let inFiveMinutes = Timestamp(nanoseconds: UInt64(Date().timeIntervalSince1970 + 300) * 1_000_000_000)
            let contrary: Action = action == .accept ? .drop : .accept
            let text = FlowScript.policy(
                """
                  - { name: passing, service: tcp/80, direction: in, action: \(action.rawValue), \
                expires: "\(inFiveMinutes)" }
                  - { name: rest, service: tcp/80, direction: in, action: \(contrary.rawValue) }
                """)
            let image = try Compiler().compile(try Simulation.ruleset(text))
            let record = image.portRecord(entry: 1, protects: .workload)
            try FlowSimulator.use(image, adopts: false) { simulator throws in
                func judge(_ frame: Frame, hook: Simulator.Hook = .tcEgress) throws -> String {
                    let outcome = try simulator.judge(frame: frame.bytes, portRecord: record, hook: hook)
                    return [outcome.verdict.rawValue, outcome.reason?.rawValue, outcome.ruleName].compactMap(\.self)
                        .joined(separator: " ")
                }
                let talk = Self.talk
                #expect(try judge(talk.ask(2, 1000)) == "\(action.rawValue) rule passing")
                let isOpen = action == .accept
                if isOpen {
                    #expect(try judge(talk.answer(18, 5000, 1001), hook: .tcIngress) == "accept established")
                    #expect(try judge(talk.ask(16, 1001, 5001)) == "accept established")
                }
                simulator.pass(seconds: 200)
                #expect(try judge(talk.there(.tcp(40001, 80))) == "\(action.rawValue) rule passing")
                if isOpen { #expect(try judge(talk.ask(16, 1001, 5001)) == "accept established") }
                simulator.pass(seconds: 101)
                #expect(try judge(talk.there(.tcp(40002, 80))) == "\(contrary.rawValue) rule rest")
                if isOpen {
                    // The flows that it opened end with it.
                    #expect(try judge(talk.ask(16, 1001, 5001)) == "drop policy-changed rest")
                    #expect(try judge(talk.ask(16, 1001, 5001)) == "drop rule rest")
                }
            }
        }

        /// XDP may decide by a rule that expires, if tc would decide the same.
        @Test func whatExpiresMayBeDroppedEarly() throws {
            let text = FlowScript.policy(
                "  - { name: passing, service: tcp/80, action: drop, expires: 2100-01-01T00:00:00Z }",
                defaults: "in: accept, out: accept")
            let image = try Compiler().compile(try Simulation.ruleset(text))
            try FlowSimulator.use(image, adopts: false) { simulator throws in
                let outcome = try simulator.judge(
                    frame: Self.talk.ask(2, 1000).bytes, portRecord: image.portRecord(entry: 0, protects: .host),
                    hook: .xdp)
                #expect(outcome.ruleName == "passing")
                #expect(outcome.verdict == .drop)
            }
        }
    }
}
