// SPDX-License-Identifier: Apache-2.0
import Compiler
import Network
import TestSupport
import Testing

extension PacketTables {
    /// Fragments of a datagram, one after the other, through the kernel's own programs.
    @Suite struct FragmentTests {
        typealias Talk = FlowTests.Talk

        /// A UDP datagram from the client to the server, which is sent in fragments.
        struct Whole: Sendable {
            var talk: Talk
            var port: UInt16 = 53
            var identification: UInt32 = 0x8765_4321
            var isReply = false

            /// The fragment of these units of eight bytes, without its last `less` bytes. More fragments follow unless
            /// it is the last.
            func part(_ units: Range<Int>, last: Bool = false, less: Int = 0) -> Frame {
                let payload = [UInt8](repeating: 0x51, count: 1000)
                let segment: Segment =
                    isReply ? .udp(port, 40000, payload: payload) : .udp(40000, port, payload: payload)
                let bytes = segment.bytes[units.lowerBound * 8..<units.upperBound * 8 - less]
                return frame(Segment(number: 17, bytes: Array(bytes)), at: units.lowerBound, last: last)
            }

            func frame(_ segment: Segment, at unit: Int, last: Bool) -> Frame {
                let (client, server) = (talk.client, talk.server)
                return Frame(
                    Datagram(isReply ? server : client, isReply ? client : server, segment) {
                        $0.identification = identification
                        $0.fragment = .init(offset: UInt16(unit), more: !last)
                    }, tags: talk.tags.map { Frame.Tag($0) })
            }
        }

        private static let scripts: [FlowScript] = AddressFamily.allCases.flatMap { family in
            let whole = Whole(talk: Talk(family: family))
            return [orders, overlaps, ends, firsts, identities, errors].flatMap { $0(whole) }.map { script in
                var script = script
                script.testDescription = "IP\(family): " + script.testDescription
                return script
            }
        }

        private static let opens = "accept rule"
        private static let follows = "accept fragment"
        private static let astray = "drop fragment"

        /// A fragment toward the guest `web`.
        private static func web(_ frame: Frame, _ expected: String) -> FlowScript.Step {
            .frame(frame, at: "web", .in, expected)
        }

        private static func orders(_ whole: Whole) -> [FlowScript] {
            [
                FlowScript(
                    "in order; when all are there, the identification may be used again",
                    [
                        web(whole.part(0..<4), opens), web(whole.part(4..<8), follows),
                        web(whole.part(8..<9, last: true, less: 3), follows),
                        web(whole.part(8..<9, last: true, less: 3), astray), web(whole.part(4..<8), astray),
                        web(whole.part(0..<4), "accept established"), web(whole.part(4..<8, last: true), follows),
                    ]),
                FlowScript(
                    "any order after the first, none before it",
                    [
                        web(whole.part(4..<8), astray), web(whole.part(12..<16, last: true), astray),
                        web(whole.part(0..<4), opens), web(whole.part(12..<16, last: true), follows),
                        web(whole.part(8..<12), follows), web(whole.part(4..<8), follows),
                        web(whole.part(4..<8), astray),
                    ]),
                FlowScript(
                    "duplicates",
                    [
                        web(whole.part(0..<4), opens), web(whole.part(0..<4), astray), web(whole.part(4..<8), follows),
                        web(whole.part(4..<8), astray), web(whole.part(8..<9, last: true), follows),
                    ]),
                FlowScript(
                    "thirty seconds from the first on, and no longer",
                    [
                        web(whole.part(0..<4), opens), .pass(seconds: 20), web(whole.part(4..<8), follows),
                        .pass(seconds: 12), web(whole.part(8..<9, last: true), astray),
                        web(whole.part(0..<4), opens), web(whole.part(8..<9, last: true), follows),
                    ]),
                FlowScript(
                    "eight parts with gaps between them",
                    [web(whole.part(0..<1), opens)]
                        + (1...7).map { web(whole.part($0 * 2..<$0 * 2 + 1), follows) }
                        + [web(whole.part(20..<21), astray), web(whole.part(1..<2), follows)]
                        + [web(whole.part(20..<21), follows), web(whole.part(22..<23), astray)]
                        + (2...7).map { web(whole.part($0 * 2 - 1..<$0 * 2), follows) }
                        + [
                            web(whole.part(15..<20), follows), web(whole.part(21..<22, last: true), follows),
                            web(whole.part(21..<22, last: true), astray),
                        ]),
            ]
        }

        private static func overlaps(_ whole: Whole) -> [FlowScript] {
            [
                FlowScript(
                    "overlaps at either side, within, around",
                    [
                        web(whole.part(0..<4), opens), web(whole.part(8..<12), follows),
                        web(whole.part(3..<6), astray), web(whole.part(1..<2), astray),
                        web(whole.part(6..<9), astray), web(whole.part(11..<14), astray),
                        web(whole.part(9..<10), astray), web(whole.part(6..<14), astray),
                        web(whole.part(8..<12), astray), web(whole.part(2..<20, last: true), astray),
                        web(whole.part(4..<8), follows), web(whole.part(12..<13, last: true), follows),
                    ]),
                FlowScript(
                    "another first of the datagram, of other ports too",
                    [
                        web(whole.part(0..<4), opens), web(whole.part(0..<2), astray), web(whole.part(0..<6), astray),
                        web(Whole(talk: whole.talk, port: 54).part(0..<4), astray),
                        web(whole.part(4..<5, last: true), follows),
                    ]),
            ]
        }

        private static func ends(_ whole: Whole) -> [FlowScript] {
            [
                FlowScript(
                    "nothing after the last, and no second last",
                    [
                        web(whole.part(0..<4), opens), web(whole.part(8..<9, last: true, less: 1), follows),
                        web(whole.part(9..<10), astray), web(whole.part(9..<10, last: true), astray),
                        web(whole.part(4..<6, last: true), astray), web(whole.part(4..<8), follows),
                    ]),
                FlowScript(
                    "no last before what is there",
                    [
                        web(whole.part(0..<4), opens), web(whole.part(8..<9), follows),
                        web(whole.part(4..<6, last: true), astray), web(whole.part(4..<8), follows),
                        web(whole.part(9..<10, last: true), follows),
                    ]),
                FlowScript(
                    "parts that are not a multiple of eight bytes, or empty",
                    [
                        web(whole.part(0..<4, less: 4), astray), web(whole.part(0..<4), opens),
                        web(whole.part(4..<6, less: 1), astray), web(whole.part(4..<6, less: 16), astray),
                        web(whole.part(4..<6, last: true, less: 16), astray),
                        web(whole.part(4..<6, last: true, less: 15), follows),
                    ]),
                FlowScript(
                    "65,535 bytes and no more",
                    [
                        web(whole.part(0..<4), opens),
                        web(
                            whole.frame(Segment(number: 17, bytes: [1, 2, 3, 4, 5, 6, 7, 8]), at: 8191, last: true),
                            astray),
                        web(
                            whole.frame(
                                Segment(number: 17, bytes: Array(repeating: 0, count: 40)), at: 8190, last: true),
                            astray),
                        web(
                            whole.frame(
                                Segment(number: 17, bytes: Array(repeating: 0, count: 15)), at: 8187, last: true),
                            follows),
                    ]),
            ]
        }

        private static func firsts(_ whole: Whole) -> [FlowScript] {
            let denied = Whole(talk: whole.talk, port: 54)
            let reply = Whole(talk: whole.talk, isReply: true)
            let tiny = Datagram(whole.talk.client, whole.talk.server, .tcp()) {
                $0.fragment = .first
                $0.keep = 16
                $0.identification = whole.identification
            }
            let rest = Segment(number: 6, bytes: [UInt8](repeating: 0, count: 8))
            let dhcp: Segment =
                whole.talk.family == .v4
                ? .udp(68, 67, payload: Array(repeating: 0, count: 16))
                : .udp(546, 547, payload: Array(repeating: 0, count: 16))
            return [
                FlowScript(
                    "those of a first that was denied",
                    [web(denied.part(0..<4), "drop default"), web(denied.part(4..<8, last: true), astray)]),
                FlowScript(
                    "those of a first that could hide its ports",
                    [web(Frame(tiny), astray), web(whole.frame(rest, at: 2, last: true), astray)]),
                FlowScript(
                    "of a reply that a flow admits",
                    [
                        web(whole.talk.there(.udp()), opens),
                        .frame(reply.part(0..<4), at: "web", .out, "accept established"),
                        .frame(reply.part(4..<8, last: true), at: "web", .out, follows),
                    ]),
                FlowScript(
                    "of what is accepted without a flow", under: FlowScript.stateless,
                    [web(whole.part(0..<4), opens), web(whole.part(4..<8, last: true), follows), .flows([])]),
                FlowScript(
                    "of what would be essential if it were whole",
                    [
                        web(whole.frame(dhcp, at: 0, last: false), "drop default"),
                        web(whole.part(3..<8, last: true), astray),
                    ]),
                FlowScript(
                    "a policy between the first and the rest costs no datagram",
                    [
                        web(whole.part(0..<4), opens), .swap(FlowScript.renamed), web(whole.part(4..<8), follows),
                        web(whole.part(0..<4), astray), .pass(seconds: 31), web(whole.part(8..<9), astray),
                        web(whole.part(0..<4), opens), web(whole.part(4..<8), follows),
                    ]),
            ]
        }

        /// What tells datagrams apart.
        private static func identities(_ whole: Whole) -> [FlowScript] {
            let tagged = Whole(talk: Talk(family: whole.talk.family, tags: [10]))
            let other = Whole(talk: whole.talk, identification: whole.identification ^ 1)
            let rest = whole.part(4..<8, last: true)
            var steps: [FlowScript.Step] = [
                web(whole.part(0..<4), opens), web(tagged.part(4..<8, last: true), astray),
                web(other.part(4..<8, last: true), astray),
                web(Whole(talk: whole.talk, isReply: true).part(4..<8, last: true), astray),
                .frame(rest, at: "web", .out, astray), .frame(rest, at: "db", .in, astray),
                .frame(rest, at: "nic", .in, astray),
                web(tagged.part(0..<4), opens), .frame(whole.part(0..<4), at: "db", .in, opens),
                .frame(whole.part(0..<4), at: "nic", .in, opens),
                web(other.part(0..<4), "accept established"), web(other.part(4..<8, last: true), follows),
                .frame(rest, at: "nic", .in, follows), .frame(rest, at: "db", .in, follows),
                web(tagged.part(4..<8, last: true), follows),
            ]
            let ofTCP = whole.frame(Segment(number: 6, bytes: Array(repeating: 0, count: 32)), at: 4, last: true)
            // In IPv4 the protocol is part of a datagram's identity; in IPv6 only the first fragment's next header
            // counts.
            steps += whole.talk.family == .v4 ? [web(ofTCP, astray), web(rest, follows)] : [web(ofTCP, follows)]
            return [FlowScript("what tells datagrams apart", steps)]
        }

        /// A later fragment has no ports, whatever its data looks like, so an error that quotes it belongs to no flow.
        private static func errors(_ whole: Whole) -> [FlowScript] {
            let talk = whole.talk
            func quoted(_ fragment: Datagram.Fragment) -> Datagram {
                Datagram(talk.client, talk.server, .udp(payload: [1, 2, 3, 4, 5, 6, 7, 8])) { $0.fragment = fragment }
            }
            return [
                FlowScript(
                    "an error that quotes a fragment",
                    [
                        web(talk.there(.udp()), opens),
                        .frame(talk.error(to: talk.client, about: quoted(.middle)), at: "web", .out, "drop default"),
                        .frame(talk.error(to: talk.client, about: quoted(.last)), at: "web", .out, "drop default"),
                        .frame(talk.error(to: talk.client, about: quoted(.first)), at: "web", .out, "accept related"),
                    ])
            ]
        }

        @Test(arguments: scripts) func goes(script: FlowScript) throws { try script.run() }
    }
}
