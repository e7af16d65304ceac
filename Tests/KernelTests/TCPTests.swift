// SPDX-License-Identifier: Apache-2.0
import Compiler
import Foundation
import Network
import TestSupport
import Testing

extension PacketTables {
    /// Who may end a connection and who may not. Each case is tried at initial sequence numbers where a comparison
    /// could go wrong, on both sides; the expected outcome never depends on them.
    @Suite struct TCPTests {
        static let initials: [UInt32] = [0, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff]

        /// Every number with every other. Under an emulated kernel two pairs, in which each side's numbers pass both
        /// zero and the middle.
        static let pairs: [(client: UInt32, server: UInt32)] = {
            if ProcessInfo.processInfo.environment["BULKHEAD_PAIRS"] == "short" {
                return [(0xffff_ffff, 0x7fff_ffff), (0x7fff_ffff, 0xffff_ffff)]
            }
            return initials.flatMap { client in initials.map { (client, $0) } }
        }()

        @Test(arguments: cases) func goes(at row: Row) throws {
            for family in AddressFamily.allCases {
                for (client, server) in Self.pairs {
                    for isStrict in [false, true] {
                        let talk = Talk(family: family, client: client, server: server, isStrict: isStrict)
                        try row.script(talk).run()
                    }
                }
            }
        }

        struct Row: Sendable, CustomTestStringConvertible {
            var name: String
            var policy = FlowScript.closed
            var adopts = false
            var steps: @Sendable (Talk) -> [FlowScript.Step]

            var testDescription: String { name }

            func script(_ talk: Talk) -> FlowScript {
                let drop = "in: drop, out: drop"
                let policy =
                    talk.isStrict ? policy.replacingOccurrences(of: drop, with: drop + ", tcp: strict") : policy
                let mode = talk.isStrict ? "strict" : "liberal"
                return FlowScript(
                    "\(name), IP\(talk.family), \(talk.client) and \(talk.server), \(mode)", under: policy,
                    adopts: adopts, steps(talk))
            }

            init(
                _ name: String, under policy: String = FlowScript.closed, adopts: Bool = false,
                _ steps: @escaping @Sendable (Talk) -> [FlowScript.Step]
            ) {
                self.name = name
                self.policy = policy
                self.adopts = adopts
                self.steps = steps
            }
        }

        /// A client outside and a server inside. Sequence numbers are relative to the initial ones: the first byte is
        /// 1.
        struct Talk: Sendable {
            enum Flags {
                static let fin: UInt8 = 17
                static let syn: UInt8 = 2
                static let synAck: UInt8 = 18
                static let rst: UInt8 = 4
                static let rstAck: UInt8 = 20
                static let ack: UInt8 = 16
            }

            var family: AddressFamily
            var client: UInt32
            var server: UInt32
            var isStrict: Bool
            var port: UInt16 = 40000

            /// The outcome for a segment outside the windows.
            var outside: String { isStrict ? "drop invalid-state" : "accept established" }

            private func frame(
                fromClient: Bool, _ flags: UInt8, _ sequence: UInt32, _ acknowledgement: UInt32, _ payload: Int,
                _ window: UInt16, _ options: [UInt8]
            ) -> Frame {
                let ends = [Ends.client(family), Ends.server(family)]
                return Frame(
                    Datagram(
                        ends[fromClient ? 0 : 1], ends[fromClient ? 1 : 0],
                        .tcp(
                            fromClient ? port : 80, fromClient ? 80 : port, flags: flags, sequence: sequence,
                            acknowledgement: acknowledgement, window: window, options: options,
                            payload: [UInt8](repeating: 1, count: payload))))
            }

            /// A segment from the client, at a distance from its initial number.
            func there(
                _ flags: UInt8, _ sequence: Int, _ acknowledgement: Int? = nil, payload: Int = 0,
                window: UInt16 = 65535,
                options: [UInt8] = [], is expected: String = "accept established"
            ) -> FlowScript.Step {
                let answer = acknowledgement.map { server &+ UInt32(truncatingIfNeeded: $0) } ?? 0
                return .frame(
                    frame(
                        fromClient: true, flags, client &+ UInt32(truncatingIfNeeded: sequence), answer, payload,
                        window,
                        options), at: "web", .in, expected)
            }

            /// A segment from the server. `bare`: its sequence number is zero, as from a host without the connection.
            func back(
                _ flags: UInt8, _ sequence: Int, _ acknowledgement: Int? = nil, payload: Int = 0,
                window: UInt16 = 65535,
                options: [UInt8] = [], bare: Bool = false, is expected: String = "accept established"
            ) -> FlowScript.Step {
                let answer = acknowledgement.map { client &+ UInt32(truncatingIfNeeded: $0) } ?? 0
                return .frame(
                    frame(
                        fromClient: false, flags, bare ? 0 : server &+ UInt32(truncatingIfNeeded: sequence), answer,
                        payload, window, options), at: "web", .out, expected)
            }

            func handshake(scale: UInt8? = nil) -> [FlowScript.Step] {
                let options: [UInt8] = scale.map { [3, 3, $0, 1] } ?? []
                return [
                    there(Flags.syn, 0, options: options, is: "accept rule"),
                    back(Flags.synAck, 0, 1, options: options),
                    there(Flags.ack, 1, 1),
                ]
            }

            /// Another connection of the same ends, with other initial numbers.
            func moved(client: Int, server: Int = 0) -> Talk {
                var other = self
                other.client &+= UInt32(truncatingIfNeeded: client)
                other.server &+= UInt32(truncatingIfNeeded: server)
                return other
            }
        }

        typealias Flags = Talk.Flags
        static let invalid = "drop invalid-state"
        /// Far from every window of a connection at 0, before and after it.
        static let far = [0x4000_0000, 0x7ff0_0000, 0x8010_0000, 0xc000_0000]

        static let cases =
            resets + strangers + edges + returns + nearReturns + waits + copies + adopted + adoptedReturns
            + adoptedStrangers + odd

        // MARK: Resets that a host would accept, or answer

        static let resets = [
            Row("the server resets in answer to data") { talk in
                join(
                    talk.handshake(),
                    [
                        talk.there(24, 1, 1, payload: 10), talk.back(Flags.rst, 1), .flows([.closed]),
                        .pass(seconds: 15),
                        talk.there(Flags.ack, 11, 1, is: invalid),
                    ])
            },
            Row("the server resets in answer to what acknowledges less than it has sent") { talk in
                join(
                    talk.handshake(),
                    [talk.back(24, 1, 1, payload: 10), talk.there(24, 1, 1, payload: 10), talk.back(Flags.rst, 1)])
            },
            Row("the client never acknowledged, and the server resets") { talk in
                [
                    talk.there(Flags.syn, 0, is: "accept rule"), talk.back(Flags.synAck, 0, 1),
                    talk.back(24, 1, 1, payload: 10), talk.there(24, 1, 1, payload: 10), talk.back(Flags.rst, 1),
                ]
            },
            Row("the client missed the answer, and so ignores the reset behind it") { talk in
                [
                    talk.there(Flags.syn, 0, is: "accept rule"), talk.back(Flags.synAck, 0, 1),
                    talk.back(Flags.rst, 1), talk.back(Flags.synAck, 0, 1), talk.there(Flags.ack, 1, 1),
                    .flows([.established]), .pass(seconds: 7400), talk.there(24, 1, 1, payload: 10),
                ]
            },
            Row("the client missed the answer, and nobody says more") { talk in
                [
                    talk.there(Flags.syn, 0, is: "accept rule"), talk.back(Flags.synAck, 0, 1),
                    talk.back(Flags.rst, 1), .pass(seconds: 15), talk.there(Flags.ack, 1, 1, is: invalid),
                ]
            },
            Row("the server resets, and acknowledges") { talk in
                join(
                    talk.handshake(),
                    [talk.there(24, 1, 1, payload: 10), talk.back(Flags.rstAck, 1, 11), .flows([.closed])])
            },
            Row("the client resets in answer to data") { talk in
                join(
                    talk.handshake(),
                    [talk.back(24, 1, 1, payload: 10), talk.there(Flags.rst, 1), .flows([.closed])])
            },
            Row("a connection is refused") { talk in
                [
                    talk.there(Flags.syn, 0, is: "accept rule"), talk.back(Flags.rstAck, 0, 2, bare: true, is: invalid),
                    talk.back(Flags.rstAck, 0, 0, bare: true, is: invalid),
                    talk.back(Flags.rst, 0, bare: true, is: invalid),
                    talk.back(Flags.rstAck, 0, 1, bare: true), .flows([.closed]),
                ]
            },
            Row("a reset that is only challenged, and its answer, leave the flow alive") { talk in
                join(
                    talk.handshake(),
                    [
                        talk.there(Flags.rst, 100), talk.back(Flags.ack, 1, 1), .flows([.established]),
                        .pass(seconds: 7400),
                        talk.there(24, 1, 1, payload: 10), talk.back(24, 1, 11, payload: 10),
                    ])
            },
            Row("also where nobody answers") { talk in
                join(
                    talk.handshake(),
                    [
                        talk.there(Flags.rst, 60000), talk.back(Flags.rst, 60000), .pass(seconds: 7400),
                        talk.back(24, 1, 1, payload: 10), talk.there(24, 1, 11, payload: 10),
                    ])
            },
            Row("a reset beyond the window, and before it") { talk in
                join(
                    talk.handshake(),
                    [
                        talk.there(24, 1, 1, payload: 1000), talk.back(Flags.ack, 1, 1001, window: 1000),
                        talk.there(Flags.rst, 900, is: invalid), talk.there(Flags.rst, 70000, is: invalid),
                        talk.back(Flags.rst, 0, is: invalid), talk.back(Flags.rst, 70000, is: invalid),
                        .flows([.established]),
                        talk.there(Flags.rst, 1001), .flows([.closed]),
                    ])
            },
            Row("a window that is scaled") { talk in
                join(
                    talk.handshake(scale: 7),
                    [
                        talk.there(Flags.rst, 1_000_000, is: invalid), talk.back(Flags.ack, 1, 1, window: 65535),
                        talk.there(Flags.rst, 1_000_000), talk.back(Flags.ack, 1, 1, window: 65535),
                        talk.there(Flags.rst, 9_000_000, is: invalid), talk.back(Flags.rst, 9_000_000, is: invalid),
                        .flows([.established]),
                    ])
            },
            Row("a reset with the number of a FIN that was acknowledged") { talk in
                join(
                    talk.handshake(),
                    [
                        talk.there(Flags.fin, 1, 1), talk.back(Flags.ack, 1, 2), talk.there(Flags.rst, 1),
                        .pass(seconds: 15),
                        talk.back(24, 1, 2, payload: 10, is: invalidOrDefault),
                    ])
            },
            Row("a reset at the right edge of what SACK reports") { talk in
                join(
                    talk.handshake(),
                    [
                        talk.there(24, 1, 1, payload: 10), talk.there(24, 11, 1, payload: 10),
                        talk.back(Flags.ack, 1, 1, options: sack(talk, 11, 21)), talk.there(Flags.rst, 21),
                    ])
            },
            Row("into a window that is shut") { talk in
                [
                    talk.there(Flags.syn, 0, is: "accept rule"), talk.back(Flags.synAck, 0, 1, window: 100),
                    talk.there(Flags.ack, 1, 1), talk.there(24, 1, 1, payload: 100),
                    talk.back(Flags.ack, 1, 101, window: 0), talk.there(Flags.rst, 200, is: invalid),
                    talk.there(Flags.rst, 90, is: invalid), talk.there(Flags.rst, 101), .flows([.closed]),
                ]
            },
        ]

        /// Without a flow the default decides about the server's segment.
        static func join(_ parts: [FlowScript.Step]...) -> [FlowScript.Step] { parts.flatMap { $0 } }

        private static let invalidOrDefault = "drop default"

        private static func sack(_ talk: Talk, _ left: UInt32, _ right: UInt32) -> [UInt8] {
            var bytes: [UInt8] = [1, 1, 5, 10]
            for edge in [left, right] {
                bytes += (0..<4).reversed().map { UInt8(truncatingIfNeeded: (talk.client &+ edge) >> UInt32(8 * $0)) }
            }
            return bytes
        }

        /// An echo request in the reply direction opens a flow of its own (B 15).
        @Test(arguments: AddressFamily.allCases) func anEchoRequestIsNoReply(family: AddressFamily) throws {
            let talk = FlowTests.Talk(family: family)
            let asked = talk.echo
            for (policy, expected, again) in [
                (FlowScript.outward, "drop default", "drop default"),
                (
                    FlowScript.policy("  - { name: ping, service: ping, action: accept }"), "accept rule",
                    "accept established"
                ),
            ] {
                try FlowScript(
                    "echo", under: policy,
                    [
                        .frame(talk.back(asked.request), at: "web", .out, "accept rule"),
                        .frame(talk.there(asked.request), at: "web", .in, expected),
                        .frame(talk.there(asked.reply), at: "web", .in, "accept established"),
                        .frame(talk.there(asked.request), at: "web", .in, again),
                    ]
                ).run()
            }
        }
    }
}
