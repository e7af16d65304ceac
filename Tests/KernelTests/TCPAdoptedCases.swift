// SPDX-License-Identifier: Apache-2.0
import Compiler
import TestSupport

/// Connections from before the policy.
extension PacketTables.TCPTests {
    static let adopted = [
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
        Row("adopted, and a reset while one end alone was seen", adopts: true) { talk in
            [
                talk.there(24, 1, 1, payload: 10, is: "accept adopted"), talk.there(Flags.rst, 11), .flows([.opening]),
                talk.back(24, 1, 11, payload: 10), .flows([.established]),
            ]
        },
    ]

    /// The windows of an adopted connection are so wide that a new connection's numbers lie in them too.
    static let adoptedReturns = [-200_000, 200_000, 0x2000_0000].map { distance in
        Row("adopted, and a client comes back; the server resets (\(distance))", adopts: true) { talk in
            let new = talk.moved(client: 100_000, server: distance)
            return join(
                [talk.there(24, 1, 1, payload: 10, is: "accept adopted"), talk.back(24, 1, 11, payload: 10)],
                [
                    new.there(Flags.syn, 0, is: "accept rule"), new.back(Flags.synAck, 0, 1),
                    new.there(Flags.ack, 1, 1), .flows([.established]), new.there(24, 1, 1, payload: 10),
                    new.back(Flags.ack, 1, 11), new.back(Flags.rst, 1), .flows([.closed]),
                ])
        }
    }
}
