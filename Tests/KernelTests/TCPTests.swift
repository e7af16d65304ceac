import Compiler
import Network
import TestSupport
import Testing

extension PacketTables {
    /// Who may end a connection, and who may not: each case at initial numbers where a comparison could go wrong, on
    /// both sides. What is expected never depends on them.
    @Suite struct TCPTests {
        static let initials: [UInt32] = [0, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff]

        @Test(arguments: cases) func goes(at row: Row) throws {
            for family in AddressFamily.allCases {
                for client in Self.initials {
                    for server in Self.initials {
                        for isStrict in [false, true] {
                            let talk = Talk(family: family, client: client, server: server, isStrict: isStrict)
                            try row.script(talk).run()
                        }
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

        /// A client outside and a server inside. Numbers are counted from the initial ones: the first byte is 1.
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

            /// What is said of a segment outside the windows.
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

            /// From the client, at a distance from its initial number.
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

            /// From the server. `bare`: its sequence number is zero, as of a host without a connection.
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

            /// Another connection of the same ends, whose numbers lie elsewhere.
            func moved(client: Int, server: Int = 0) -> Talk {
                var other = self
                other.client &+= UInt32(truncatingIfNeeded: client)
                other.server &+= UInt32(truncatingIfNeeded: server)
                return other
            }
        }

        typealias Flags = Talk.Flags
        static let invalid = "drop invalid-state"
        /// Far from every window of a connection at 0, ahead and behind.
        static let far = [0x4000_0000, 0x7ff0_0000, 0x8010_0000, 0xc000_0000]

        static let cases = resets + strangers + returns + adopted + odd

        // MARK: Resets that a host would accept, or answer

        private static let resets = [
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

        /// Without a flow the server's segment is the default's.
        fileprivate static func join(_ parts: [FlowScript.Step]...) -> [FlowScript.Step] { parts.flatMap { $0 } }

        private static let invalidOrDefault = "drop default"

        private static func sack(_ talk: Talk, _ left: UInt32, _ right: UInt32) -> [UInt8] {
            var bytes: [UInt8] = [1, 1, 5, 10]
            for edge in [left, right] {
                bytes += (0..<4).reversed().map { UInt8(truncatingIfNeeded: (talk.client &+ edge) >> UInt32(8 * $0)) }
            }
            return bytes
        }

        // MARK: Strangers, who know no number

        private static let strangers = [
            Row("data of a stranger move nothing, from outside") { talk in
                join(
                    talk.handshake(),
                    [talk.there(24, 1, 1, payload: 10), talk.back(Flags.ack, 1, 11)],
                    far.flatMap { place in
                        [
                            talk.there(24, place, 1, payload: 100, is: talk.outside),
                            talk.there(Flags.rst, place + 100, is: invalid), talk.there(Flags.rst, place, is: invalid),
                        ]
                    },
                    goesOn(talk))
            },
            Row("data of a stranger move nothing, from inside") { talk in
                join(
                    talk.handshake(),
                    [talk.there(24, 1, 1, payload: 10), talk.back(Flags.ack, 1, 11)],
                    far.flatMap { place in
                        [
                            talk.back(24, place, 1, payload: 100, is: talk.outside),
                            talk.back(Flags.rst, place + 100, is: invalid), talk.back(Flags.rst, place, is: invalid),
                        ]
                    },
                    goesOn(talk))
            },
            Row("a stranger's acknowledgements make no true reset unbelievable") { talk in
                join(
                    talk.handshake(),
                    [talk.there(24, 1, 1, payload: 10), talk.back(Flags.ack, 1, 11)],
                    far.flatMap { place in
                        [
                            talk.there(Flags.ack, place, place, is: talk.outside),
                            talk.back(Flags.ack, place, place, is: talk.outside),
                        ]
                    },
                    [talk.back(Flags.rst, 1), .flows([.closed])])
            },
            Row("an acknowledgement of what was never sent, at a true number") { talk in
                join(
                    talk.handshake(),
                    far.map { talk.there(Flags.ack, 1, $0, is: talk.outside) },
                    far.map { talk.back(Flags.ack, 1, $0, is: talk.outside) },
                    [
                        talk.there(24, 1, 1, payload: 10), talk.back(Flags.rst, 1), .flows([.closed]),
                    ])
            },
            Row("a stranger refreshes nothing") { talk in
                join(
                    talk.handshake(),
                    [
                        .pass(seconds: 4000), talk.there(24, far[0], far[1], payload: 10, is: talk.outside),
                        talk.back(24, far[1], far[0], payload: 10, is: talk.outside), .pass(seconds: 3600),
                        talk.there(Flags.ack, 1, 1, is: invalid),
                    ])
            },
            Row("a stranger's FINs close nothing") { talk in
                join(
                    talk.handshake(),
                    [
                        talk.there(Flags.fin, far[0], far[1], is: talk.outside),
                        talk.back(Flags.fin, far[2], far[0], is: talk.outside),
                        .flows([.established]), .pass(seconds: 7400), talk.there(Flags.ack, 1, 1),
                    ])
            },
            Row("an acknowledgement out of the blue establishes nothing") { talk in
                [
                    talk.there(Flags.syn, 0, is: "accept rule"), talk.back(Flags.synAck, 0, 1), .flows([.answered]),
                    talk.there(Flags.ack, 1, far[0], is: talk.outside),
                    talk.there(Flags.ack, far[1], far[2], is: talk.outside),
                    .flows([.answered]), talk.there(Flags.ack, 1, 1), .flows([.established]),
                ]
            },
            Row("a stranger's SYN ends and damages nothing") { talk in
                join(
                    talk.handshake(),
                    [talk.there(24, 1, 1, payload: 10), talk.back(Flags.ack, 1, 11)],
                    far.flatMap { place in
                        [talk.there(Flags.syn, place, is: "accept rule"), talk.back(Flags.ack, 1, 11)]
                    },
                    [
                        talk.back(Flags.syn, far[0], is: "drop default"), .pass(seconds: 7400),
                        talk.there(24, 11, 1, payload: 10), talk.back(24, 1, 21, payload: 10),
                        talk.there(Flags.ack, 21, 11),
                        talk.back(Flags.rst, 12, is: "accept established"),
                        talk.back(Flags.rst, 11), .pass(seconds: 15), talk.there(Flags.ack, 21, 11, is: invalid),
                    ])
            },
            Row("SYN with FIN or RST, over a flow") { talk in
                join(
                    talk.handshake(),
                    [talk.there(3, 0, is: invalid), talk.there(6, 1, is: invalid), talk.back(6, 1, is: invalid)],
                    goesOn(talk, sent: 1))
            },
        ]

        /// The true ends go on, and a true reset is believed. `sent`: where the client stands.
        private static func goesOn(_ talk: Talk, sent: Int = 11) -> [FlowScript.Step] {
            [
                .flows([.established]), talk.there(24, sent, 1, payload: 10), talk.back(24, 1, sent + 10, payload: 10),
                .pass(seconds: 7400), talk.there(Flags.ack, sent + 10, 11), talk.back(Flags.rst, 11), .flows([.closed]),
            ]
        }

        // MARK: A client that lost its power

        /// Where the new initial number lies, seen from the old one.
        private static let distances = [100_000, -100_000, 0x7fff_ffff, 0x4000_0000, -0x4000_0000]

        private static let returns = distances.flatMap { distance in
            [
                Row("a client comes back: challenge, reset, and anew (\(distance))") { talk in
                    let (old, new) = (talk, talk.moved(client: distance, server: -5000))
                    return join(
                        old.handshake(),
                        [old.there(24, 1, 1, payload: 10), old.back(Flags.ack, 1, 11)],
                        [
                            new.there(Flags.syn, 0, is: "accept rule"), old.back(Flags.ack, 1, 11),
                            old.there(Flags.rst, 11),
                            .pass(seconds: 1), new.there(Flags.syn, 0, is: "accept rule"), new.back(Flags.synAck, 0, 1),
                            new.there(Flags.ack, 1, 1), new.there(24, 1, 1, payload: 10), new.back(Flags.ack, 1, 11),
                            .pass(seconds: 7400), new.there(24, 11, 1, payload: 10), new.back(Flags.rst, 1),
                            .pass(seconds: 15),
                            new.there(Flags.ack, 21, 1, is: invalid),
                        ])
                },
                Row("a client comes back to a server that came back too, and refuses (\(distance))") { talk in
                    let (old, new) = (talk, talk.moved(client: distance))
                    return join(
                        old.handshake(),
                        [
                            new.there(Flags.syn, 0, is: "accept rule"),
                            new.back(Flags.rstAck, 0x4000_0000, 2, is: invalid),
                            new.back(Flags.rstAck, 0, 1, bare: true),
                        ])
                },
                Row("a client comes back, and the old FIN and numbers are gone (\(distance))") { talk in
                    let (old, new) = (talk, talk.moved(client: distance, server: 0x2000_0000))
                    return join(
                        old.handshake(),
                        [
                            old.there(Flags.fin, 1, 1), old.back(Flags.ack, 1, 2),
                            new.there(Flags.syn, 0, is: "accept rule"),
                            new.back(Flags.synAck, 0, 1), new.there(Flags.ack, 1, 1), .flows([.established]),
                            new.back(Flags.fin, 1, 1), .flows([.established]), old.there(Flags.rst, 2, is: invalid),
                            old.back(Flags.rst, 1, is: invalid), .pass(seconds: 7400), new.there(24, 1, 2, payload: 10),
                            new.back(Flags.ack, 2, 11), new.there(Flags.rst, 11), .flows([.closed]),
                        ])
                },
                Row("a server has a connection that the filter never knew (\(distance))") { talk in
                    let (old, new) = (talk, talk.moved(client: distance, server: 77))
                    return [
                        new.there(Flags.syn, 0, is: "accept rule"), old.back(Flags.ack, 1, 11),
                        old.there(Flags.rst, 11),
                        new.there(Flags.syn, 0, is: "accept rule"), new.back(Flags.synAck, 0, 1),
                        new.there(Flags.ack, 1, 1),
                        .flows([.established]), new.back(24, 1, 1, payload: 10), new.there(Flags.rst, 1),
                        .flows([.closed]),
                    ]
                },
            ]
        }

        // MARK: Connections that were there before

        private static let adopted = [
            Row("adopted by the server's segment: the client resets", adopts: true) { talk in
                [talk.back(24, 1, 1, payload: 10, is: "accept adopted"), talk.there(Flags.rst, 1)]
            },
            Row("adopted by the client's segment: the server resets", adopts: true) { talk in
                [talk.there(24, 1, 1, payload: 10, is: "accept adopted"), talk.back(Flags.rst, 1)]
            },
            Row("adopted by the client's segment: the client resets", adopts: true) { talk in
                [talk.there(24, 1, 1, payload: 10, is: "accept adopted"), talk.there(Flags.rst, 11)]
            },
            Row("adopted, and seen both ways: either end resets", adopts: true) { talk in
                [
                    talk.back(24, 1, 1, payload: 10, is: "accept adopted"), talk.there(24, 1, 11, payload: 10),
                    talk.back(Flags.ack, 11, 11), .flows([.established]), talk.there(Flags.rst, 11), .flows([.closed]),
                ]
            },
            Row("adopted with a scale that nobody saw", adopts: true) { talk in
                [
                    talk.back(Flags.ack, 1, 1, window: 1000, is: "accept adopted"),
                    talk.there(24, 1, 1, payload: 1000, window: 500), talk.there(24, 1_000_001, 1, payload: 1000),
                    talk.back(Flags.ack, 1, 1_001_001, window: 1000), talk.back(24, 500_001, 1_001_001, payload: 1000),
                    .flows([.established]),
                ]
            },
        ]

        // MARK: What is right and unusual

        private static let odd = [
            Row("the refusal of a SYN with data, the SYN alone acknowledged") { talk in
                [
                    talk.there(Flags.syn, 0, payload: 100, is: "accept rule"),
                    talk.back(Flags.rstAck, 0, 102, bare: true, is: invalid),
                    talk.back(Flags.rstAck, 0, 1, bare: true), .flows([.closed]),
                ]
            },
            Row("the refusal of a SYN with data, all acknowledged") { talk in
                [
                    talk.there(Flags.syn, 0, payload: 100, is: "accept rule"),
                    talk.back(Flags.rstAck, 0, 101, bare: true),
                    .flows([.closed]),
                ]
            },
            Row("a SYN with data that are taken, or not") { talk in
                join(
                    [
                        talk.there(Flags.syn, 0, payload: 100, is: "accept rule"), talk.back(Flags.synAck, 0, 1),
                        talk.there(24, 1, 1, payload: 100),
                    ],
                    [
                        talk.back(Flags.ack, 1, 101), .flows([.established]), talk.there(Flags.rst, 101),
                        .flows([.closed]),
                    ])
            },
            Row("simultaneous open", under: both) { talk in
                [
                    talk.there(Flags.syn, 0, is: "accept rule"), talk.back(Flags.syn, 0, is: "accept rule"),
                    talk.there(Flags.synAck, 0, 1), talk.back(Flags.synAck, 0, 1), talk.there(Flags.ack, 1, 1),
                    .pass(seconds: 7400), talk.there(24, 1, 1, payload: 10), talk.back(24, 1, 11, payload: 10),
                    talk.there(Flags.ack, 11, 11), talk.back(Flags.rst, 11), .pass(seconds: 15),
                    talk.there(Flags.ack, 11, 11, is: invalid),
                ]
            },
            Row("split handshake", under: both) { talk in
                [
                    talk.there(Flags.syn, 0, is: "accept rule"), talk.back(Flags.syn, 0, is: "accept rule"),
                    talk.there(Flags.synAck, 0, 1), talk.back(Flags.ack, 1, 1), talk.there(24, 1, 1, payload: 10),
                    .pass(seconds: 7400), talk.back(24, 1, 11, payload: 10), talk.there(Flags.ack, 11, 11),
                ]
            },
            Row("zero-window probes and keep-alives") { talk in
                join(
                    talk.handshake(),
                    [
                        talk.there(24, 1, 1, payload: 100), talk.back(Flags.ack, 1, 101, window: 0),
                        talk.there(Flags.ack, 101, 1, payload: 1), talk.back(Flags.ack, 1, 101, window: 0),
                        talk.there(Flags.ack, 100, 1), talk.back(Flags.ack, 1, 101, window: 0), .pass(seconds: 7400),
                        talk.back(Flags.ack, 0, 101), talk.there(Flags.ack, 101, 1), .pass(seconds: 7400),
                        talk.back(Flags.ack, 0, 101, payload: 1), talk.there(Flags.ack, 101, 1), .pass(seconds: 7400),
                        talk.there(24, 101, 1, payload: 100),
                    ])
            },
            Row("wrap through zero, in steps of nearly a window") { talk in
                join(
                    talk.handshake(scale: 14), [talk.back(Flags.ack, 1, 1)],
                    (0..<6).flatMap { step in
                        let (place, next) = (1 + step * 1_000_000_000, 1 + (step + 1) * 1_000_000_000)
                        return [
                            talk.there(24, place, place, payload: 1000),
                            talk.there(24, next - 1000, place, payload: 1000), talk.back(Flags.ack, place, next),
                            talk.back(24, next - 1000, next, payload: 1000), talk.there(Flags.ack, next, next),
                        ]
                    },
                    [talk.back(Flags.rst, 6_000_000_001), .flows([.closed])])
            },
            Row("a reset after much was sent one way") { talk in
                join(
                    talk.handshake(scale: 7), [talk.back(Flags.ack, 1, 1)],
                    (1...40).flatMap { step in
                        [
                            talk.there(24, 1 + step * 4_000_000 - 1000, 1, payload: 1000),
                            talk.back(Flags.ack, 1, 1 + step * 4_000_000),
                        ]
                    },
                    [talk.there(Flags.rst, 1, is: invalid), talk.back(Flags.rst, 1), .flows([.closed])])
            },
        ]

        private static let both = FlowScript.policy("  - { name: all, service: tcp/*, action: accept }")

        /// An echo request that comes back the other way is one of its own (B 15).
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
