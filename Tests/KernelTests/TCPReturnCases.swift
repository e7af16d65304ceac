// SPDX-License-Identifier: Apache-2.0
import Compiler
import TestSupport

/// A client that lost power and comes back.
extension PacketTables.TCPTests {
    /// A host that comes back may begin near its old numbers: within the windows of the connection that was there.
    static let nearReturns = [(-60000, -60000), (100, -200), (1, -1), (-1, 1), (0, -2), (2, 0), (-100, 500)].map {
        near in
        Row("both ends come back near their old numbers \(near)") { talk in
            let new = talk.moved(client: near.0, server: near.1)
            return join(
                talk.handshake(),
                [talk.there(24, 1, 1, payload: 1000), talk.back(24, 1, 1001, payload: 100), talk.there(16, 1001, 101)],
                [
                    new.there(Flags.syn, 0, is: "accept rule"), new.back(Flags.synAck, 0, 1),
                    new.there(Flags.ack, 1, 1), .flows([.established]), new.there(24, 1, 1, payload: 10),
                    new.back(Flags.ack, 1, 11), new.back(Flags.rst, 1), .flows([.closed]),
                ])
        }
    }

    /// Late copies of what opened a connection are no other connection.
    static let copies = [
        Row("copies of a SYN and of its answer change nothing") { talk in
            let syn = talk.there(Flags.syn, 0, is: "accept rule")
            let answer = talk.back(Flags.synAck, 0, 1)
            return join(
                [syn, syn, answer, syn, answer, talk.there(Flags.ack, 1, 1), syn, answer],
                [talk.there(24, 1, 1, payload: 1000), talk.back(24, 1, 1001, payload: 1000)],
                [talk.there(Flags.ack, 1001, 1001), syn, answer, answer, talk.there(Flags.ack, 1001, 1001)],
                (1...80).flatMap { step in
                    [
                        talk.there(24, 1 + step * 1000, 1001, payload: 1000),
                        talk.back(Flags.ack, 1001, 1001 + step * 1000),
                    ]
                },
                [
                    syn, answer, .flows([.established]), .pass(seconds: 7400),
                    talk.there(24, 81001, 1001, payload: 10), talk.back(Flags.ack, 1001, 81011), .pass(seconds: 7400),
                    talk.there(24, 81011, 1001, payload: 10), talk.back(Flags.rst, 1001), .flows([.closed]),
                ])
        },
        Row("a server's second cookie for the same SYN") { talk in
            let again = talk.moved(client: 0, server: 0x3000_0000)
            return join(
                [talk.there(Flags.syn, 0, is: "accept rule"), talk.back(Flags.synAck, 0, 1)],
                [again.there(Flags.syn, 0, is: "accept rule"), again.back(Flags.synAck, 0, 1)],
                [again.there(Flags.ack, 1, 1), again.there(24, 1, 1, payload: 10), again.back(Flags.ack, 1, 11)],
                [.flows([.established])])
        },
    ]

    /// The new initial sequence number, relative to the old one.
    private static let distances = [100_000, -100_000, 0x7fff_ffff, 0x4000_0000, -0x4000_0000]

    /// A SYN over a connection waits for its answer, though the connection is reset meanwhile.
    static let waits = [("is doubted", 1000), ("is certain", 0)].map { reset in
        Row("a SYN waits for its answer beside a connection whose reset \(reset.0)") { talk in
            let new = talk.moved(client: 100_000, server: -5000)
            return join(
                talk.handshake(), reset.1 > 0 ? [talk.there(24, 1, 1, payload: reset.1)] : [],
                [new.there(Flags.syn, 0, is: "accept rule"), talk.there(Flags.rst, 1), .pass(seconds: 21)],
                [new.back(Flags.synAck, 0, 1), new.there(Flags.ack, 1, 1), .flows([.established])])
        }
    }

    static let returns = distances.flatMap { distance in
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
}
