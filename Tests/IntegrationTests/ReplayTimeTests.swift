// SPDX-License-Identifier: Apache-2.0
import Capture
import Foundation
import Network
import TestSupport
import Testing
import Wire

extension Integration {
    /// A capture is judged by its own timestamps, whenever and however slowly it is replayed.
    @Suite(.serialized) struct ReplayTimeTests {
        /// A capture, and the outcome for each of its packets.
        struct Story: Sendable, CustomTestStringConvertible {
            var testDescription: String
            var rule = "service: udp/53, direction: in, action: accept"
            /// In seconds since 1970, or since the capture began; nil if the capture has no timestamps.
            var packets: [Captured]
            /// Added to all timestamps.
            var begin = Self.date

            /// 31 January 2020, 18:00 UTC.
            static let date = 1_580_493_600.0
        }

        /// A captured packet, its time, and its outcome.
        struct Captured: Sendable {
            var at: Double?
            var packet: Packet
            var verdict: String

            init(_ at: Double?, _ packet: Packet, _ verdict: String) {
                self.at = at
                self.packet = packet
                self.verdict = verdict
            }
        }

        enum Packet: Sendable {
            /// A packet from a client to the server, and the answer.
            case ask(client: UInt16 = 1)
            case answer
            /// Two fragments of one datagram.
            case first
            case last
            /// A packet of a connection that was there before.
            case segment
        }

        private static let dropped = "drop default"

        private static let smallSteps: [Captured] =
            [Captured(0, .ask(), "accept rule"), Captured(0, .ask(client: 2), "accept rule")]
            + (1...310).map { Captured(Double($0) / 10, .ask(client: 2), "accept established") }
            + [Captured(31, .answer, dropped)]
        private static let standstill: [Captured] =
            [Captured(0, .ask(), "accept rule")] + (0..<500).map { _ in Captured(0, .ask(), dropped) }

        static let stories: [Story] = [
            Story(
                testDescription: "an answer before the opening has timed out",
                packets: [Captured(0, .ask(), "accept rule"), Captured(29, .answer, "accept established")]),
            Story(
                testDescription: "an answer after it",
                packets: [Captured(0, .ask(), "accept rule"), Captured(31, .answer, dropped)]),
            Story(
                testDescription: "the same by timestamps that are not dates",
                packets: [
                    Captured(0, .ask(), "accept rule"), Captured(29, .answer, "accept established"),
                    Captured(150, .answer, dropped),
                ],
                begin: 0),
            Story(
                testDescription: "timestamps that go back pass no time, and no time twice",
                packets: [
                    Captured(100, .ask(), "accept rule"), Captured(40, .answer, "accept established"),
                    Captured(99, .answer, "accept established"), Captured(219, .answer, "accept established"),
                    Captured(340, .answer, dropped),
                ]),
            Story(testDescription: "small steps add up", packets: smallSteps),
            Story(
                testDescription: "a fragment within its datagram's time",
                packets: [Captured(0, .first, "accept rule"), Captured(29, .last, "accept fragment")]),
            Story(
                testDescription: "a fragment after it",
                packets: [Captured(0, .first, "accept rule"), Captured(31, .last, "drop fragment")]),
            Story(
                testDescription: "a limit fills up again",
                rule: "service: udp/53, action: accept, stateless: true, limit: { rate: 1/s, burst: 2 }",
                packets: [
                    Captured(0, .ask(), "accept rule"), Captured(0, .ask(), "accept rule"),
                    Captured(0, .ask(), dropped),
                    Captured(0.999, .ask(), dropped), Captured(1, .ask(), "accept rule"), Captured(1, .ask(), dropped),
                    Captured(60, .ask(), "accept rule"), Captured(60, .ask(), "accept rule"),
                    Captured(60, .ask(), dropped),
                ]),
            Story(
                testDescription: "a source's does",
                rule: "service: udp/53, action: accept, stateless: true, "
                    + "limit: { rate: 1/m, burst: 1, per: source }",
                packets: [
                    Captured(0, .ask(client: 1), "accept rule"), Captured(0, .ask(client: 2), "accept rule"),
                    Captured(59, .ask(client: 1), dropped), Captured(60, .ask(client: 1), "accept rule"),
                    Captured(61, .ask(client: 2), "accept rule"), Captured(62, .ask(client: 1), dropped),
                ]),
            Story(
                testDescription: "nothing fills up while the capture stands still",
                rule: "service: udp/53, action: accept, stateless: true, limit: { rate: 1000/s, burst: 1 }",
                packets: standstill),
            Story(
                testDescription: "a rule expires, and its flows end",
                rule: "service: udp/53, direction: in, action: accept, expires: 2020-01-31T18:00:10Z",
                packets: [
                    Captured(9, .ask(), "accept rule"), Captured(9.5, .answer, "accept established"),
                    Captured(11, .ask(client: 2), dropped), Captured(11, .answer, "drop policy-changed"),
                ]),
            Story(
                testDescription: "a rule that expires later",
                rule: "service: udp/53, action: accept, expires: 2100-01-01T00:00:00Z",
                packets: [Captured(0, .ask(), "accept rule"), Captured(86_400, .ask(), "accept rule")]),
            Story(
                testDescription: "without a date it is today",
                rule: "service: udp/53, action: accept, expires: 2020-01-31T18:00:00Z",
                packets: [Captured(0, .ask(), dropped), Captured(1, .ask(), dropped)], begin: 0),
            Story(
                testDescription: "without stamps it is today, and no time passes",
                rule: "service: udp/53, action: accept, stateless: true, expires: 2100-01-01T00:00:00Z, "
                    + "limit: { rate: 1000/s, burst: 1 }",
                packets: [
                    Captured(nil, .ask(), "accept rule"), Captured(nil, .ask(), dropped),
                    Captured(nil, .ask(), dropped),
                ]),
            Story(
                testDescription: "without stamps a rule may have expired",
                rule: "service: udp/53, action: accept, expires: 2020-01-31T18:00:00Z",
                packets: [Captured(nil, .ask(), dropped)]),
            Story(
                testDescription: "the port is filtered for long: no connection is adopted",
                rule: "service: tcp/80, action: accept",
                packets: [Captured(0, .segment, "drop invalid-state"), Captured(200, .segment, "drop invalid-state")]),
        ]

        private static func frame(_ packet: Packet, _ family: AddressFamily) -> [UInt8] {
            func client(_ number: UInt16) -> IPAddress {
                family == .v4
                    ? IPAddress(v4: 0xc633_6400 + UInt32(number))
                    : IPAddress(v6: UInt128(0x2001_0db8_0007) << 80 | UInt128(number) << 64)
            }
            let server: IPAddress = family == .v4 ? "192.0.2.2" : "2001:db8::2"
            let parts = Datagram(client(1), server, .udp(payload: Array(repeating: 1, count: 2000))).fragments(of: 1448)
            return switch packet {
            case .ask(let number): Frame(Datagram(client(number), server, .udp())).bytes
            case .answer: Frame(Datagram(server, client(1), .udp(53, 40000))).bytes
            case .first: Frame(parts[0]).bytes
            case .last: Frame(parts[1]).bytes
            case .segment: Frame(Datagram(client(1), server, .tcp(flags: 16))).bytes
            }
        }

        /// Each packet in both families. A pcap file, or for packets without timestamps a pcapng file of simple packet
        /// blocks.
        private static func capture(_ story: Story, _ lab: Lab) throws -> String {
            let path = try lab.file("trace", "")
            if story.packets.contains(where: { $0.at == nil }) {
                let frames = story.packets.flatMap { captured in
                    AddressFamily.allCases.map { frame(captured.packet, $0) }
                }
                try Data(SimpleCapture.bytes(frames)).write(to: URL(filePath: path))
                return path
            }
            var writer = try CaptureWriter(path: path)
            for captured in story.packets {
                let time = UInt64((story.begin + (captured.at ?? 0)) * 1000) * 1_000_000
                for family in AddressFamily.allCases {
                    try writer.write(CapturedFrame(bytes: frame(captured.packet, family), time: time))
                }
            }
            return path
        }

        /// Of a line of `replay --json`.
        private struct Judged: Decodable {
            var verdict: String
            var reason: String
        }

        @Test(arguments: stories) func stampsTellTheTime(story: Story) throws {
            let lab = try Lab()
            // A rule per family, so that each has its own limit.
            let policy = try lab.file(
                "policy.yaml",
                """
                version: 1
                ports:
                  uplink: { interface: up0, protects: host }
                defaults: { in: drop, out: drop }
                rules:
                  - { name: v4, to: 0.0.0.0/0, \(story.rule) }
                  - { name: v6, to: "::/0", \(story.rule) }
                """)
            let result = try Shell.run([
                Bulkhead.executable, "replay", try Self.capture(story, lab), "--policy", policy, "--port", "uplink",
                "--inside", "192.0.2.0/24,2001:db8::/64", "--json",
            ])
            #expect(result.status == 0, "\(result.errors)")
            let verdicts = try result.lines.map { line in
                let judged = try JSONDecoder().decode(Judged.self, from: Data(line.utf8))
                return "\(judged.verdict) \(judged.reason)"
            }
            #expect(verdicts == story.packets.flatMap { [$0.verdict, $0.verdict] })
        }
    }
}

/// A pcapng file whose packets have no timestamps.
private enum SimpleCapture {
    static func bytes(_ frames: [[UInt8]]) -> [UInt8] {
        let section = block(0x0a0d_0d0a, little(0x1a2b_3c4d) + [1, 0, 0, 0] + Array(repeating: 0xff, count: 8))
        let interface = block(1, [1, 0, 0, 0] + little(0))
        return section + interface + frames.flatMap { block(3, little(UInt32($0.count)) + $0) }
    }

    private static func block(_ type: UInt32, _ body: [UInt8]) -> [UInt8] {
        let padded = body + Array(repeating: 0, count: (4 - body.count % 4) % 4)
        let length = little(UInt32(padded.count + 12))
        return little(type) + length + padded + length
    }

    private static func little(_ value: UInt32) -> [UInt8] {
        (0..<4).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
    }
}
