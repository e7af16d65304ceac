// SPDX-License-Identifier: Apache-2.0
import Compiler
import Network
import TestSupport
import Testing

extension PacketTables {
    /// Sequences of packets through the kernel's own programs and flow table.
    @Suite struct FlowTests {
        /// A client outside and a server inside, in both families.
        struct Talk: Sendable {
            var family: AddressFamily
            var tags: [UInt16] = []

            var client: IPAddress { Ends.client(family) }
            var server: IPAddress { Ends.server(family) }

            func there(_ segment: Segment) -> Frame { Frame(Datagram(client, server, segment), tags: frameTags) }
            func back(_ segment: Segment) -> Frame { Frame(Datagram(server, client, segment), tags: frameTags) }
            private var frameTags: [Frame.Tag] { tags.map { Frame.Tag($0) } }

            func ask(_ flags: UInt8, _ sequence: UInt32, _ acknowledgement: UInt32 = 0, payload: Int = 0) -> Frame {
                there(
                    .tcp(
                        40000, 80, flags: flags, sequence: sequence, acknowledgement: acknowledgement,
                        payload: Array(repeating: 1, count: payload)))
            }

            func answer(_ flags: UInt8, _ sequence: UInt32, _ acknowledgement: UInt32 = 0, payload: Int = 0) -> Frame {
                back(
                    .tcp(
                        80, 40000, flags: flags, sequence: sequence, acknowledgement: acknowledgement,
                        payload: Array(repeating: 1, count: payload)))
            }

            func echo(_ identifier: UInt16) -> (request: Segment, reply: Segment) {
                let body = [UInt8(identifier >> 8), UInt8(identifier & 255), 0, 1]
                return family == .v4
                    ? (.icmp(8, body: body), .icmp(0, body: body))
                    : (.icmpv6(128, body: body), .icmpv6(129, body: body))
            }

            var echo: (request: Segment, reply: Segment) {
                family == .v4 ? (.icmp(8), .icmp(0)) : (.icmpv6(128), .icmpv6(129))
            }

            /// An ICMP error about `quoted` from a router on the way.
            func error(
                to target: IPAddress, about quoted: Datagram, redirect: Bool = false, from router: IPAddress? = nil
            ) -> Frame {
                let body = [0, 0, 0, 0] + quoted.bytes
                let segment: Segment =
                    family == .v4
                    ? .icmp(redirect ? 5 : 3, redirect ? 0 : 1, body: body)
                    : .icmpv6(redirect ? 137 : 1, 0, body: body)
                let sender = router ?? (family == .v4 ? "203.0.113.1" : "2001:db8:ffff::1")
                return Frame(Datagram(sender, target, segment), tags: frameTags)
            }

            /// A handshake at a port whose server is inside.
            func handshake(at port: String = "web") -> [FlowScript.Step] {
                [
                    .frame(ask(2, 1000), at: port, .in, "accept rule"),
                    .frame(answer(18, 5000, 1001), at: port, .out, "accept established"),
                    .frame(ask(16, 1001, 5001), at: port, .in, "accept established"),
                ]
            }
        }

        private static let scripts: [FlowScript] = AddressFamily.allCases.flatMap { family in
            let talk = Talk(family: family)
            let groups = [tcp, resets, others, errors, places, swaps, untracked, limits].map { $0(talk) }
            return groups.joined().map { script in
                var script = script
                script.testDescription = "IP\(family): " + script.testDescription
                return script
            }
        }

        static let established = "accept established"
        private static let invalid = "drop invalid-state"

        private static func tcp(_ talk: Talk) -> [FlowScript] {
            [
                FlowScript(
                    "replies are admitted, both ends may talk",
                    [.flows([])] + talk.handshake() + [
                        .frame(talk.answer(24, 5001, 1001, payload: 10), at: "web", .out, established),
                        .frame(talk.ask(24, 1001, 5011, payload: 10), at: "web", .in, established),
                        .flows([.established]),
                    ]),
                FlowScript(
                    "a SYN in the reply direction is a new connection",
                    talk.handshake() + [.frame(talk.answer(2, 9000), at: "web", .out, "drop default")]),
                FlowScript(
                    "SYN with FIN or RST",
                    [
                        .frame(talk.ask(3, 1), at: "web", .in, invalid),
                        .frame(talk.ask(6, 1), at: "web", .in, invalid),
                        .flows([]),
                    ]),
                FlowScript(
                    "a segment that no flow covers",
                    [
                        .frame(talk.ask(16, 1, 1), at: "web", .in, invalid),
                        .frame(talk.ask(18, 1, 1), at: "web", .in, invalid),
                        .frame(talk.answer(16, 1, 1), at: "web", .out, "drop default"), .flows([]),
                    ]),
                FlowScript(
                    "a FIN each way closes",
                    talk.handshake() + [
                        .frame(talk.ask(17, 1001, 5001), at: "web", .in, established), .flows([.established]),
                        .frame(talk.answer(17, 5001, 1002), at: "web", .out, established), .flows([.closing]),
                        .frame(talk.ask(16, 1002, 5002), at: "web", .in, established), .pass(seconds: 125),
                        .frame(talk.ask(16, 1002, 5002), at: "web", .in, invalid),
                    ]),
                FlowScript(
                    "half-open flows expire soon, established ones after two hours",
                    [
                        .frame(talk.ask(2, 1000), at: "web", .in, "accept rule"), .flows([.opening]),
                        .pass(seconds: 35), .frame(talk.answer(18, 5000, 1001), at: "web", .out, "drop default"),
                    ] + talk.handshake() + [
                        .pass(seconds: 7440), .frame(talk.ask(16, 1001, 5001), at: "web", .in, established),
                        .pass(seconds: 7510), .frame(talk.ask(16, 1001, 5001), at: "web", .in, invalid),
                    ]),
                FlowScript(
                    "an acknowledgement out of the blue establishes nothing",
                    [
                        .frame(talk.ask(2, 1000), at: "web", .in, "accept rule"),
                        .frame(talk.answer(18, 5000, 1001), at: "web", .out, established), .flows([.answered]),
                        .frame(talk.ask(16, 1001, 0x8000_0000), at: "web", .in, established), .flows([.answered]),
                        .frame(talk.ask(16, 1001, 5001), at: "web", .in, established), .flows([.established]),
                    ]),
            ]
        }

        private static func resets(_ talk: Talk) -> [FlowScript] {
            [
                FlowScript(
                    "a reset out of the window is refused, and changes nothing",
                    talk.handshake() + [
                        .frame(talk.ask(4, 900), at: "web", .in, invalid),
                        .frame(talk.ask(4, 70000), at: "web", .in, invalid),
                        .frame(talk.answer(4, 4999), at: "web", .out, invalid), .flows([.established]),
                    ]),
                FlowScript(
                    "a reset in the window closes",
                    talk.handshake() + [
                        .frame(talk.ask(4, 1001), at: "web", .in, established), .flows([.closed]),
                        .pass(seconds: 15), .frame(talk.ask(16, 1001, 5001), at: "web", .in, invalid),
                    ]),
                FlowScript(
                    "a connection is refused",
                    [
                        .frame(talk.ask(2, 1000), at: "web", .in, "accept rule"),
                        .frame(talk.answer(20, 0, 7), at: "web", .out, invalid),
                        .frame(talk.answer(20, 0, 1001), at: "web", .out, established), .flows([.closed]),
                    ]),
            ]
        }

        private static func others(_ talk: Talk) -> [FlowScript] {
            let udp = (Segment.udp(40000, 53), Segment.udp(53, 40000))
            let sctp = (Segment.sctp(40000, 3868), Segment.sctp(3868, 40000))
            let gre = Segment(number: 47, bytes: [0, 0, 8, 0])
            let pairs = [
                ("UDP", udp.0, udp.1), ("SCTP", sctp.0, sctp.1), ("echo", talk.echo.request, talk.echo.reply),
                ("protocol 47", gre, gre),
            ]
            return pairs.map { name, request, reply in
                FlowScript(
                    "\(name): replies are admitted, until it is idle",
                    [
                        .frame(talk.back(reply), at: "web", .out, "drop default"),
                        .frame(talk.there(request), at: "web", .in, "accept rule"),
                        .frame(talk.back(reply), at: "web", .out, established), .flows([.answered]),
                        .frame(talk.there(request), at: "web", .in, established), .flows([.established]),
                        .pass(seconds: 7600), .frame(talk.back(reply), at: "web", .out, "drop default"),
                    ])
            } + [
                FlowScript(
                    "what is let in after authentication opens nothing for what is not",
                    under: FlowScript.policy("  - { name: ipsec, service: proto/51, action: accept }"),
                    [
                        .frame(authenticated(talk, back: false), at: "web", .in, "accept rule"),
                        .frame(authenticated(talk, back: false), at: "web", .in, established),
                        .frame(talk.there(.udp(40000, 53)), at: "web", .in, "drop default"),
                        .frame(talk.back(.udp(53, 40000)), at: "web", .out, "drop default"),
                        .frame(authenticated(talk, back: true), at: "web", .out, established),
                    ]),
                FlowScript(
                    "requests with the same identifier each way are two conversations",
                    under: FlowScript.policy("  - { name: ping, service: ping, action: accept }"),
                    [
                        .frame(talk.there(talk.echo.reply), at: "web", .in, "drop default"),
                        .frame(talk.there(talk.echo.request), at: "web", .in, "accept rule"),
                        .frame(talk.there(talk.echo.reply), at: "web", .in, "drop default"),
                        .frame(talk.back(talk.echo.request), at: "web", .out, "accept rule"),
                        .frame(talk.there(talk.echo.reply), at: "web", .in, established),
                        .frame(talk.there(talk.echo.request), at: "web", .in, established),
                        .flows([.answered, .opening]),
                        .frame(talk.there(talk.echo.reply), at: "web", .in, established),
                        .frame(talk.back(talk.echo.reply), at: "web", .out, established),
                    ]),
                FlowScript(
                    "no request of another identifier the other way, nor a reply from who asked",
                    [.frame(talk.there(talk.echo(1).request), at: "web", .in, "accept rule")]
                        + [0, 1, 2, 0xfffe, 0xffff].flatMap { number -> [FlowScript.Step] in
                            [
                                .frame(talk.back(talk.echo(number).request), at: "web", .out, "drop default"),
                                .frame(talk.there(talk.echo(number).reply), at: "web", .in, "drop default"),
                            ]
                        }),
                FlowScript(
                    "an echo reply of another identifier",
                    [
                        .frame(talk.there(talk.echo.request), at: "web", .in, "accept rule"),
                        .frame(
                            talk.back(
                                talk.family == .v4 ? .icmp(0, body: [0, 2, 0, 1]) : .icmpv6(129, body: [0, 2, 0, 1])),
                            at: "web", .out, "drop default"),
                    ]),
            ]
        }

        /// A datagram after an authentication header.
        private static func authenticated(_ talk: Talk, back: Bool) -> Frame {
            back
                ? Frame(Datagram(talk.server, talk.client, .udp(53, 40000)) { $0.extensions = [.authentication()] })
                : Frame(Datagram(talk.client, talk.server, .udp(40000, 53)) { $0.extensions = [.authentication()] })
        }

        private static func errors(_ talk: Talk) -> [FlowScript] {
            func datagram(_ segment: Segment, back: Bool = false) -> Datagram {
                back ? Datagram(talk.server, talk.client, segment) : Datagram(talk.client, talk.server, segment)
            }
            let answer = datagram(.tcp(80, 40000, flags: 16), back: true)
            let ask = datagram(.tcp(40000, 80, flags: 16))
            let pong = datagram(talk.echo.reply, back: true)
            let related = "accept related"
            return [
                FlowScript(
                    "errors about a connection's packets, to who sent them",
                    talk.handshake() + [
                        .frame(talk.error(to: talk.server, about: answer), at: "web", .in, related),
                        .frame(talk.error(to: talk.client, about: ask), at: "web", .out, related),
                        .frame(talk.error(to: talk.client, about: ask), at: "web", .in, "drop default"),
                        .frame(talk.error(to: talk.client, about: answer), at: "web", .in, "drop default"),
                        .frame(
                            talk.error(to: talk.server, about: datagram(.tcp(81, 40000), back: true)), at: "web", .in,
                            "drop default"),
                    ]),
                FlowScript(
                    "an error refreshes nothing",
                    [
                        .frame(talk.there(.udp()), at: "web", .in, "accept rule"), .pass(seconds: 20),
                        .frame(talk.error(to: talk.client, about: datagram(.udp())), at: "web", .out, related),
                        .pass(seconds: 20),
                        .frame(talk.error(to: talk.client, about: datagram(.udp())), at: "web", .out, "drop default"),
                    ]),
                FlowScript(
                    "errors about an echo",
                    [
                        .frame(talk.there(talk.echo.request), at: "web", .in, "accept rule"),
                        .frame(talk.error(to: talk.server, about: pong), at: "web", .in, related),
                        .frame(
                            talk.error(to: talk.client, about: datagram(talk.echo.request)), at: "web", .out, related),
                    ]),
                FlowScript(
                    "no error about a request that goes the other way than the one that opened the flow",
                    [
                        .frame(talk.there(talk.echo.request), at: "web", .in, "accept rule"),
                        .frame(
                            talk.error(to: talk.server, about: datagram(talk.echo.request, back: true)), at: "web",
                            .in, "drop default"),
                        .frame(
                            talk.error(to: talk.client, about: datagram(talk.echo.reply)), at: "web", .out,
                            "drop default"),
                    ]),
                FlowScript(
                    "never a redirect",
                    talk.handshake() + [
                        .frame(
                            talk.error(to: talk.server, about: answer, redirect: true), at: "web", .in, "drop default")
                    ]),
                FlowScript(
                    "errors about what is accepted without a flow", under: FlowScript.stateless,
                    [
                        .frame(talk.ask(16, 1, 1), at: "web", .in, "accept rule"), .flows([]),
                        .frame(talk.error(to: talk.client, about: ask), at: "web", .out, related),
                        .frame(talk.error(to: talk.server, about: answer), at: "web", .in, "drop default"),
                        .frame(talk.answer(16, 1, 1), at: "web", .out, "drop default"),
                    ]),
            ]
        }

        private static func places(_ talk: Talk) -> [FlowScript] {
            let tagged = Talk(family: talk.family, tags: [10])
            return [
                FlowScript(
                    "a flow at one port admits nothing at another",
                    talk.handshake(at: "web") + [
                        .frame(talk.answer(16, 5001, 1001), at: "db", .out, "drop default"),
                        .frame(talk.ask(16, 1001, 5001), at: "db", .in, invalid),
                        .frame(talk.ask(16, 1001, 5001), at: "nic", .in, invalid),
                    ]),
                FlowScript(
                    "a flow of one VLAN admits nothing of another",
                    talk.handshake() + [
                        .frame(tagged.ask(16, 1001, 5001), at: "web", .in, invalid),
                        .frame(tagged.ask(2, 1), at: "web", .in, "accept rule"),
                        .frame(tagged.answer(18, 1, 2), at: "web", .out, established),
                        .flows([.answered, .established]),
                    ]),
                FlowScript(
                    "what an address sends to itself comes back as an answer alone",
                    [
                        .frame(
                            Frame(Datagram(talk.server, talk.server, talk.echo.request)), at: "web", .in,
                            "accept rule"),
                        .frame(
                            Frame(Datagram(talk.server, talk.server, talk.echo.request)), at: "web", .out,
                            "drop default"),
                        .frame(
                            Frame(Datagram(talk.server, talk.server, talk.echo.reply)), at: "web", .out, established),
                        .frame(
                            talk.error(to: talk.server, about: Datagram(talk.server, talk.server, talk.echo.request)),
                            at: "web", .in, "drop default"),
                        .frame(
                            talk.error(to: talk.server, about: Datagram(talk.server, talk.server, talk.echo.request)),
                            at: "web", .out, "accept related"),
                    ]),
                FlowScript(
                    "packets of the client are admitted one way only",
                    talk.handshake() + [.frame(talk.ask(16, 1001, 5001), at: "web", .out, "drop default")]),
                FlowScript(
                    "a host that forwards has a flow each way", under: FlowScript.renamed,
                    [
                        .swap(FlowScript.renamed.replacingOccurrences(of: "direction: in,", with: "")),
                        .frame(talk.ask(2, 1000), at: "nic", .in, "accept rule"),
                        .frame(talk.ask(2, 1000), at: "nic", .out, "accept rule"),
                        .frame(talk.answer(18, 5000, 1001), at: "nic", .in, established),
                        .frame(talk.answer(18, 5000, 1001), at: "nic", .out, established),
                        .frame(talk.ask(16, 1001, 5001), at: "nic", .in, established),
                        .frame(talk.ask(16, 1001, 5001), at: "nic", .out, established),
                        .flows([.established, .established]),
                    ]),
            ]
        }

        @Test(arguments: scripts) func goes(script: FlowScript) throws { try script.run() }

        @Test(arguments: scripts) func theModelAgrees(script: FlowScript) throws {
            // In the model there is always room.
            if !script.policy.contains("maxFlows") { try script.runModel() }
        }
    }
}
