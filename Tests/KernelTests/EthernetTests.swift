// SPDX-License-Identifier: Apache-2.0
import Network
import TestSupport
import Testing

extension PacketTables {
    /// VLAN tags in the frame. Tags in metadata are tested on real devices.
    @Suite struct VLANTests {
        /// The outcome for a stack of tags under each kind of admission: `vlans: none`, `[0, 10, 20]`, `[10]`, `any`.
        private static let admissions: [(tags: [Frame.Tag], none: Bool, listed: Bool, only: Bool, any: Bool)] = [
            ([], true, true, false, true),
            ([.init(0)], true, true, false, true),
            ([.init(0, priority: 7)], true, true, false, true),
            ([.init(0, type: 0x88a8)], true, true, false, true),
            ([.init(10)], false, true, true, true),
            ([.init(10, priority: 5)], false, true, true, true),
            ([.init(10, type: 0x88a8)], false, true, true, true),
            ([.init(20)], false, true, false, true),
            ([.init(30)], false, false, false, true),
            ([.init(1)], false, false, false, true),
            ([.init(4095)], false, false, false, true),
            ([.init(10), .init(20)], false, false, false, true),
            ([.init(10, type: 0x88a8), .init(20)], false, false, false, true),
            // Tags of VLAN 0 before the outer tag are skipped, and none may follow it.
            ([.init(0), .init(10)], false, true, true, true),
            ([.init(0, priority: 7), .init(10, type: 0x88a8)], false, true, true, true),
            ([.init(0, type: 0x88a8), .init(20)], false, true, false, true),
            ([.init(0), .init(30)], false, false, false, true),
            ([.init(0), .init(0)], true, true, false, true),
            ([.init(10), .init(0)], false, false, false, true),
            ([.init(0), .init(0), .init(10)], false, false, false, false),
            ([.init(0), .init(10), .init(20)], false, false, false, false),
            ([.init(10), .init(20), .init(30)], false, false, false, false),
            ([.init(0), .init(0), .init(0)], false, false, false, false),
            ([.init(10, type: 0x88a8), .init(20, type: 0x88a8), .init(30), .init(40)], false, false, false, false),
        ]

        static let rows =
            bothFamilies { family in
                admissions.flatMap { stack in
                    let frame = Ends.frame(family, .tcp(), tags: stack.tags)
                    let name = "tags \(stack.tags.map { "\($0.type == 0x88a8 ? "S" : "C")\($0.id)" })"
                    let ports = [
                        ("guest", stack.none), ("trunk", stack.listed), ("tagged", stack.only), ("nic", stack.any),
                    ]
                    return ports.map { port, passes in
                        PacketRow(
                            "\(name) at \(port)", frame, passes ? .accept(by: "web") : .drop(.vlan), at: [port],
                            early: .leaves)
                    }
                }
            } + tagged

        private static func at(
            _ description: String, _ frame: Frame, _ expected: PacketRow.Expectation,
            early: PacketRow.Early = .leaves
        ) -> PacketRow {
            PacketRow(description, frame, expected, at: ["nic"], early: early)
        }

        private static let tagged: [PacketRow] = {
            let tags = [Frame.Tag(10), Frame.Tag(20)]
            let frame = Ends.frame(.v4, .tcp(), tags: tags)
            return [
                at("a tag cut by one byte", frame.cut(to: 17), .drop(.malformed), early: .either),
                at("a second tag cut by one byte", frame.cut(to: 21), .drop(.malformed)),
                at("tags and nothing after", frame.cut(to: 22), .drop(.malformed)),
                at("a packet cut short after tags", frame.cut(to: frame.bytes.count - 1), .drop(.malformed)),
                at("to another port after tags", Ends.frame(.v6, .tcp(1, 81), tags: tags), .drop(.default)),
                at(
                    "a later fragment after tags", Ends.frame(.v6, .tcp(), tags: tags) { $0.fragment = .last },
                    .drop(.fragment)),
                at("ARP after tags", .arp(tags: tags), .accept(.essential)),
                at(
                    "nine extension headers after tags",
                    Ends.frame(.v6, .tcp(), tags: tags) {
                        $0.extensions = Array(repeating: .destination(), count: 9)
                    }, .drop(.extensionHeader)),
                at(
                    "LLC after a tag", Frame(tags: [.init(10)], type: 38, payload: Array(repeating: 0x42, count: 38)),
                    .accept(by: "llc")),
                at(
                    "an unknown tag type is an ethertype", Frame(type: 0x9100, payload: Array(repeating: 0, count: 46)),
                    .drop(.nonIP)),
            ]
        }()

        @Test(arguments: rows) func judges(row: PacketRow) throws { try Bench.parser.check(row) }

        /// A port that drops by VLAN also drops what would be essential.
        @Test func essentialsDoNotPassAForeignTag() throws {
            for tags in [[Frame.Tag(30)], [Frame.Tag(10), Frame.Tag(10)]] {
                try Bench.parser.check(
                    PacketRow("tagged ARP", .arp(tags: tags), .drop(.vlan), at: ["guest", "trunk"], early: .leaves))
            }
        }
    }

    /// Frames that are not IP.
    @Suite struct EthernetTests {
        static let rows: [PacketRow] = arp + control + types

        /// XDP never decides about frames that may be essential or that no rule names. It may drop what a rule or the
        /// default drops.
        private static func early(_ expected: PacketRow.Expectation) -> PacketRow.Early {
            switch expected.reason {
            case .malformed: .drops
            case .rule, .default: expected.verdict == .accept ? .leaves : .either
            default: .leaves
            }
        }

        private static func row(
            _ description: String, _ frame: Frame, nic: PacketRow.Expectation, guest: PacketRow.Expectation,
            bare: PacketRow.Expectation
        ) -> [PacketRow] {
            zip(["nic", "guest", "bare"], [nic, guest, bare]).map { port, expected in
                PacketRow(
                    "\(description) at \(port)", frame, expected, at: [port],
                    early: early(expected))
            }
        }

        private static func row(_ description: String, _ frame: Frame, _ expected: PacketRow.Expectation) -> [PacketRow]
        {
            row(description, frame, nic: expected, guest: expected, bare: expected)
        }

        private static func essential(_ description: String, _ frame: Frame) -> [PacketRow] {
            row(description, frame, nic: .accept(.essential), guest: .accept(.essential), bare: .drop(.nonIP))
        }

        private static let arp: [PacketRow] = [
            essential("ARP request", .arp()),
            essential("ARP reply", .arp(operation: 2)),
            essential("reverse ARP", .arp(type: 0x8035, operation: 3)),
            essential("ARP with padding", .arp().padded(to: 60)),
            essential("ARP of an unknown operation", .arp(operation: 99)),
            essential("ARP without addresses", Frame(type: 0x0806, payload: [0, 1, 8, 0, 0, 0, 0, 1])),
            row("ARP cut by one byte", Frame.arp().cut(to: 14 + 27), .drop(.malformed)),
            row("ARP of seven bytes", Frame.arp().cut(to: 14 + 7), .drop(.malformed)),
            row("ARP of no bytes", Frame.arp().cut(to: 14), .drop(.malformed)),
            row("ARP with hardware addresses of seven bytes", .arp(hardware: 7), .drop(.malformed)),
            row(
                "ARP with addresses of 255 bytes", .arp(hardware: 255, protocol: 255).padded(to: 1000),
                .drop(.malformed)),
            row(
                "ARP with addresses of 255 bytes that are there",
                .arp(hardware: 255, protocol: 255).padded(to: 14 + 8 + 1020), .drop(.nonIP)),
            essential("ARP padded as with two tags", .arp().padded(to: 68)),
            essential("ARP in two tags", .arp(tags: [.init(0), .init(10)]).padded(to: 68)).filter {
                $0.ports != ["guest"]
            },
            row("ARP and one byte more than padding", .arp().padded(to: 69), .drop(.nonIP)),
            row("reverse ARP with a long tail", .arp(type: 0x8035, operation: 3).padded(to: 1000), .drop(.nonIP)),
            row("reverse ARP cut by one byte", Frame.arp(type: 0x8035).cut(to: 14 + 27), .drop(.malformed)),
        ].flatMap { $0 }

        private static let control: [PacketRow] = {
            var rows: [PacketRow] = []
            for last in [0, 1, 2, 3, 0x0e, 0x0f] as [UInt8] {
                let to = MACAddress(0x0180_c200_0000 | UInt64(last))
                rows += row(
                    "link discovery to 01:80:c2:00:00:\(last)",
                    Frame(to: to, type: 0x88cc, payload: [2, 7, 4]).padded(to: 60),
                    nic: .accept(.control), guest: .drop(.nonIP), bare: .drop(.nonIP))
            }
            rows += row(
                "spanning tree", .llc(), nic: .accept(.control), guest: .accept(by: "llc"), bare: .accept(by: "llc"))
            for near in ["01:80:c2:00:00:10", "01:80:c2:00:01:00", "01:80:c3:00:00:00", "00:80:c2:00:00:00"]
                as [MACAddress]
            {
                rows += row(
                    "a frame to \(near)", Frame(to: near, type: 0x88cc, payload: [2, 7, 4]).padded(to: 60),
                    .drop(.nonIP))
            }
            let (web, other) = (Ends.datagram(.v4, .tcp()), Ends.datagram(.v6, .tcp(1, 81)))
            rows += row("IPv6 to a control address", Frame(other, to: "01:80:c2:00:00:0e"), .drop(.default))
            rows += row(
                "IPv4 to a control address", Frame(Ends.datagram(.v4, .udp(1, 9)), to: "01:80:c2:00:00:00"),
                .drop(.default))
            rows += row(
                "IP that a rule accepts to a control address", Frame(web, to: "01:80:c2:00:00:0e"), .accept(by: "web"))
            rows += row(
                "IP to a control address in tag 0", Frame(other, to: "01:80:c2:00:00:0e", tags: [.init(0)]),
                .drop(.default))
            for type in [0x0806, 0x8035] as [UInt16] {
                let arp = Frame.arp(type: type).with(0, 0x01, 0x80, 0xc2, 0, 0, 3)
                rows += essential("ARP \(type) to a control address", arp)
                rows += row("ARP \(type) of 100 bytes to a control address", arp.padded(to: 100), .drop(.nonIP))
            }
            for type in [0x8863, 0x8864, 0x8847, 0x8848, 0x88e5, 0x892f, 0x88fb, 0x4305, 0x894f] as [UInt16] {
                rows += row(
                    "what carries IP, \(type), to a control address",
                    Frame(to: "01:80:c2:00:00:03", type: type, payload: [0x11, 0, 0, 1, 0, 42, 0, 0x21] + other.bytes),
                    .drop(.nonIP))
            }
            // Spanning tree, slow protocols, 802.1X, LLDP, PTP.
            for type in [38, 0x8809, 0x888e, 0x88cc, 0x88f7] as [UInt16] {
                let frame = Frame(to: "01:80:c2:00:00:02", type: type, payload: Array(repeating: 0x42, count: 46))
                let others: PacketRow.Expectation = type == 38 ? .accept(by: "llc") : .drop(.nonIP)
                rows += row("link control \(type)", frame, nic: .accept(.control), guest: others, bare: others)
                rows += row(
                    "link control \(type), as long as a frame", frame.padded(to: 1522), nic: .accept(.control),
                    guest: others, bare: others)
                rows += row("link control \(type), longer", frame.padded(to: 1523), others)
            }
            rows += row(
                "a cut packet to a control address", Frame(web, to: "01:80:c2:00:00:0e").cut(to: 40), .drop(.malformed))
            return rows
        }()

        private static let types: [PacketRow] = [
            row("link discovery to a guest", Frame(type: 0x88cc, payload: [2, 7, 4]), .drop(.nonIP)),
            row(
                "MPLS", Frame(type: 0x8847, payload: [0, 1, 0x41, 64] + Ends.datagram(.v4, .tcp()).bytes), .drop(.nonIP)
            ),
            row("PPPoE", Frame(type: 0x8864, payload: Array(repeating: 0, count: 46)), .drop(.nonIP)),
            row("an ethertype that a rule accepts", Frame(type: 0x88b5, payload: []), .accept(by: "experiment")),
            row("the next EtherType", Frame(type: 0x88b6, payload: [1]), .drop(.nonIP)),
            row("an ethertype that a rule drops", Frame(type: 0x88b7, payload: [1]), .drop(by: "no-experiment")),
            row(
                "an ethertype whose rule names addresses",
                Frame(type: 0x88b8, payload: Ends.datagram(.v4, .tcp()).bytes), .drop(.nonIP)),
            row("length 0", Frame(type: 0, payload: []), .accept(by: "llc")),
            row("length 1500", Frame(type: 1500, payload: Array(repeating: 0xaa, count: 1500)), .accept(by: "llc")),
            row("length 0x05ff", Frame(type: 0x05ff, payload: [1]), .accept(by: "llc")),
            row("type 0x0600", Frame(type: 0x0600, payload: [1]), .drop(.nonIP)),
            row("type 0xffff", Frame(type: 0xffff, payload: [1]), .drop(.nonIP)),
        ].flatMap { $0 }

        @Test(arguments: rows) func judges(row: PacketRow) throws { try Bench.parser.check(row) }

        /// Even if everything is accepted by default, non-IP frames need a rule that accepts them.
        @Test func theDefaultSpeaksOfIPAlone() throws {
            let frame = Frame(type: 0x88cc, payload: [2, 7, 4])
            try Bench.open.check(
                PacketRow("link discovery", frame, .drop(.nonIP), at: ["nic", "guest"], early: .leaves))
            for family in AddressFamily.allCases {
                try Bench.open.check(
                    PacketRow(
                        "TCP", Ends.frame(family, .tcp()), .accept(.default), at: ["nic", "guest"], early: .leaves))
            }
        }
    }
}
