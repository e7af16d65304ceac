// SPDX-License-Identifier: Apache-2.0
import Network
import Policy
import TestSupport
import Testing
import Wire

extension PacketTables {
    /// Where a rule applies and what it names: ports, directions, VLANs, addresses, services.
    @Suite struct RuleTests {
        private static func row(
            _ description: String, _ frame: Frame, _ expected: PacketRow.Expectation, at ports: String...,
            direction: Direction? = nil, early: PacketRow.Early = .either
        ) -> PacketRow {
            PacketRow(description, frame, expected, at: ports, direction: direction, early: early)
        }

        private static let rows = bothFamilies { family in
            places(family) + addresses(family) + services(family)
        }

        private static func places(_ family: AddressFamily) -> [PacketRow] {
            func tcp(_ port: UInt16, tags: [UInt16] = []) -> Frame {
                Ends.frame(family, .tcp(40000, port), tags: tags.map { Frame.Tag($0) })
            }
            return [
                row("a rule of one port", tcp(1001), .accept(by: "at-nic"), at: "nic"),
                row("a rule of another port", tcp(1001), .accept(.default), at: "guest", direction: .out),
                row("a rule of two ports at the first", tcp(1002), .drop(by: "at-two"), at: "nic"),
                row("a rule of two ports at the second", tcp(1002), .drop(by: "at-two"), at: "guest"),
                row("a rule of two ports at a third", tcp(1002), .drop(.default), at: "other", direction: .in),
                row("a rule for `in`", tcp(1003), .accept(by: "in-only"), at: "nic", "guest", direction: .in),
                row("a rule for `in`, `out`", tcp(1003), .accept(.default), at: "nic", "guest", direction: .out),
                row("a rule for `out`", tcp(1004), .drop(by: "out-only"), at: "nic", "guest", direction: .out),
                row("a rule for `out`, `in`", tcp(1004), .drop(.default), at: "nic", "guest", direction: .in),
                row("the default of `in`", tcp(1999), .drop(.default), at: "nic", "guest", direction: .in),
                row("the default of `out`", tcp(1999), .accept(.default), at: "nic", "guest", direction: .out),
                row("a port's own default of `in`", tcp(1999), .accept(.default), at: "inverse", direction: .in),
                row("a port's own default of `out`", tcp(1999), .drop(.default), at: "inverse", direction: .out),
                row("a rule for VLAN 10", tcp(1005, tags: [10]), .accept(by: "vlan-10"), at: "nic"),
                row("a rule for VLAN 10, outer tag 10", tcp(1005, tags: [10, 20]), .accept(by: "vlan-10"), at: "nic"),
                row(
                    "a rule for VLAN 10, inner tag 10", tcp(1005, tags: [20, 10]), .drop(.default), at: "nic",
                    direction: .in),
                row("a rule for VLAN 10, tag 11", tcp(1005, tags: [11]), .drop(.default), at: "nic", direction: .in),
                row(
                    "a rule for VLAN 10, untagged", tcp(1005), .drop(.default), at: "nic", direction: .in,
                    early: .leaves),
                row("a rule for untagged", tcp(1006), .accept(by: "untagged"), at: "nic"),
                row("a rule for untagged, priority tag", tcp(1006, tags: [0]), .accept(by: "untagged"), at: "nic"),
                row("a rule for untagged, tagged", tcp(1006, tags: [10]), .drop(.default), at: "nic", direction: .in),
                row("the first of two rules", tcp(1007), .accept(by: "first"), at: "nic", "guest"),
                row("a rule of no service", tcp(2000, tags: [77]), .drop(by: "vlan-77"), at: "nic"),
            ]
        }

        private static func addresses(_ family: AddressFamily) -> [PacketRow] {
            func from(_ v4: IPAddress, _ v6: IPAddress, _ port: UInt16 = 1010) -> Frame {
                Frame(Datagram(family == .v4 ? v4 : v6, Ends.server(family), .tcp(40000, port)))
            }
            let (inside, dropped) = (PacketRow.Expectation.accept(by: "from-net"), PacketRow.Expectation.drop(.default))
            return [
                row("first address of a prefix", from("198.18.4.0", "2001:db8:4::"), inside, at: "nic", direction: .in),
                row(
                    "last address of a prefix", from("198.18.7.255", "2001:db8:7:ffff:ffff:ffff:ffff:ffff"), inside,
                    at: "nic", direction: .in),
                row(
                    "the address before a prefix", from("198.18.3.255", "2001:db8:3:ffff:ffff:ffff:ffff:ffff"), dropped,
                    at: "nic", direction: .in),
                row(
                    "the address after a prefix", from("198.18.8.0", "2001:db8:8::"), dropped, at: "nic", direction: .in
                ),
                row(
                    "an exception inside a prefix", from("198.18.5.5", "2001:db8:5::5"), dropped, at: "nic",
                    direction: .in),
                row("before the exception", from("198.18.5.4", "2001:db8:5::4"), inside, at: "nic", direction: .in),
                row("after the exception", from("198.18.5.6", "2001:db8:5::6"), inside, at: "nic", direction: .in),
                row(
                    "any but a group, inside", from("198.18.4.1", "2001:db8:4::1", 1011), dropped, at: "nic",
                    direction: .in),
                row(
                    "any but a group, outside", from("203.0.113.9", "2001:db8:99::9", 1011), .accept(by: "not-net"),
                    at: "nic", direction: .in),
                row("address zero", from("0.0.0.0", "::", 1011), .accept(by: "not-net"), at: "nic", direction: .in),
                row(
                    "the highest address", from("255.255.255.255", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 1011),
                    .accept(by: "not-net"), at: "nic", direction: .in),
                row("both ends in one of two groups", between(family, 1, 1), .accept(by: "within"), at: "nic"),
                row("both ends in the other", between(family, 2, 2), .accept(by: "within"), at: "nic"),
                row("one end in each", between(family, 1, 2), .drop(.default), at: "nic", direction: .in),
                row("one end in none", between(family, 1, 3), .drop(.default), at: "nic", direction: .in),
            ]
        }

        /// From one tenant to another.
        private static func between(_ family: AddressFamily, _ left: UInt128, _ right: UInt128) -> Frame {
            func end(_ tenant: UInt128) -> IPAddress {
                family == .v4
                    ? IPAddress(v4: 0xc612_0000 + UInt32(0x4000 + tenant << 8) + 1)
                    : IPAddress(v6: 0x2001_0db8 << 96 + (0x4000 + tenant) << 64 + 1)
            }
            return Frame(Datagram(end(left), end(right), .tcp(40000, 1012)))
        }

        private static func services(_ family: AddressFamily) -> [PacketRow] {
            func icmp(_ type: UInt8, _ code: UInt8) -> Frame {
                Ends.frame(family, family == .v4 ? .icmp(type, code) : .icmpv6(type, code))
            }
            func row(_ description: String, _ frame: Frame, _ rule: String?) -> PacketRow {
                let expected = rule.map { PacketRow.Expectation.accept(by: $0) } ?? .drop(.default)
                return PacketRow(description, frame, expected, at: ["nic"], direction: .in)
            }
            let unreachable: UInt8 = family == .v4 ? 3 : 1
            return [
                row("below a range of ports", Ends.frame(family, .udp(1, 4999)), nil),
                row("the first of a range", Ends.frame(family, .udp(1, 5000)), "range"),
                row("the last of a range", Ends.frame(family, .udp(1, 5099)), "range"),
                row("above a range", Ends.frame(family, .udp(1, 5100)), nil),
                row("the range's ports of another protocol", Ends.frame(family, .tcp(1, 5050)), nil),
                row("a source port below those named", Ends.frame(family, .udp(122, 6000)), nil),
                row("a source port named", Ends.frame(family, .udp(123, 6000)), "sources"),
                row("a source port and another destination", Ends.frame(family, .udp(123, 6001)), nil),
                row("any port of SCTP", Ends.frame(family, .sctp(1, 9)), "all-sctp"),
                row("a type and code", icmp(unreachable, 3), "unreachable-3"),
                row("a type and another code", icmp(unreachable, 4), nil),
                row("a type of any code", icmp(family == .v4 ? 11 : 3, 200), "exceeded"),
                row("another type", icmp(family == .v4 ? 12 : 4, 0), nil),
                row("a protocol by number", Ends.frame(family, Segment(number: 89, bytes: [2, 1])), "ospf"),
                row("the next protocol", Ends.frame(family, Segment(number: 88, bytes: [2, 1])), nil),
            ]
        }

        @Test(arguments: rows) func judges(row: PacketRow) throws { try Bench.rules.check(row) }

        @Test(arguments: AddressFamily.allCases) func unknownMembersOfABridgeAreCutOff(family: AddressFamily) throws {
            let row = PacketRow("TCP", Ends.frame(family, .tcp()), .drop(.notAdmitted), at: ["guests/stray0"])
            try Bench.open.check(row)
            try Bench.open.check(PacketRow("ARP", .arp(), .drop(.notAdmitted), at: ["guests/stray0"]))
        }
    }
}
