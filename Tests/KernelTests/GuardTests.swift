// SPDX-License-Identifier: Apache-2.0
import Compiler
import Network
import Policy
import TestSupport
import Testing
import Wire

extension PacketTables {
    /// What a guest may claim and overhear. Every row is tried untagged, with one and two tags, and for IP also behind
    /// extension headers. XDP drops some of what tc drops, and nothing else.
    @Suite struct GuardTests {
        /// `guest` has everything that can be bound, `listed` a link-local address of its own, `open` nothing.
        private static let table = PolicyTable(
            """
            version: 1
            ports:
              nic: { interface: nic0, protects: host, guard: ip }
              guest:
                interface: tap0
                protects: workload
                mac: 52:54:00:00:00:01
                addresses: [198.51.100.1, 198.51.100.128/26, "2001:db8:1::1", "2001:db8:1:1::/64"]
                shared: [198.51.100.200, "2001:db8:1::c8", 00:00:5e:00:01:07]
                vlans: any
              listed:
                interface: tap1
                protects: workload
                mac: [52:54:00:00:00:02, 52:54:00:00:00:03]
                addresses: [198.51.100.2, "2001:db8:1::2", "fe80::2"]
                vlans: any
              open: { interface: tap2, protects: workload, vlans: any }
              nobody: { interface: tap3, addresses: [], vlans: any }
              sharing: { interface: tap4, addresses: [], shared: [198.51.100.201, 00:00:5e:00:01:07], vlans: any }
              aimed:
                interface: tap5
                mac: 52:54:00:00:00:05
                addresses: [198.51.100.3, "2001:db8:1::3", "2001:db8:1:3::/64"]
                shared: [198.51.100.203, 198.51.100.255]
                guard: [destination]
                vlans: any
              unaimed:
                interface: tap6
                mac: 52:54:00:00:00:06
                addresses: []
                guard: [promiscuous, destination]
                vlans: any
            defaults: { in: accept, out: accept }
            """)

        // MARK: Frames

        private static let guest: MACAddress = "52:54:00:00:00:01"
        private static let virtual: MACAddress = "00:00:5e:00:01:07"
        private static let stranger: MACAddress = "52:54:00:00:00:09"
        private static let v4: IPAddress = "198.51.100.1"
        private static let v6: IPAddress = "2001:db8:1::1"
        /// The address that the guest derives from its MAC address.
        private static let linkLocal: IPAddress = "fe80::5054:ff:fe00:1"
        private static let any4: IPAddress = "0.0.0.0"
        private static let any6: IPAddress = "::"

        /// A datagram that the guest sends from its own MAC address.
        private static func sent(
            _ source: IPAddress, _ segment: Segment, to destination: IPAddress? = nil, from mac: MACAddress = guest,
            _ change: (inout Datagram) -> Void = { _ in }
        ) -> Frame {
            let target = destination ?? (source.family == .v4 ? "203.0.113.9" : "2001:db8:9::9")
            return Frame(Datagram(source, target, segment, change), from: mac)
        }

        /// A neighbour discovery message: the fixed part after the checksum, then options.
        private static func discovery(
            _ type: UInt8, from source: IPAddress = linkLocal, target: IPAddress? = nil, head: Int? = nil,
            options: [UInt8] = [], to destination: IPAddress = "ff02::1", _ change: (inout Datagram) -> Void = { _ in }
        ) -> Frame {
            let bytes = [133: 4, 134: 12, 137: 36][type] ?? 20
            var body = [UInt8](repeating: 0, count: head ?? bytes)
            if let target { body.replaceSubrange(4..<20, with: target.bytes) }
            return sent(source, .icmpv6(type, body: body + options), to: destination) {
                $0.hopLimit = 255
                change(&$0)
            }
        }

        /// A multicast listener message after a router alert.
        private static func listener(
            _ type: UInt8, from source: IPAddress = linkLocal, to destination: IPAddress = "ff02::16"
        ) -> Frame {
            sent(source, .icmpv6(type, body: [UInt8](repeating: 0, count: 20)), to: destination) {
                $0.hopLimit = 1
                $0.extensions = [.hopByHop()]
            }
        }

        private static func igmp(
            _ type: UInt8, from source: IPAddress = v4, to destination: IPAddress = "224.0.0.22",
            _ change: (inout Datagram) -> Void = { _ in }
        ) -> Frame {
            sent(source, Segment(number: 2, bytes: [type, 0, 0, 0, 0, 0, 0, 0]), to: destination) {
                $0.hopLimit = 1
                $0.options = [0x94, 4, 0, 0]
                change(&$0)
            }
        }

        /// A source (1) or target (2) link-layer address option.
        private static func option(_ type: UInt8, _ mac: MACAddress) -> [UInt8] { [type, 1] + mac.bytes }

        private static func arp(
            _ operation: UInt16, sender: IPAddress, target: IPAddress = "198.51.100.254", mac: MACAddress = guest,
            type: UInt16 = 0x0806, targetMAC: MACAddress? = nil
        ) -> Frame {
            let targetBytes = targetMAC?.bytes ?? [0, 0, 0, 0, 0, 0]
            let body: [UInt8] = [0, 1, 8, 0, 6, 4, 0, UInt8(operation)]
            return Frame(
                from: guest, to: "ff:ff:ff:ff:ff:ff", type: type,
                payload: body + mac.bytes + sender.bytes + targetBytes + target.bytes)
        }

        // MARK: Rows

        private static func row(
            _ description: String, _ frame: Frame, _ reason: Reason?, at port: String = "guest",
            _ direction: Direction = .out, accepted: Reason = .default
        ) -> PacketRow {
            PacketRow(
                description, frame, reason.map { .drop($0) } ?? .accept(accepted), at: [port], direction: direction)
        }

        private static let macs: [PacketRow] =
            [
                row("its own MAC address", sent(v4, .udp()), nil),
                row("a shared MAC address", sent(v4, .udp(), from: virtual), nil),
                row("another's MAC address", sent(v4, .udp(), from: stranger), .guardMAC),
                row("another's MAC address, IPv6", sent(v6, .udp(), from: stranger), .guardMAC),
                row("a group's MAC address", sent(v4, .udp(), from: "53:54:00:00:00:01"), .guardMAC),
                row("another's MAC address and IP address", sent("192.0.2.7", .udp(), from: stranger), .guardMAC),
                row(
                    "no IP, its own MAC address", Frame(from: guest, type: 0x88b5, payload: [1, 2, 3]), .nonIP),
                row(
                    "no IP, another's MAC address", Frame(from: stranger, type: 0x88b5, payload: [1, 2, 3]), .guardMAC),
                row("LLC, another's MAC address", .llc(from: stranger), .guardMAC),
                row("the second of two", sent("198.51.100.2", .udp(), from: "52:54:00:00:00:03"), nil, at: "listed"),
                row("neither of two", sent("198.51.100.2", .udp(), from: guest), .guardMAC, at: "listed"),
                row("any MAC address where none is bound", sent("192.0.2.7", .udp(), from: stranger), nil, at: "open"),
            ]

        private static let sources: [PacketRow] = {
            var rows: [PacketRow] = []
            let own: [IPAddress] = [
                v4, "198.51.100.128", "198.51.100.191", "198.51.100.200", v6, "2001:db8:1:1::",
                "2001:db8:1:1:ffff:ffff:ffff:ffff", "2001:db8:1::c8", linkLocal, "fe80::200:5eff:fe00:107",
            ]
            let others: [IPAddress] = [
                "198.51.100.0", "198.51.100.2", "198.51.100.127", "198.51.100.192", "198.51.100.201", "127.0.0.1",
                "169.254.1.1", "224.0.0.1", "255.255.255.255", "2001:db8:1::", "2001:db8:1::2",
                "2001:db8:1:0:ffff:ffff:ffff:ffff", "2001:db8:1:2::", "fe80::1", "fe80::5054:ff:fe00:2", "::1",
                "::ffff:198.51.100.1", "ff02::1",
            ]
            for address in own {
                rows.append(row("from \(address)", sent(address, .udp()), nil))
                rows.append(
                    row("a later fragment from \(address)", sent(address, .udp()) { $0.fragment = .last }, .fragment))
            }
            for address in others {
                rows.append(row("from \(address)", sent(address, .tcp()), .guardIP))
                rows.append(
                    row("a first fragment from \(address)", sent(address, .udp()) { $0.fragment = .first }, .guardIP))
                rows.append(
                    row("a later fragment from \(address)", sent(address, .udp()) { $0.fragment = .last }, .guardIP))
                rows.append(row("from \(address) where nothing is bound", sent(address, .udp()), nil, at: "open"))
            }
            rows.append(
                row("a listed link-local", sent("fe80::2", .udp(), from: "52:54:00:00:00:02"), nil, at: "listed"))
            rows.append(
                row(
                    "the MAC's link-local where another is listed",
                    sent("fe80::5054:ff:fe00:2", .udp(), from: "52:54:00:00:00:02"), .guardIP, at: "listed"))
            return rows
        }()

        /// A sender without an address yet.
        private static let unspecified: [PacketRow] =
            [
                row("DHCP request", sent(any4, .udp(68, 67), to: "255.255.255.255"), nil, accepted: .essential),
                row("DHCP from another port", sent(any4, .udp(67, 67)), .guardIP),
                row("DHCP to another port", sent(any4, .udp(68, 68)), .guardIP),
                row("DHCP by TCP", sent(any4, .tcp(68, 67)), .guardIP),
                row("DHCP request to one host", sent(any4, .udp(68, 67), to: "198.51.100.254"), .guardIP),
                row("IGMP", igmp(0x16, from: any4), nil, accepted: .essential),
                row("IGMP to one host", igmp(0x16, from: any4, to: "198.51.100.254"), .guardIP),
                row("IGMP that may cross a router", igmp(0x16, from: any4) { $0.hopLimit = 2 }, .guardIP),
                row(
                    "duplicate address detection at one host",
                    discovery(135, from: any6, target: v6, to: "2001:db8:1::2"), .guardIP),
                row("router solicitation of one host from ::", discovery(133, from: any6, to: "fe80::1"), .guardIP),
                row("ping from 0.0.0.0", sent(any4, .icmp()), .guardIP),
                row("DHCPv6 from ::", sent(any6, .udp(546, 547)), .guardIP),
                row(
                    "duplicate address detection", discovery(135, from: any6, target: v6), nil, accepted: .essential),
                row("router solicitation from ::", discovery(133, from: any6), nil, accepted: .essential),
                row("neighbour advertisement from ::", discovery(136, from: any6, target: v6), .guardIP),
                row("redirect from ::", discovery(137, from: any6), .guardIP),
                row("router advertisement from ::", discovery(134, from: any6), .guardIP),
                row("ping from ::", sent(any6, .icmpv6()), .guardIP),
                row(
                    "DAD that crossed a router", discovery(135, from: any6, target: v6) { $0.hopLimit = 254 },
                    .guardIP),
            ]
            + [131, 132, 143].map { (type: UInt8) in
                row("listener message \(type) from ::", listener(type, from: any6), nil, accepted: .essential)
            }
            + [130, 131, 132, 143].map { (type: UInt8) in
                row("listener message \(type) from :: to one host", listener(type, from: any6, to: "fe80::1"), .guardIP)
            }

        private static let resolution: [PacketRow] = {
            let mine: (String, Frame) -> PacketRow = { row($0, $1, nil, accepted: .essential) }
            let not: (String, Frame) -> PacketRow = { row($0, $1, .guardARP) }
            return [
                mine("request", arp(1, sender: v4)), mine("reply", arp(2, sender: v4)),
                mine("gratuitous", arp(1, sender: v4, target: v4)),
                mine("from a bound prefix", arp(1, sender: "198.51.100.130")),
                mine("of a shared address", arp(2, sender: "198.51.100.200", mac: virtual)),
                mine("probe of its own address", arp(1, sender: any4, target: v4)),
                mine("probe of a shared address", arp(1, sender: any4, target: "198.51.100.200")),
                not("of another's address", arp(1, sender: "198.51.100.2")),
                not("reply of another's address", arp(2, sender: "198.51.100.254")),
                not("of another's MAC address", arp(2, sender: v4, mac: stranger)),
                not("probe of another's address", arp(1, sender: any4, target: "198.51.100.2")),
                not("reply from 0.0.0.0", arp(2, sender: any4, target: v4)),
                not("of another hardware", arp(1, sender: v4).with(15, 6)),
                not("of another protocol", arp(1, sender: v4).with(16, 0x86)),
                not("of longer addresses", .arp(sender: v4, hardware: 8).padded(to: 80)),
                not("of no addresses", Frame(from: guest, type: 0x0806, payload: [0, 1, 8, 0, 0, 0, 0, 1])),
                row("of another in its frame", .arp(from: stranger, sender: v4), .guardMAC),
                mine("RARP", arp(3, sender: any4, target: any4, type: 0x8035, targetMAC: guest)),
                mine("RARP with its address", arp(3, sender: v4, target: v4, type: 0x8035, targetMAC: guest)),
                not("RARP with another's address", arp(3, sender: "198.51.100.2", type: 0x8035, targetMAC: guest)),
                not("RARP for another", arp(3, sender: any4, type: 0x8035, targetMAC: stranger)),
                not("RARP of another", arp(3, sender: any4, mac: stranger, type: 0x8035, targetMAC: stranger)),
                not("RARP reply", arp(4, sender: v4, type: 0x8035, targetMAC: guest)),
                row(
                    "of anyone where nothing is bound", arp(2, sender: "192.0.2.1", mac: stranger), nil, at: "open",
                    accepted: .essential),
            ].map { row in
                var row = row
                row.testDescription = "ARP " + row.testDescription
                return row
            }
        }()

        private static let neighbours: [PacketRow] = {
            let mine: (String, Frame) -> PacketRow = { row($0, $1, nil, accepted: .essential) }
            let not: (String, Frame) -> PacketRow = { row($0, $1, .guardND) }
            let pad: [UInt8] = [14, 1, 1, 2, 3, 4, 5, 6]
            let another: IPAddress = "2001:db8:1::2"
            return [
                mine("solicitation", discovery(135, from: v6, target: another, options: option(1, guest))),
                mine("solicitation without options", discovery(135, from: v6, target: another)),
                mine("advertisement", discovery(136, from: v6, target: v6, options: option(2, guest))),
                mine("advertisement from the link-local", discovery(136, target: v6, options: option(2, guest))),
                mine("advertisement of a bound prefix", discovery(136, target: "2001:db8:1:1::77")),
                mine(
                    "advertisement of a shared address",
                    discovery(136, target: "2001:db8:1::c8", options: option(2, virtual))),
                mine(
                    "advertisement after other options",
                    discovery(136, target: v6, options: pad + option(2, guest) + pad)),
                mine("router solicitation", discovery(133, options: option(1, guest))),
                mine("the same option twice", discovery(133, options: option(1, guest) + option(1, guest))),
                // Longer than an essential message, but true.
                row("32 options", discovery(133, options: Array((0..<32).map { _ in pad }.joined())), nil),
                not(
                    "solicitation with another's option",
                    discovery(135, from: v6, target: another, options: option(1, stranger))),
                not("router solicitation with another's option", discovery(133, options: option(1, stranger))),
                not("advertisement with another's option", discovery(136, target: v6, options: option(2, stranger))),
                not(
                    "another's option after its own",
                    discovery(136, target: v6, options: option(2, guest) + option(2, stranger))),
                not(
                    "another's option before its own",
                    discovery(136, target: v6, options: option(1, stranger) + option(2, guest))),
                not(
                    "another's option after others",
                    discovery(136, target: v6, options: pad + pad + option(2, stranger))),
                not("an option of twice the length", discovery(136, target: v6, options: [2, 2] + guest.bytes + pad)),
                not("advertisement of another's address", discovery(136, target: another, options: option(2, guest))),
                not("advertisement of a router", discovery(136, target: "fe80::1", options: option(2, guest))),
                not("probe for another's address", discovery(135, from: any6, target: another)),
                not("an option of length 0", discovery(133, options: [14, 0, 0, 0, 0, 0, 0, 0])),
                not("an option beyond the end", discovery(133, options: [14, 2, 0, 0, 0, 0, 0, 0])),
                not("bytes after the last option", discovery(133, options: option(1, guest) + [0])),
                not("33 options", discovery(133, options: Array((0..<33).map { _ in pad }.joined()))),
                not("a target cut short", discovery(136, head: 19)),
                not("in fragments", discovery(136, target: v6) { $0.fragment = .first }),
                not("that crossed a router", discovery(136, target: another) { $0.hopLimit = 64 }),
            ]
        }()

        private static let servers: [PacketRow] = {
            var rows: [PacketRow] = []
            for (address, family) in [(v4, AddressFamily.v4), (v6, .v6)] {
                for port in [67, 547] as [UInt16] {
                    rows.append(row("IP\(family) DHCP from \(port)", sent(address, .udp(port, 68)), .guardDHCP))
                    rows.append(row("IP\(family) TCP from \(port)", sent(address, .tcp(port, 68)), nil))
                    rows.append(
                        row(
                            "IP\(family) DHCP from \(port) in fragments",
                            sent(address, .udp(port, 68)) { $0.fragment = .first }, .guardDHCP))
                    rows.append(row("IP\(family) to \(port)", sent(address, .udp(1, port)), nil))
                    rows.append(
                        row(
                            "IP\(family) DHCP from \(port) to the guest", sent(address, .udp(port, 99)), .guardDHCP,
                            at: "open"))
                }
            }
            // Clients accept an answer from any port.
            for (address, family) in [(v4, AddressFamily.v4), (v6, .v6)] {
                for port in [68, 546] as [UInt16] {
                    for source in [1, 67, 68, 547, 40000] as [UInt16] {
                        rows.append(
                            row(
                                "IP\(family) DHCP from \(source) to \(port)", sent(address, .udp(source, port)),
                                .guardDHCP))
                    }
                    rows.append(
                        row(
                            "IP\(family) DHCP to \(port) in fragments",
                            sent(address, .udp(40000, port, payload: [UInt8](repeating: 0, count: 8))) {
                                $0.fragment = .first
                            }, .guardDHCP))
                    rows.append(
                        row(
                            "IP\(family) DHCP to everyone", sent(address, .udp(1, port), to: multicast(family)),
                            .guardDHCP))
                    rows.append(row("IP\(family) TCP to \(port)", sent(address, .tcp(1, port)), nil))
                }
            }
            rows += multicastRouters
            rows.append(row("router advertisement", discovery(134, options: option(1, guest)), .guardRA))
            rows.append(row("router advertisement cut short", discovery(134, head: 4), .guardRA))
            rows.append(row("router advertisement in fragments", discovery(134) { $0.fragment = .first }, .guardRA))
            rows.append(
                row(
                    "router advertisement with another's option", discovery(134, options: option(1, stranger)), .guardRA
                ))
            rows.append(row("redirect", discovery(137, target: v6), .guardRA))
            rows.append(row("ICMP redirect", sent(v4, .icmp(5)), .guardRA))
            rows.append(row("ICMP router advertisement", sent(v4, .icmp(9)), .guardRA))
            rows.append(row("ICMP router solicitation", sent(v4, .icmp(10)), nil))
            rows.append(row("router advertisement where nothing is bound", discovery(134), .guardRA, at: "open"))
            return rows
        }()

        private static func multicast(_ family: AddressFamily) -> IPAddress {
            family == .v4 ? "255.255.255.255" : "ff02::1:2"
        }

        /// Messages that make a switch send all multicast to a port.
        private static let multicastRouters: [PacketRow] = [
            row("an IGMP query", igmp(0x11, to: "224.0.0.1"), .guardRA),
            row("an IGMP query from 0.0.0.0", igmp(0x11, from: any4, to: "224.0.0.1"), .guardRA),
            row("an IGMP query that may cross a router", igmp(0x11) { $0.hopLimit = 64 }, .guardRA),
            row("an IGMP query to one host", igmp(0x11, to: "198.51.100.2"), .guardRA),
            row("an IGMP query in a first fragment", igmp(0x11) { $0.fragment = .first }, .guardRA),
            row("an IGMP query behind authentication", igmp(0x11) { $0.extensions = [.authentication()] }, .guardRA),
            row("an IGMP query where nothing is bound", igmp(0x11), .guardRA, at: "open"),
            row(
                "an IGMP query to the guest", igmp(0x11, from: "198.51.100.254").with(0, guest.bytes), nil, .in,
                accepted: .essential),
            row("an announcement of a multicast router", igmp(0x30, to: "224.0.0.106"), .guardRA),
            row("a probe of DVMRP", igmp(0x13, to: "224.0.0.4"), .guardRA),
            row("a probe of DVMRP where nothing is bound", igmp(0x13, to: "224.0.0.4"), .guardRA, at: "open"),
            row("type 19 of ICMP", sent(v4, .icmp(0x13)), nil),
            row("a question for multicast routers", igmp(0x31, to: "224.0.0.2"), nil, accepted: .essential),
            row("an IGMPv2 report", igmp(0x16), nil, accepted: .essential),
            row("an IGMPv3 report", igmp(0x22), nil, accepted: .essential),
            row("leaving a group", igmp(0x17, to: "224.0.0.2"), nil, accepted: .essential),
            row("type 17 of ICMP", sent(v4, .icmp(0x11)), nil),
            row("an MLD query", listener(130, to: "ff02::1"), .guardRA),
            row("an MLD query from ::", listener(130, from: any6, to: "ff02::1"), .guardRA),
            row("an MLD query where nothing is bound", listener(130), .guardRA, at: "open"),
            row(
                "an MLD query that crossed a router", sent(v6, .icmpv6(130, body: [UInt8](repeating: 0, count: 20))),
                .guardRA),
            row("an MLD report", listener(131), nil, accepted: .essential),
            row("leaving a listener's group", listener(132), nil, accepted: .essential),
            row("an MLDv2 report", listener(143), nil, accepted: .essential),
            row(
                "an announcement of a multicast router in IPv6", sent(linkLocal, .icmpv6(151), to: "ff02::6a"), .guardRA
            ),
            row("PIM", sent(v4, Segment(number: 103, bytes: [0x20, 0, 0, 0]), to: "224.0.0.13"), .guardRA),
            row("PIM in IPv6", sent(linkLocal, Segment(number: 103, bytes: [0x20, 0, 0, 0]), to: "ff02::d"), .guardRA),
        ]

        private static let overheard: [PacketRow] = [
            row("to the guest", Frame(Datagram("192.0.2.1", v4, .udp()), from: stranger, to: guest), nil, .in),
            row(
                "to a shared MAC address", Frame(Datagram("192.0.2.1", v4, .udp()), from: stranger, to: virtual), nil,
                .in),
            row(
                "broadcast", Frame(Datagram("192.0.2.1", v4, .udp()), from: stranger, to: "ff:ff:ff:ff:ff:ff"), nil, .in
            ),
            row(
                "multicast", Frame(Datagram("192.0.2.1", v4, .udp()), from: stranger, to: "33:33:00:00:00:01"), nil, .in
            ),
            row(
                "to another", Frame(Datagram("192.0.2.1", v4, .udp()), from: stranger, to: stranger), .guardPromiscuous,
                .in),
            row(
                "IPv6 to another", Frame(Datagram("2001:db8::1", v6, .udp()), from: stranger, to: stranger),
                .guardPromiscuous, .in),
            row(
                "ARP to another", arp(2, sender: "192.0.2.1", mac: stranger).with(0, 0x52, 0x54, 0, 0, 0, 9),
                .guardPromiscuous, .in),
            row(
                "no IP to another", Frame(from: stranger, to: stranger, type: 0x88b5, payload: [1]), .guardPromiscuous,
                .in),
            row(
                "to anyone where nothing is bound", Frame(Datagram("192.0.2.1", v4, .udp()), to: stranger), nil,
                at: "open", .in),
            // These guards do not judge what others claim toward the guest.
            row(
                "a router's advertisement", discovery(134).with(0, 0x33, 0x33, 0, 0, 0, 1), nil, .in,
                accepted: .essential),
            row(
                "a server's answer", Frame(Datagram("198.51.100.254", v4, .udp(67, 68)), to: guest), nil, .in,
                accepted: .essential),
        ]

        /// What comes to a guest with `destination` is for its addresses or for many, whoever the frame is for.
        private static let aimed: [PacketRow] = {
            func sent(_ description: String, to destination: IPAddress, _ reason: Reason?) -> PacketRow {
                let source: IPAddress = destination.family == .v4 ? "203.0.113.9" : "2001:db8:9::9"
                return row(
                    "to \(description)", Frame(Datagram(source, destination, .udp()), to: stranger), reason,
                    at: "aimed",
                    .in)
            }
            let v4: IPAddress = "198.51.100.3"
            return [
                sent("its address", to: v4, nil), sent("its address in IPv6", to: "2001:db8:1::3", nil),
                sent("its prefix", to: "2001:db8:1:3:ffff::1", nil),
                sent("a shared address", to: "198.51.100.203", nil),
                sent("its link-local address", to: "fe80::5054:ff:fe00:5", nil),
                sent("another's link-local address", to: "fe80::5054:ff:fe00:6", .guardDestination),
                sent("the address before", to: "198.51.100.2", .guardDestination),
                sent("the address behind", to: "198.51.100.4", .guardDestination),
                sent("another's address in IPv6", to: "2001:db8:1::2", .guardDestination),
                sent("the prefix behind", to: "2001:db8:1:4::", .guardDestination),
                sent("a group", to: "224.0.0.1", nil), sent("the last group", to: "239.255.255.255", nil),
                sent("what no class has", to: "240.0.0.1", .guardDestination),
                sent("below the groups", to: "223.255.255.255", .guardDestination),
                sent("a group in IPv6", to: "ff02::1", nil), sent("all", to: "255.255.255.255", nil),
                sent("almost all", to: "255.255.255.254", .guardDestination),
                sent("a broadcast address that is shared", to: "198.51.100.255", nil),
                sent("nobody", to: "0.0.0.0", .guardDestination), sent("nobody in IPv6", to: "::", .guardDestination),
                row(
                    "a later fragment to another",
                    Frame(Datagram("203.0.113.9", "198.51.100.4", .udp()) { $0.fragment = .last }), .guardDestination,
                    at: "aimed", .in),
                row("ARP for another", arp(1, sender: "203.0.113.9"), nil, at: "aimed", .in, accepted: .essential),
                row("what it sends to another", Self.sent(v4, .udp(), to: "192.0.2.9"), nil, at: "aimed"),
                row("what it sends as another", Self.sent("192.0.2.9", .udp()), nil, at: "aimed"),
                row(
                    "to the MAC's link-local address of nobody",
                    Frame(Datagram("2001:db8:9::9", "fe80::5054:ff:fe00:6", .udp()), to: "52:54:00:00:00:06"),
                    .guardDestination, at: "unaimed", .in),
                row(
                    "to another's MAC and address", Frame(Datagram("203.0.113.9", v4, .udp()), to: stranger),
                    .guardPromiscuous, at: "unaimed", .in),
                row(
                    "to a group of many", Frame(Datagram("203.0.113.9", "224.0.0.5", .udp()), to: "01:00:5e:00:00:05"),
                    nil, at: "unaimed", .in),
            ]
        }()

        /// A host port's guard concerns packets from the network with a guest's address.
        private static let network: [PacketRow] = [
            row("a guest's address", sent(v4, .udp()), .guardIP, at: "nic", .in),
            row("a guest's prefix", sent("198.51.100.150", .udp()), .guardIP, at: "nic", .in),
            row("another guest's address", sent("2001:db8:1::2", .udp()), .guardIP, at: "nic", .in),
            row("an address that guests share", sent("198.51.100.200", .udp()), nil, at: "nic", .in),
            row("a guest's link-local address", sent(linkLocal, .udp()), nil, at: "nic", .in),
            row("a link-local address that a guest lists", sent("fe80::2", .udp()), nil, at: "nic", .in),
            row("an address between", sent("198.51.100.127", .udp()), nil, at: "nic", .in),
            row("a later fragment", sent(v6, .udp()) { $0.fragment = .last }, .guardIP, at: "nic", .in),
            row("what the host sends for a guest", sent(v4, .udp()), nil, at: "nic", .out),
        ]

        /// `addresses: []` means that the guest may claim no address.
        private static let nobody: [PacketRow] = {
            func mine(_ description: String, _ frame: Frame, _ accepted: Reason = .essential) -> PacketRow {
                row(description + " of nobody", frame, nil, at: "nobody", accepted: accepted)
            }
            func not(_ description: String, _ frame: Frame, _ reason: Reason) -> PacketRow {
                row(description + " of nobody", frame, reason, at: "nobody")
            }
            return [
                not("IPv4", sent(v4, .udp()), .guardIP), not("IPv6", sent(v6, .udp()), .guardIP),
                not("the MAC's link-local address", sent(linkLocal, .udp()), .guardIP),
                not("an ARP request", arp(1, sender: v4), .guardARP),
                not("an ARP probe", arp(1, sender: any4, target: v4), .guardARP),
                not("a probe for a duplicate address", discovery(135, from: any6, target: linkLocal), .guardND),
                mine(
                    "a question for its address by RARP",
                    arp(3, sender: any4, target: any4, type: 0x8035, targetMAC: guest)),
                mine("a DHCP request", sent(any4, .udp(68, 67), to: "255.255.255.255")),
                mine("a router solicitation", discovery(133, from: any6)),
                row(
                    "an address that it shares", sent("198.51.100.201", .udp(), from: virtual), nil, at: "sharing"),
                row("one that it does not", sent(v4, .udp(), from: virtual), .guardIP, at: "sharing"),
                row(
                    "the link-local address of a shared MAC", sent("fe80::200:5eff:fe00:107", .udp(), from: virtual),
                    .guardIP, at: "sharing"),
            ]
        }()

        static let rows =
            macs + sources + unspecified + resolution + neighbours + servers + nobody + overheard + aimed + network

        @Test(arguments: rows) func judges(row: PacketRow) throws { try Self.table.check(row) }

        /// Nothing hides behind a tag. A tag does not make an address the port's.
        @Test(arguments: [[10], [0, 10], [4094]] as [[UInt16]]) func judgesInTags(tags: [UInt16]) throws {
            for row in Self.rows {
                var row = row
                row.frame = row.frame.tagged(
                    tags.map { Frame.Tag($0, priority: 3, type: tags.count > 1 ? 0x88a8 : 0x8100) })
                try Self.table.check(row)
            }
        }

        /// Nothing hides behind extension headers.
        @Test(arguments: [
            [Extension.hopByHop()], [.destination(bytes: 64)], [.authentication()], [.fragment()],
            [.hopByHop(), .destination(), .routing(), .authentication(), .destination()],
        ]) func judgesBehindHeaders(extensions: [Extension]) throws {
            for row in Self.rows {
                guard row.frame.bytes[12] == 0x86, row.frame.bytes[14 + 6] == 58 || row.frame.bytes[14 + 6] == 17 else {
                    continue
                }
                var row = row
                row.frame = row.frame.behind(extensions)
                try Self.table.check(row)
            }
        }
    }
}

extension Frame {
    /// An IPv6 packet without extension headers, with these added.
    fileprivate func behind(_ extensions: [Extension]) -> Frame {
        let plain = Datagram("::", "::", Segment(number: bytes[20])) { $0.extensions = extensions }.bytes.dropFirst(40)
        var frame = Array(bytes.prefix(54)) + plain + bytes.dropFirst(54)
        let length = frame.count - 54
        frame[18] = UInt8(length >> 8)
        frame[19] = UInt8(length & 255)
        frame[20] =
            extensions.isEmpty
            ? bytes[20] : Datagram("::", "::", Segment(number: 58)) { $0.extensions = extensions }.bytes[6]
        return Frame(bytes: frame)
    }
}
