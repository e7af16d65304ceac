// SPDX-License-Identifier: Apache-2.0
import Network
import TestSupport
import Testing

extension PacketTables {
    /// What an L4 header must contain, and the limits of its lengths.
    @Suite struct TransportTests {
        static let rows = bothFamilies { family in
            tcp(family) + udp(family) + others(family)
        }

        private static func row(
            _ description: String, _ family: AddressFamily, _ segment: Segment, _ expected: PacketRow.Expectation,
            early: PacketRow.Early = .either, keep: Int? = nil
        ) -> PacketRow {
            PacketRow(
                description, Ends.frame(family, segment) { $0.keep = keep }, expected, at: ["nic", "guest"],
                early: early)
        }

        private static func tcp(_ family: AddressFamily) -> [PacketRow] {
            let options = [UInt8](repeating: 1, count: 40)
            return [
                row("TCP to port 80", family, .tcp(), .accept(by: "web"), early: .leaves),
                row("TCP to another port", family, .tcp(40000, 81), .drop(.default), early: .drops),
                row("TCP with a payload", family, .tcp(payload: [1, 2, 3]), .accept(by: "web")),
                row("TCP with every option byte", family, .tcp(options: options), .accept(by: "web")),
                row(
                    "TCP with options cut by one byte", family, .tcp(options: options), .drop(.malformed),
                    early: .drops, keep: 59),
                row("TCP header of 19 bytes", family, .tcp(), .drop(.malformed), early: .drops, keep: 19),
                row("TCP header of no bytes", family, .tcp(), .drop(.malformed), early: .drops, keep: 0),
                row(
                    "TCP header of 4 bytes: ports alone are not enough", family, .tcp(), .drop(.malformed),
                    early: .drops, keep: 4),
                row("TCP data offset 4", family, .tcp(dataOffset: 4), .drop(.malformed), early: .drops),
                row("TCP data offset 0", family, .tcp(dataOffset: 0), .drop(.malformed), early: .drops),
                row("TCP data offset 6 in 20 bytes", family, .tcp(dataOffset: 6), .drop(.malformed), early: .drops),
                row(
                    "TCP data offset 15 in 59 bytes", family,
                    .tcp(payload: Array(repeating: 0, count: 39), dataOffset: 15), .drop(.malformed)),
                row(
                    "TCP data offset 15 in 60 bytes", family,
                    .tcp(payload: Array(repeating: 0, count: 40), dataOffset: 15), .accept(by: "web")),
                row("TCP without flags", family, .tcp(flags: 0), .drop(.invalidState), early: .leaves),
                row("TCP with every flag", family, .tcp(flags: 255), .drop(.invalidState), early: .leaves),
                row("TCP to port 0", family, .tcp(40000, 0), .drop(.default), early: .drops),
                row("TCP to port 65535", family, .tcp(40000, 65535), .accept(by: "highest")),
                row("TCP to port 65534", family, .tcp(40000, 65534), .drop(.default)),
                row("TCP from a named source port", family, .tcp(7000, 81), .accept(by: "by-source")),
                row("TCP from the next port", family, .tcp(7001, 81), .drop(.default)),
            ]
        }

        private static func udp(_ family: AddressFamily) -> [PacketRow] {
            [
                row("UDP to port 53", family, .udp(), .accept(by: "dns"), early: .leaves),
                row("UDP to another port", family, .udp(40000, 54), .drop(.default), early: .drops),
                row("UDP header of 7 bytes", family, .udp(), .drop(.malformed), early: .drops, keep: 7),
                row("UDP length 8", family, .udp(length: 8), .accept(by: "dns")),
                row("UDP length 7", family, .udp(length: 7), .drop(.malformed), early: .drops),
                row("UDP length 0", family, .udp(length: 0), .drop(.malformed), early: .drops),
                row(
                    "UDP length one more than there is", family, .udp(payload: [1], length: 10), .drop(.malformed),
                    early: .drops),
                row("UDP length one less than there is", family, .udp(payload: [1, 2], length: 9), .accept(by: "dns")),
                row("UDP length 65535", family, .udp(length: 65535), .drop(.malformed), early: .drops),
            ]
        }

        private static func others(_ family: AddressFamily) -> [PacketRow] {
            let foreign: Segment = family == .v4 ? .icmpv6() : .icmp()
            return [
                row("SCTP", family, .sctp(), .accept(by: "diameter"), early: .leaves),
                row("SCTP to another port", family, .sctp(40000, 3869), .drop(.default), early: .drops),
                row("SCTP header of 11 bytes", family, .sctp(chunks: []), .drop(.malformed), early: .drops, keep: 11),
                row("SCTP header of 12 bytes", family, .sctp(chunks: []), .accept(by: "diameter")),
                row("echo request", family, .ping(family), .accept(by: "ping"), early: .leaves),
                row("ICMP of 8 bytes", family, .ping(family), .accept(by: "ping"), keep: 8),
                row("ICMP of 7 bytes", family, .ping(family), .drop(.malformed), early: .drops, keep: 7),
                row("ICMP of no bytes", family, .ping(family), .drop(.malformed), early: .drops, keep: 0),
                row("the other family's echo request is not a ping", family, foreign, .drop(.default), early: .drops),
                row("the other family's ICMP needs no eight bytes", family, foreign, .drop(.default), keep: 3),
                row("GRE", family, Segment(number: 47, bytes: [0, 0, 8, 0]), .accept(by: "gre"), early: .leaves),
                row("GRE of no bytes", family, Segment(number: 47), .accept(by: "gre")),
                row("ESP is L4", family, Segment(number: 50, bytes: [0, 0, 0, 1, 0, 0, 0, 1]), .accept(by: "esp")),
                row("ESP of no bytes", family, Segment(number: 50), .accept(by: "esp")),
                row(
                    "an unknown protocol", family, Segment(number: 253, bytes: [1, 2]), .drop(.default), early: .drops),
                row("protocol 255", family, Segment(number: 255), .drop(.default), early: .drops),
            ]
        }

        @Test(arguments: rows) func judges(row: PacketRow) throws { try Bench.parser.check(row) }
    }
}
