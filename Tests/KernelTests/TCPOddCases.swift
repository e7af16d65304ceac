// SPDX-License-Identifier: Apache-2.0
import Compiler
import TestSupport

/// Segments that are valid but unusual.
extension PacketTables.TCPTests {
    static let odd = [
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
        Row("simultaneous open, and copies of all of it", under: both) { talk in
            let (ours, theirs) = (
                talk.there(Flags.syn, 0, is: "accept rule"), talk.back(Flags.syn, 0, is: "accept rule")
            )
            let (answer, other) = (talk.there(Flags.synAck, 0, 1), talk.back(Flags.synAck, 0, 1))
            return join(
                [ours, theirs, answer, other, talk.there(Flags.ack, 1, 1)],
                (0..<80).flatMap { step in
                    [
                        talk.there(24, 1 + step * 1000, 1, payload: 1000),
                        talk.back(Flags.ack, 1, 1001 + step * 1000),
                    ]
                },
                [ours, other, theirs, answer, .flows([.established]), .pass(seconds: 7400)],
                [talk.there(24, 80001, 1, payload: 10), talk.back(Flags.ack, 1, 80011), talk.back(Flags.rst, 1)],
                [.flows([.closed])])
        },
        Row("a SYN again, with a larger window, a scale and data") { talk in
            let scale: [UInt8] = [3, 3, 7, 1]
            return join(
                [
                    talk.there(Flags.syn, 0, window: 0, is: "accept rule"),
                    talk.there(Flags.syn, 0, payload: 10, window: 60000, options: scale, is: "accept rule"),
                    talk.back(Flags.synAck, 0, 11, options: scale), talk.back(24, 50001, 11, payload: 10),
                    talk.there(Flags.ack, 11, 50011, window: 60000), talk.back(24, 5_000_001, 11, payload: 10),
                    talk.there(Flags.ack, 11, 5_000_011, window: 60000), talk.back(Flags.rst, 5_000_011),
                ], [.flows([.closed])])
        },
        Row("SYNs of both ends over a connection: the last is remembered", under: both) { talk in
            let new = talk.moved(client: 0x1000_0000, server: 0x2000_0000)
            return join(
                talk.handshake(),
                [
                    new.there(Flags.syn, 0, is: "accept rule"), new.back(Flags.syn, 0, is: "accept rule"),
                    new.back(Flags.synAck, 0, 1, is: talk.outside), new.there(Flags.syn, 0, is: "accept rule"),
                    new.back(Flags.synAck, 0, 1), new.there(Flags.ack, 1, 1), .flows([.established]),
                    new.there(24, 1, 1, payload: 10), new.back(Flags.rst, 1), .flows([.closed]),
                ])
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
}
