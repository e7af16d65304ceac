// SPDX-License-Identifier: Apache-2.0
import Compiler
import TestSupport

/// What needs no flow, what a new policy makes of flows, and what limits make of them.
extension PacketTables.FlowTests {
    /// What is accepted both ways needs no flow; what is open when that ends is adopted.
    static func untracked(_ talk: Talk) -> [FlowScript] {
        let open = FlowScript.policy(
            "  - { name: no, service: tcp/1, action: drop }", defaults: "in: accept, out: accept")
        let byRule = FlowScript.policy("  - { name: all, action: accept }")
        let ask = talk.there(.udp(40000, 53))
        let answer = talk.back(.udp(53, 40000))
        func exchange(_ reason: String) -> [FlowScript.Step] {
            [
                .frame(ask, at: "web", .in, reason), .frame(answer, at: "web", .out, reason),
                .frame(talk.there(talk.echo.request), at: "web", .in, reason),
                .frame(
                    talk.error(to: talk.client, about: Datagram(talk.client, talk.server, .udp(40000, 53))),
                    at: "web", .out, "accept related"),
                .flows([]),
            ]
        }
        let steps: [FlowScript.Step] =
            exchange("accept default") + [
                .frame(talk.ask(2, 1000), at: "web", .in, "accept default"), .flows([.opening]),
                .frame(talk.answer(18, 5000, 1001), at: "web", .out, established), .swap(FlowScript.closed),
            ]
        return [
            FlowScript("what defaults accept both ways", under: open, adopts: true, exchange("accept default")),
            FlowScript("what a rule accepts both ways", under: byRule, adopts: true, exchange("accept rule")),
            FlowScript(
                "is adopted by a policy that does not", under: open, adopts: true,
                steps + [
                    .frame(answer, at: "web", .out, "accept adopted"), .frame(answer, at: "web", .out, established),
                    .frame(ask, at: "web", .in, established),
                    .frame(talk.back(talk.echo.reply), at: "web", .out, "accept adopted"),
                    // Not what its ports call an opening, nor what the other way is not accepted.
                    .frame(talk.back(.udp(40000, 53)), at: "web", .out, "drop default"),
                    .frame(talk.back(.udp(54, 40001)), at: "web", .out, "drop default"),
                ]),
            FlowScript(
                "without adopting it goes on with the opener", under: open,
                steps + [
                    .frame(answer, at: "web", .out, "drop default"), .frame(ask, at: "web", .in, "accept rule"),
                    .frame(answer, at: "web", .out, established),
                ]),
            FlowScript(
                "nothing is adopted after a policy of flows", under: FlowScript.closed, adopts: true,
                [
                    .frame(ask, at: "web", .in, "accept rule"), .swap(FlowScript.renamed),
                    .frame(talk.back(.udp(53, 40001)), at: "web", .out, "drop default"),
                ]),
        ]
    }

    static func limits(_ talk: Talk) -> [FlowScript] {
        let few = FlowScript.policy(
            """
              - { name: few, service: tcp/80, direction: in, limit: { rate: 1/m, burst: 1 }, action: drop }
              - { name: others, service: tcp/80, direction: in, action: accept }
            """)
        let fewAnswers =
            FlowScript.policy(
                """
                  - name: few
                    service: { protocol: tcp, ports: "*", sourcePorts: 80 }
                    direction: out
                    limit: { rate: 1/m, burst: 1 }
                    action: drop
                  - { name: web, from: { except: bad }, service: tcp/80, direction: in, action: accept }
                """) + "\ngroups: { bad: { dynamic: { max: 8, timeout: 1h } } }"
        let fewBack = FlowScript.policy(
            """
              - name: few
                service: { protocol: tcp, ports: 40000, sourcePorts: 80 }
                direction: out
                limit: { rate: 1/m, burst: 1 }
                action: drop
              - { name: all, service: tcp/*, action: accept }
            """)
        let other = { (port: UInt16) in talk.there(.tcp(port, 80)) }
        return [
            FlowScript(
                "a SYN that was over a limit goes on where it came over another one", under: few,
                [
                    .frame(talk.ask(2, 1000), at: "web", .in, "drop rule"),
                    .frame(talk.ask(2, 1000), at: "web", .in, "accept rule"),
                    .frame(talk.ask(2, 70000), at: "web", .in, "accept rule"),
                    .frame(talk.answer(18, 5000, 70001), at: "web", .out, established),
                    .frame(talk.ask(16, 70001, 5001), at: "web", .in, established),
                    .frame(talk.answer(16, 5001, 70001), at: "web", .out, established),
                ]),
            FlowScript(
                "so does one from the other end", under: fewBack,
                talk.handshake() + [
                    .frame(talk.answer(2, 9000), at: "web", .out, "drop rule"),
                    .frame(talk.answer(2, 9000), at: "web", .out, "accept rule"),
                    .frame(talk.ask(18, 70000, 9001), at: "web", .in, established),
                    .frame(talk.answer(16, 9001, 70001), at: "web", .out, established),
                    .frame(talk.ask(16, 70001, 9001), at: "web", .in, established), .flows([.established]),
                ]),
            FlowScript(
                "what was adopted over a limit goes on", under: fewAnswers, adopts: true,
                [
                    .frame(talk.answer(16, 5001, 1001), at: "web", .out, "drop rule"),
                    .frame(talk.answer(16, 5001, 1001), at: "web", .out, "accept adopted"),
                    .frame(talk.answer(16, 5001, 1001), at: "web", .out, established),
                    .frame(talk.ask(16, 1001, 5001), at: "web", .in, established),
                ]),
            FlowScript(
                "maxFlows", under: FlowScript.narrow,
                talk.handshake() + [
                    .frame(other(40001), at: "web", .in, "drop flow-table-full"),
                    .frame(other(40001), at: "db", .in, "accept rule"),
                    .frame(talk.ask(16, 1001, 5001), at: "web", .in, established),
                ]),
        ]
    }

    private static let bothWays = FlowScript.policy("  - { name: all, service: tcp/*, action: accept }")

    static func swaps(_ talk: Talk) -> [FlowScript] {
        [
            FlowScript(
                "a flow that the new policy accepts goes on, whatever rule says so",
                talk.handshake() + [
                    .swap(FlowScript.renamed), .frame(talk.answer(16, 5001, 1001), at: "web", .out, established),
                    .frame(talk.ask(16, 1001, 5001), at: "web", .in, established),
                ]),
            FlowScript(
                "a flow that the new policy denies ends with its next packet",
                talk.handshake() + [
                    .swap(FlowScript.shut),
                    .frame(talk.answer(16, 5001, 1001), at: "web", .out, "drop policy-changed"), .flows([]),
                    .frame(talk.answer(16, 5001, 1001), at: "web", .out, "drop rule"),
                    .frame(talk.ask(16, 1001, 5001), at: "web", .in, "drop rule"),
                ]),
            FlowScript(
                "a SYN from the other end is answered, though the new policy denies the connection that it came over",
                under: bothWays,
                talk.handshake() + [
                    .frame(talk.answer(2, 9000), at: "web", .out, "accept rule"), .swap(FlowScript.outward),
                    .frame(talk.ask(18, 70000, 9001), at: "web", .in, established),
                    .frame(talk.answer(16, 9001, 70001), at: "web", .out, established), .flows([.established]),
                    .swap(FlowScript.renamed),
                    .frame(talk.ask(16, 70001, 9001), at: "web", .in, "drop policy-changed"),
                ]),
            FlowScript(
                "and is not, where the new policy denies it: the connection that it came over goes on",
                under: bothWays,
                talk.handshake() + [
                    .frame(talk.answer(2, 9000), at: "web", .out, "accept rule"), .swap(FlowScript.renamed),
                    .frame(talk.ask(18, 70000, 9001), at: "web", .in, "drop policy-changed"),
                    .frame(talk.answer(16, 5001, 1001), at: "web", .out, established),
                    .frame(talk.ask(16, 1001, 5001), at: "web", .in, established), .flows([.established]),
                ]),
            FlowScript(
                "an echo ends alike",
                [
                    .frame(talk.there(talk.echo.request), at: "web", .in, "accept rule"), .swap(FlowScript.outward),
                    .frame(talk.back(talk.echo.reply), at: "web", .out, "drop policy-changed"),
                ]),
            FlowScript(
                "adopted: the lower port is the server", under: FlowScript.closed, adopts: true,
                [
                    .frame(talk.answer(16, 5001, 1001), at: "web", .out, "accept adopted"), .flows([.opening]),
                    .frame(talk.answer(16, 5002, 1001), at: "web", .out, established), .flows([.opening]),
                    .frame(talk.ask(16, 1001, 5001), at: "web", .in, established), .flows([.established]),
                    .frame(talk.there(.tcp(40001, 80, flags: 16)), at: "web", .in, "accept adopted"),
                    .frame(talk.there(.tcp(40001, 81, flags: 16)), at: "web", .in, "drop default"),
                    .frame(talk.back(.tcp(40001, 80, flags: 16)), at: "web", .out, "drop default"),
                    .frame(talk.there(.tcp(80, 40002, flags: 16)), at: "web", .in, "drop default"),
                ]),
            FlowScript(
                "not adopted: both ports are high, and one way is accepted", under: FlowScript.renamed,
                adopts: true,
                [
                    .frame(talk.there(.tcp(40000, 50000, flags: 16)), at: "web", .in, "drop default"),
                    .frame(talk.back(.tcp(50000, 40000, flags: 16)), at: "web", .out, "drop default"),
                ]),
            FlowScript(
                "adopted: both ports are high, so both ways must be accepted",
                under: FlowScript.renamed.replacingOccurrences(of: "direction: in,", with: ""), adopts: true,
                [
                    .frame(talk.there(.tcp(40000, 50000, flags: 16)), at: "web", .in, "accept adopted"),
                    .frame(talk.there(.tcp(40000, 50000, flags: 16)), at: "web", .in, established),
                    .frame(talk.back(.tcp(50000, 40000, flags: 16)), at: "web", .out, established),
                    .flows([.established]),
                ]),
        ]
    }
}
