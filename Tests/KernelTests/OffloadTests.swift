// SPDX-License-Identifier: Apache-2.0
import Network
import TestSupport
import Testing

extension PacketTables {
    /// Super-packets, and packets that a capture cut short: their length is not that of the frame at hand.
    @Suite struct OffloadTests {
        private static func row(
            _ description: String, _ frame: Frame, _ expected: PacketRow.Expectation, original: Int? = nil,
            segments: Int = 1, early: PacketRow.Early = .either
        ) -> PacketRow {
            PacketRow(
                description, frame, expected, at: ["nic", "guest"], early: early, originalLength: original,
                segments: segments)
        }

        static let rows = bothFamilies { family in
            let header = family == .v4 ? 20 : 40
            let payload = [UInt8](repeating: 1, count: 1000)
            let whole = Ends.frame(family, .tcp(payload: payload))
            let headers = 14 + header + 20
            func claiming(_ length: Int, _ segment: Segment = .tcp(payload: payload)) -> Frame {
                Ends.frame(family, segment) { $0.length = length }
            }
            /// The length field of a packet with so many bytes of TCP payload.
            func length(_ payload: Int) -> Int { (family == .v4 ? 20 : 0) + 20 + payload }
            return [
                row(
                    "a capture that kept the headers", whole.cut(to: headers), .accept(by: "web"),
                    original: whole.bytes.count),
                row("a capture that kept 96 bytes", whole.cut(to: 96), .accept(by: "web"), original: whole.bytes.count),
                row(
                    "a capture that kept less than the TCP header", whole.cut(to: headers - 1), .drop(.malformed),
                    original: whole.bytes.count),
                row(
                    "a capture that kept less than the IP header", whole.cut(to: 14 + header - 1), .drop(.malformed),
                    original: whole.bytes.count),
                row(
                    "a capture that kept less than the IP header of what needs no L4",
                    Ends.frame(family, Segment(number: 47, bytes: payload)).cut(to: 14 + header - 1), .drop(.malformed),
                    original: 14 + header + 1000),
                row(
                    "a capture that kept less than the ICMP header",
                    Ends.frame(family, .ping(family)).cut(to: 14 + header + 7),
                    .drop(.malformed), original: 14 + header + 8),
                row(
                    "a capture of a frame that was too short", whole.cut(to: headers), .drop(.malformed),
                    original: whole.bytes.count - 1),
                row(
                    "a capture of a padded frame", whole.cut(to: headers), .accept(by: "web"),
                    original: whole.bytes.count + 6),
                row(
                    "a frame larger than a test run takes", claiming(length(9000)).cut(to: 128), .accept(by: "web"),
                    original: headers + 9000),
                row(
                    "a frame of 65,535 bytes of IP", claiming(65535).cut(to: 128), .accept(by: "web"),
                    original: 14 + (family == .v4 ? 0 : 40) + 65535),
                row("two segments", whole, .accept(by: "web"), segments: 2),
                row(
                    "two segments, to another port", Ends.frame(family, .tcp(1, 81, payload: payload)), .drop(.default),
                    segments: 2),
                row(
                    "forty segments", claiming(length(50_000)).cut(to: 200), .accept(by: "web"),
                    original: headers + 50_000, segments: 40),
                row(
                    "BIG TCP carries length 0", claiming(0).cut(to: 200), .accept(by: "web"),
                    original: headers + 100_000, segments: 80),
                row(
                    "BIG TCP to another port", claiming(0, .tcp(1, 81, payload: payload)).cut(to: 200), .drop(.default),
                    original: headers + 100_000, segments: 80),
                row(
                    "length 0 in one large frame", claiming(0).cut(to: 200), .drop(.malformed),
                    original: headers + 100_000),
                row("length 0 in a small super-packet", claiming(0), .drop(.malformed), segments: 2),
                row(
                    "BIG TCP with its TCP header cut", claiming(0).cut(to: headers - 1), .drop(.malformed),
                    original: headers + 100_000, segments: 80),
            ]
        }

        @Test(arguments: rows) func judges(row: PacketRow) throws { try Bench.parser.check(row) }
    }
}
