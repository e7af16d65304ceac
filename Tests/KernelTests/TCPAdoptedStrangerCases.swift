// SPDX-License-Identifier: Apache-2.0
import Compiler
import TestSupport

/// Strangers who speak while a connection is adopted, or later. The window scale of such a connection is unknown, so
/// strangers hit its windows easily, and still they shut neither end out.
extension PacketTables.TCPTests {
    static let adoptedStrangers = places.flatMap(first) + later

    /// A stranger's sequence and acknowledgement numbers, relative to the client's and the server's.
    private static let places = [
        (0x4000_0000, 0x8010_0000), (0x8010_0000, 0x7ff0_0000), (0x1000_0000, 0xc000_0000), (0x1000_0000, 0x1000_0000),
    ]

    private static func first(_ client: Int, _ server: Int) -> [Row] {
        let place = "(\(client), \(server))"
        return [
            Row("a stranger speaks first, from outside \(place)", adopts: true) { talk in
                let stranger = talk.moved(client: client, server: server)
                return join(
                    [stranger.there(24, 1, 1, payload: 10, is: "accept adopted"), talk.back(24, 1, 1, payload: 10)],
                    meet(talk))
            },
            Row("a stranger speaks first, from inside \(place)", adopts: true) { talk in
                let stranger = talk.moved(client: client, server: server)
                return join(
                    [stranger.back(24, 1, 1, payload: 10, is: "accept adopted"), talk.there(Flags.ack, 1, 1)],
                    [talk.back(24, 1, 1, payload: 10)], meet(talk))
            },
            Row("a stranger speaks first, and resets \(place)", adopts: true) { talk in
                let stranger = talk.moved(client: client, server: server)
                return join(
                    [stranger.there(24, 1, 1, payload: 10, is: "accept adopted"), stranger.there(Flags.rst, 11)],
                    [talk.back(24, 1, 1, payload: 10)], meet(talk))
            },
        ]
    }

    /// The client has not yet acknowledged ten of the server's bytes.
    private static func meet(_ talk: Talk) -> [FlowScript.Step] {
        [
            talk.there(Flags.ack, 1, 11), talk.back(24, 11, 1, payload: 10), talk.there(Flags.ack, 1, 21),
            .flows([.established]), .pass(seconds: 7400), talk.there(24, 1, 21, payload: 10),
            talk.back(Flags.ack, 21, 11), .pass(seconds: 7400), talk.back(24, 21, 11, payload: 10),
            talk.there(24, 11, 31, payload: 10), talk.back(Flags.rst, 31),
        ]
    }

    private static let later = [
        Row("a stranger speaks between all that the ends say", adopts: true) { talk in
            let stranger = talk.moved(client: 0x4000_0000, server: 0x8010_0000)
            let client = talk.there(24, 1, 1, payload: 10)
            let server = talk.back(24, 1, 1, payload: 10)
            let forged = stranger.there(24, 1, 1, payload: 10)
            return join(
                [stranger.there(24, 1, 1, payload: 10, is: "accept adopted")],
                (0..<5).flatMap { _ in [.pass(seconds: 20), server, forged, client, forged, .flows([.opening])] },
                [server], meet(talk))
        },
        Row("a stranger alone lets nothing last", adopts: true) { talk in
            let stranger = talk.moved(client: 0x4000_0000, server: 0x8010_0000)
            return [
                talk.there(24, 1, 1, payload: 10, is: "accept adopted"), .pass(seconds: 20),
                stranger.there(24, 1, 1, payload: 10), .pass(seconds: 15),
                talk.there(24, 1, 1, payload: 10, is: "accept adopted"),
            ]
        },
        Row("a stranger acknowledges on and on, from outside", adopts: true) { talk in
            join(
                [talk.there(24, 1, 1, payload: 10, is: "accept adopted"), talk.back(Flags.ack, 1, 11)],
                (1...6).map { talk.there(Flags.ack, 11, 1 + $0 * 0x1ff0_0000, is: $0 == 1 ? passes : talk.outside) },
                goOn(talk))
        },
        Row("a stranger acknowledges on and on, from inside", adopts: true) { talk in
            join(
                [talk.there(24, 1, 1, payload: 10, is: "accept adopted"), talk.back(Flags.ack, 1, 11)],
                (1...6).map { talk.back(Flags.ack, 1, 11 + $0 * 0x1ff0_0000, is: $0 == 1 ? passes : talk.outside) },
                goOn(talk))
        },
        Row("a stranger's FIN does not count when the other end sends its own", adopts: true) { talk in
            join(
                [talk.there(24, 1, 1, payload: 10, is: "accept adopted"), talk.back(Flags.ack, 1, 11)],
                [talk.there(Flags.fin, 0x1000_0000, 1), talk.there(Flags.fin, -0x1000_0000, 1)],
                [talk.back(Flags.fin, 1, 11), talk.there(Flags.ack, 11, 2), .flows([.established])],
                [.pass(seconds: 7400), talk.there(24, 11, 2, payload: 10), talk.back(Flags.ack, 2, 21)])
        },
        Row("nor does one that stood at the end for a moment", adopts: true) { talk in
            join(
                [talk.there(24, 1, 1, payload: 10, is: "accept adopted"), talk.back(Flags.ack, 1, 11)],
                [talk.there(Flags.fin, 11, 1), talk.there(24, 11, 1, payload: 10), talk.back(Flags.fin, 1, 21)],
                [talk.there(Flags.ack, 21, 2), .flows([.established]), .pass(seconds: 7400)],
                [talk.there(24, 21, 2, payload: 10)])
        },
        Row("the ends' own FINs count, also if they come again", adopts: true) { talk in
            join(
                [talk.there(24, 1, 1, payload: 10, is: "accept adopted"), talk.back(Flags.ack, 1, 11)],
                [talk.there(Flags.fin, 11, 1), talk.back(Flags.ack, 1, 12), talk.back(Flags.fin, 1, 12)],
                [talk.there(Flags.fin, 11, 1), .flows([.established]), talk.there(Flags.ack, 12, 2)],
                [.flows([.closing]), .pass(seconds: 130), talk.there(Flags.ack, 12, 2, is: "accept adopted")])
        },
        Row("a stranger's data hit, and so does the reset behind them", adopts: true) { talk in
            join(
                [talk.there(24, 1, 1, payload: 10, is: "accept adopted"), talk.back(Flags.ack, 1, 11)],
                [talk.there(24, 0x1000_0000, 1, payload: 100), talk.there(Flags.rst, 0x1000_0064)],
                [.flows([.established]), .pass(seconds: 60)], goOn(talk))
        },
    ]

    private static let passes = "accept established"

    private static func goOn(_ talk: Talk) -> [FlowScript.Step] {
        [
            .pass(seconds: 4000), talk.back(24, 1, 11, payload: 10), talk.there(24, 11, 11, payload: 10),
            .pass(seconds: 7400), talk.back(Flags.ack, 11, 21), talk.there(Flags.ack, 21, 11),
            .flows([.established]), talk.back(Flags.rst, 11), talk.there(Flags.rst, 21),
        ]
    }
}
