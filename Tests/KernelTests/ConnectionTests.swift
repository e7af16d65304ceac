// SPDX-License-Identifier: Apache-2.0
import Compiler
import Datapath
import Network
import Policy
import Simulation
import TestSupport
import Testing
import Wire

extension PacketTables {
    /// Rules that match only while few of the flows that they opened are open.
    @Suite struct ConnectionTests {
        private static let rule = "service: [tcp/80, udp/53], direction: in, action: accept"

        private static func policy(_ connections: String, before: String = "", after: String = "") -> String {
            FlowScript.policy(before + "  - { name: few, \(rule), connections: { \(connections) } }\n" + after)
        }

        private static let two = policy("max: 2, per: source")

        /// Hosts outside, and one inside.
        private struct Site: Sendable {
            var family: AddressFamily

            /// The hosts `10 * n` and on are in one /24, or /56; of IPv6 each is in a /64 of its own.
            func client(_ number: Int) -> IPAddress {
                family == .v4
                    ? IPAddress(v4: 0xc633_0000 + UInt32(number / 10) << 8 + UInt32(number % 10) + 1)
                    : IPAddress(
                        v6: UInt128(0x2001_0db8_0001) << 80 | UInt128(number / 10) << 72 | UInt128(number % 10) << 64
                            | 1)
            }

            var server: IPAddress { Ends.server(family) }

            private func segment(
                _ port: UInt16, _ flags: UInt8, _ numbers: (UInt32, UInt32), fromServer: Bool = false
            ) -> Segment {
                .tcp(
                    fromServer ? 80 : port, fromServer ? port : 80, flags: flags, sequence: numbers.0,
                    acknowledgement: numbers.1)
            }

            func there(_ host: Int, _ segment: Segment, _ said: String, at port: String = "web") -> FlowScript.Step {
                .frame(Frame(Datagram(client(host), server, segment)), at: port, .in, said)
            }

            func back(_ host: Int, _ segment: Segment, _ said: String, at port: String = "web") -> FlowScript.Step {
                .frame(Frame(Datagram(server, client(host), segment)), at: port, .out, said)
            }

            func opens(_ host: Int, _ port: UInt16, at place: String = "web") -> FlowScript.Step {
                there(host, segment(port, 2, (1000, 0)), "accept rule", at: place)
            }

            func isRefused(_ host: Int, _ port: UInt16, at place: String = "web") -> FlowScript.Step {
                there(host, segment(port, 2, (1000, 0)), "drop default", at: place)
            }

            /// The rest of a handshake.
            func shakes(_ host: Int, _ port: UInt16) -> [FlowScript.Step] {
                [
                    back(host, segment(port, 18, (5000, 1001), fromServer: true), "accept established"),
                    there(host, segment(port, 16, (1001, 5001)), "accept established"),
                ]
            }

            func speaks(_ host: Int, _ port: UInt16, _ said: String = "accept established") -> FlowScript.Step {
                there(host, segment(port, 16, (1001, 5001)), said)
            }

            /// A FIN each way.
            func closes(_ host: Int, _ port: UInt16) -> [FlowScript.Step] {
                [
                    there(host, segment(port, 17, (1001, 5001)), "accept established"),
                    back(host, segment(port, 17, (5001, 1002), fromServer: true), "accept established"),
                    there(host, segment(port, 16, (1002, 5002)), "accept established"),
                ]
            }

            func resets(_ host: Int, _ port: UInt16) -> FlowScript.Step {
                there(host, segment(port, 20, (1001, 5001)), "accept established")
            }

            /// The server refuses.
            func declines(_ host: Int, _ port: UInt16) -> FlowScript.Step {
                back(host, segment(port, 20, (0, 1001), fromServer: true), "accept established")
            }

            func datagram(_ host: Int, _ port: UInt16, _ said: String) -> FlowScript.Step {
                there(host, .udp(port, 53), said)
            }
        }

        static let scripts: [FlowScript] =
            AddressFamily.allCases.flatMap { family in
                let site = Site(family: family)
                return [subjects(site), ends(site), again(site), swaps(site), rules(site)].joined().map { script in
                    var script = script
                    script.testDescription = "IP\(family): " + script.testDescription
                    return script
                }
            } + [
                FlowScript(
                    "a rule as a whole counts both families together", under: policy("max: 2"),
                    [
                        Site(family: .v4).opens(0, 1), Site(family: .v6).opens(0, 1),
                        Site(family: .v4).isRefused(0, 2), Site(family: .v6).isRefused(0, 2),
                    ])
            ]

        private static func subjects(_ site: Site) -> [FlowScript] {
            [
                FlowScript(
                    "each source by itself", under: two,
                    [
                        site.opens(0, 1), site.opens(0, 2), site.isRefused(0, 3), site.opens(1, 1), site.opens(1, 2),
                        site.isRefused(1, 3), site.isRefused(0, 3),
                    ]),
                FlowScript(
                    "the rule as a whole, at all ports", under: policy("max: 3"),
                    [
                        site.opens(0, 1), site.opens(1, 1), site.opens(20, 1, at: "db"), site.isRefused(30, 1),
                        site.isRefused(0, 2, at: "db"),
                    ]),
                FlowScript(
                    "each destination by itself", under: policy("max: 2, per: destination"),
                    [site.opens(0, 1), site.opens(11, 1), site.isRefused(22, 1)]),
                FlowScript(
                    "each prefix by itself", under: policy("max: 2, per: source, prefix: { v4: 24, v6: 56 }"),
                    [
                        site.opens(0, 1), site.opens(1, 1), site.isRefused(2, 1), site.opens(10, 1), site.opens(12, 1),
                        site.isRefused(10, 2),
                    ]),
                FlowScript(
                    "no other protocol is counted apart", under: two,
                    [
                        site.opens(0, 1), site.datagram(0, 1, "accept rule"), site.datagram(0, 2, "drop default"),
                        site.isRefused(0, 2), site.datagram(0, 1, "accept established"),
                    ]),
            ]
        }

        private static func ends(_ site: Site) -> [FlowScript] {
            let full = [site.opens(0, 1), site.opens(0, 2), site.isRefused(0, 3)]
            return [
                FlowScript(
                    "a FIN each way gives the place back", under: two,
                    full + site.shakes(0, 1) + [site.isRefused(0, 3)] + site.closes(0, 1) + [
                        site.opens(0, 3), site.isRefused(0, 4),
                    ]),
                FlowScript(
                    "a reset gives the place back when the host has surely taken it", under: two,
                    full + site.shakes(0, 1) + [
                        site.resets(0, 1), site.isRefused(0, 3), .pass(seconds: 12), site.opens(0, 3),
                        site.isRefused(0, 4),
                    ]),
                FlowScript(
                    "so does a server that declines", under: two,
                    full + [
                        site.declines(0, 2), site.isRefused(0, 3), .pass(seconds: 12), site.opens(0, 3),
                        site.isRefused(0, 4),
                    ]),
                FlowScript(
                    "a reset that the host did not take opens no room, however long both go on", under: two,
                    full + site.shakes(0, 1) + [
                        site.resets(0, 1), site.speaks(0, 1), .pass(seconds: 8), site.speaks(0, 1),
                        .pass(seconds: 8), site.isRefused(0, 3), site.speaks(0, 1), site.isRefused(0, 3),
                    ]),
                FlowScript(
                    "and time: half-open ones sooner", under: two,
                    full + site.shakes(0, 1) + [
                        .pass(seconds: 29), site.isRefused(0, 3), .pass(seconds: 3), site.opens(0, 3),
                        site.isRefused(0, 4), .pass(seconds: 7600), site.opens(0, 4), site.opens(0, 5),
                        site.isRefused(0, 6),
                    ]),
                FlowScript(
                    "and whoever else needs the flow's place",
                    under: policy("max: 1, per: source")
                        .replacingOccurrences(of: "vlans: any", with: "vlans: any, maxFlows: 1"),
                    [
                        site.opens(0, 1), site.isRefused(0, 2), .pass(seconds: 1), site.opens(1, 1),
                        site.isRefused(1, 2), .pass(seconds: 1), site.opens(0, 2), site.isRefused(0, 3),
                        .flows([.opening]),
                    ]),
                FlowScript(
                    "and a policy that denies it, whatever adopts what it ended", under: two,
                    full + site.shakes(0, 1) + site.shakes(0, 2) + [
                        .swap(FlowScript.shut), site.speaks(0, 1, "drop policy-changed"), .swap(two),
                        site.speaks(0, 2), site.opens(0, 3), site.isRefused(0, 4),
                    ]),
            ]
        }

        private static func again(_ site: Site) -> [FlowScript] {
            [
                FlowScript(
                    "a SYN that is sent again takes no second place", under: two,
                    [
                        site.opens(0, 1), site.opens(0, 1), site.opens(0, 2), site.opens(0, 2), site.opens(0, 1),
                        site.isRefused(0, 3),
                    ]),
                FlowScript(
                    "nor does one over a connection that is open, or was reset", under: two,
                    [site.opens(0, 1), site.opens(0, 2)] + site.shakes(0, 1) + [
                        site.opens(0, 1), site.isRefused(0, 3), site.resets(0, 1), site.isRefused(0, 3),
                        site.opens(0, 1), site.isRefused(0, 3),
                    ]),
                FlowScript(
                    "a connection anew after a FIN each way has its place again", under: two,
                    [site.opens(0, 1), site.opens(0, 2)] + site.shakes(0, 1) + site.closes(0, 1) + [
                        site.there(0, .tcp(1, 80, flags: 2, sequence: 900_000), "accept rule"),
                        site.isRefused(0, 3),
                        site.back(
                            0, .tcp(80, 1, flags: 18, sequence: 7000, acknowledgement: 900_001),
                            "accept established"),
                        site.isRefused(0, 3),
                    ]),
                FlowScript(
                    "a segment without a flow takes nothing", under: two,
                    [
                        site.speaks(0, 7, "drop invalid-state"), site.speaks(0, 8, "drop invalid-state"),
                        site.opens(0, 1), site.opens(0, 2), site.speaks(0, 9, "drop invalid-state"),
                    ]),
                FlowScript(
                    "what is adopted counts, and is adopted though there are too many", under: two, adopts: true,
                    [
                        site.speaks(0, 40001, "accept adopted"), site.speaks(0, 40002, "accept adopted"),
                        site.speaks(0, 40003, "accept adopted"), site.isRefused(0, 4),
                    ]),
            ]
        }

        private static func swaps(_ site: Site) -> [FlowScript] {
            let moved = policy("max: 2, per: source", before: "  - { name: first, service: tcp/1, action: drop }\n")
            let three = policy("max: 3, per: source")
            let one = policy("max: 1, per: source")
            let byRule = policy("max: 2")
            let uncounted = FlowScript.policy("  - { name: few, \(rule) }")
            let renamed = two.replacingOccurrences(of: "few", with: "many")
            let full = [site.opens(0, 1), site.opens(0, 2)] + site.shakes(0, 1) + site.shakes(0, 2)
            return [
                FlowScript(
                    "counts follow the rule's name", under: two,
                    full + [
                        .swap(moved), site.isRefused(0, 3), site.speaks(0, 1), site.isRefused(0, 3), .swap(two),
                        site.isRefused(0, 3),
                    ] + site.closes(0, 1) + [site.opens(0, 3), site.isRefused(0, 4)]),
                FlowScript(
                    "a higher or lower maximum", under: two,
                    full + [
                        .swap(three), site.opens(0, 3), site.isRefused(0, 4), .swap(one), site.isRefused(0, 4),
                        site.speaks(0, 1), site.speaks(0, 2), site.isRefused(0, 4),
                    ] + site.closes(0, 1) + [site.isRefused(0, 4)] + site.closes(0, 2) + [
                        site.isRefused(0, 4), .pass(seconds: 40), site.opens(0, 4), site.isRefused(0, 5),
                    ]),
                FlowScript(
                    "another rule counts what it accepts from its next packet on", under: two,
                    full + [
                        .swap(renamed), site.opens(0, 3), site.speaks(0, 1), site.isRefused(0, 4), site.speaks(0, 2),
                        site.isRefused(0, 4),
                    ] + site.closes(0, 1) + [site.isRefused(0, 4)] + site.closes(0, 2) + [
                        site.opens(0, 4), site.isRefused(0, 5),
                    ]),
                // No other script has these hosts: what was listed once counts again as soon as it is open again.
                FlowScript(
                    "one that begins to count, or counts by something else, does too", under: uncounted,
                    [site.opens(60, 1), site.opens(60, 2)] + site.shakes(60, 1) + site.shakes(60, 2) + [
                        site.opens(60, 3), .swap(two), site.speaks(60, 1), site.opens(60, 4), site.isRefused(60, 5),
                        .swap(byRule), site.speaks(60, 1), site.speaks(60, 2), site.isRefused(67, 1),
                    ] + site.closes(60, 1) + [site.opens(67, 1), site.isRefused(67, 2)]),
                FlowScript(
                    "judged anew twice, a connection holds one place", under: two,
                    [site.opens(0, 1)] + site.shakes(0, 1) + [
                        .swap(moved), site.speaks(0, 1), .swap(two), site.speaks(0, 1), .swap(moved),
                        site.speaks(0, 1), site.opens(0, 2), site.isRefused(0, 3),
                    ] + site.closes(0, 1) + [site.opens(0, 3), site.isRefused(0, 4)]),
            ]
        }

        private static func rules(_ site: Site) -> [FlowScript] {
            [
                FlowScript(
                    "the next rule is asked",
                    under: policy(
                        "max: 1, per: source",
                        after: "  - { name: more, service: tcp/80, action: accept, connections: { max: 1 } }\n"),
                    [site.opens(0, 1), site.opens(0, 2), site.isRefused(0, 3), site.opens(1, 1), site.isRefused(1, 2)]),
                FlowScript(
                    "a place that the packet does not take in the end is free again",
                    under: FlowScript.policy(
                        """
                          - { name: few, service: tcp/80, direction: in, action: accept, connections: { max: 2, \
                        per: source }, limit: { rate: 1/h, burst: 1 } }
                          - { name: rest, service: tcp/80, direction: in, action: accept, connections: { max: 1 } }
                        """),
                    [
                        site.opens(0, 1), site.opens(0, 2), site.isRefused(0, 3), site.isRefused(0, 4),
                        .pass(seconds: 3700), site.opens(0, 5), site.opens(0, 6), site.isRefused(0, 7),
                    ]),
            ]
        }

        @Test(arguments: scripts) func countsWhatIsOpen(script: FlowScript) throws { try script.run() }

        /// Who asks why a packet was dropped is told that the rule was full.
        @Test(arguments: AddressFamily.allCases) func whatIsFullIsNamed(family: AddressFamily) throws {
            var records: [String: Int] = [:]
            let image = try FlowScript.compile(Self.policy("max: 1, per: source"), &records)
            let record = try #require(records["web"])
            try FlowSimulator.use(image, adopts: false) { simulator throws in
                let outcomes = try ([1, 2] as [UInt16]).map { port in
                    let datagram = Datagram(Ends.client(family), Ends.server(family), .tcp(port, 80))
                    return try simulator.judge(frame: Frame(datagram).bytes, portRecord: record, direction: .in)
                }
                #expect(outcomes[0].decided?.connections == RuleConnections(maximum: 1, per: .source))
                #expect(outcomes[0].tried.isEmpty)
                #expect(outcomes[1].reason == .default)
                #expect(outcomes[1].tried.map(\.rule.name) == ["few"])
                #expect(outcomes[1].tried.map(\.why) == [.connections])
            }
        }
    }
}
