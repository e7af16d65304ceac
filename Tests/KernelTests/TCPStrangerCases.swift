// SPDX-License-Identifier: Apache-2.0
import Compiler
import TestSupport

/// Strangers, who do not know the connection's sequence numbers.
extension PacketTables.TCPTests {
    static let strangers = [
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
                    talk.back(Flags.rst, 11), .pass(seconds: 35), talk.there(Flags.ack, 21, 11, is: invalid),
                ])
        },
        Row("SYN with FIN or RST, over a flow") { talk in
            join(
                talk.handshake(),
                [talk.there(3, 0, is: invalid), talk.there(6, 1, is: invalid), talk.back(6, 1, is: invalid)],
                goesOn(talk, sent: 1))
        },
    ]

    /// Right after the granted window, where a FIN or a probing byte may be.
    static let edges = [
        Row("a segment at the very edge of the window, from outside") { talk in
            join(
                talk.handshake(),
                [
                    talk.there(24, 1, 1, payload: 10), talk.back(Flags.ack, 1, 11),
                    talk.there(24, 65547, 1, payload: 1000), talk.there(24, 65548, 1, payload: 10, is: talk.outside),
                    talk.there(Flags.ack, 10, 1), talk.back(Flags.ack, 1, 11), .pass(seconds: 4000),
                ],
                goesOn(talk))
        },
        Row("a segment at the very edge of the window, from inside") { talk in
            join(
                talk.handshake(),
                [
                    talk.there(24, 1, 1, payload: 10), talk.back(Flags.ack, 1, 11),
                    talk.back(24, 65537, 11, payload: 1000), talk.back(24, 65538, 11, payload: 10, is: talk.outside),
                    talk.back(Flags.ack, 0, 11), talk.there(Flags.ack, 11, 1), .pass(seconds: 4000),
                    .flows([.established]), talk.there(24, 11, 1, payload: 10), talk.back(24, 1, 21, payload: 10),
                    .pass(seconds: 7400), talk.there(Flags.ack, 21, 11),
                    // It is unknown whether the host accepted what the stranger sent, so the reset must not end the
                    // connection.
                    talk.back(Flags.rst, 11), .pass(seconds: 15), talk.there(Flags.ack, 21, 11, is: invalid),
                ])
        },
        Row("a segment at the edge of a scaled window, and what was sent is sent again") { talk in
            join(
                talk.handshake(scale: 7),
                [
                    talk.back(Flags.ack, 1, 1), talk.there(24, 1, 1, payload: 1000),
                    talk.there(24, 1001, 1, payload: 1000), talk.back(Flags.ack, 1, 2001),
                    // The largest window is 65535 << 7.
                    talk.there(24, 2002 + 65535 << 7, 1, payload: 1000),
                    // The acknowledgement was lost.
                    talk.there(24, 1, 1, payload: 1000), talk.back(Flags.ack, 1, 2001), .pass(seconds: 4000),
                    talk.there(24, 1001, 1, payload: 1000), .pass(seconds: 4000), talk.back(Flags.ack, 1, 2001),
                ])
        },
        Row("a probe that is taken, and a FIN after it") { talk in
            [
                talk.there(Flags.syn, 0, is: "accept rule"), talk.back(Flags.synAck, 0, 1, window: 100),
                talk.there(Flags.ack, 1, 1), talk.there(24, 1, 1, payload: 100),
                talk.back(Flags.ack, 1, 101, window: 0),
                talk.there(Flags.ack, 101, 1, payload: 1), talk.back(Flags.ack, 1, 102, window: 0),
                talk.there(Flags.fin, 102, 1), talk.back(Flags.ack, 1, 103, window: 0),
                talk.back(24, 1, 103, payload: 10), talk.there(Flags.ack, 103, 11), .flows([.established]),
                talk.back(Flags.fin, 11, 103), talk.there(Flags.ack, 103, 12), .flows([.closing]),
            ]
        },
    ]

    /// The true ends go on, and a true reset is believed. `sent` is the client's position.
    private static func goesOn(_ talk: Talk, sent: Int = 11) -> [FlowScript.Step] {
        [
            .flows([.established]), talk.there(24, sent, 1, payload: 10), talk.back(24, 1, sent + 10, payload: 10),
            .pass(seconds: 7400), talk.there(Flags.ack, sent + 10, 11), talk.back(Flags.rst, 11), .flows([.closed]),
        ]
    }
}
