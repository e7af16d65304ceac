// SPDX-License-Identifier: Apache-2.0
import Compiler
import Network
import TestSupport
import Testing
import Wire

extension PacketTables {
    /// Essential packets pass at once: within their link, in their direction, no longer than their protocol needs.
    /// Packets that differ in one point are judged by the rules.
    @Suite struct EssentialTests {
        /// The reason is essential if essentials are on. If they are off, or `isEssential` is false, it is the
        /// default's.
        private static func row(
            _ description: String, _ frame: Frame, isEssential: Bool, at ports: [String] = ["nic", "guest"],
            reason: Reason = .default
        ) -> [PacketRow] {
            [
                PacketRow(
                    description, frame, isEssential ? .accept(.essential) : .drop(reason), at: ports,
                    early: isEssential ? .leaves : .either),
                PacketRow(description + ", essentials off", frame, .drop(reason), at: ["bare"]),
            ]
        }

        private static func zeros(_ count: Int) -> [UInt8] { [UInt8](repeating: 0, count: count) }

        // MARK: Neighbours and listeners

        /// A message of so many bytes, with its header.
        private static func message(
            _ type: UInt8, bytes: Int = 24, hopLimit: UInt8, to destination: IPAddress = "ff02::1", records: UInt16 = 0,
            from source: IPAddress = "fe80::7", _ change: (inout Datagram) -> Void = { _ in }
        ) -> Frame {
            var body = zeros(bytes - 4)
            if bytes >= 8 { (body[2], body[3]) = (UInt8(records >> 8), UInt8(records & 255)) }
            return Frame(
                Datagram(source, destination, .icmpv6(type, body: body)) {
                    $0.hopLimit = hopLimit
                    change(&$0)
                })
        }

        private static let neighbours: [PacketRow] = {
            var rows: [PacketRow] = []
            for type in 133...137 as ClosedRange<UInt8> {
                rows += row("neighbour discovery \(type)", message(type, hopLimit: 255), isEssential: true)
                rows += row(
                    "neighbour discovery \(type) to one host", message(type, hopLimit: 255, to: "fe80::8"),
                    isEssential: true)
                rows += row(
                    "neighbour discovery \(type) that crossed a router", message(type, hopLimit: 254),
                    isEssential: false)
                rows += row(
                    "neighbour discovery \(type) from :: to the link", message(type, hopLimit: 255, from: "::"),
                    isEssential: true)
                for far in ["fe80::8", "2001:db8::8", "ff05::1", "ff0e::1", "ff01::1", "ff03::1"] as [IPAddress] {
                    rows += row(
                        "neighbour discovery \(type) from :: to \(far)",
                        message(type, hopLimit: 255, to: far, from: "::"), isEssential: false)
                }
                // A link-scoped address with flags is still of the link.
                rows += row(
                    "neighbour discovery \(type) from :: to ff12::1",
                    message(type, hopLimit: 255, to: "ff12::1", from: "::"), isEssential: true)
            }
            for type in [130, 131, 132, 143] as [UInt8] {
                rows += row("listener discovery \(type)", message(type, hopLimit: 1), isEssential: true)
                rows += row(
                    "listener discovery \(type) with hop limit 2", message(type, hopLimit: 2), isEssential: false)
                rows += row(
                    "listener discovery \(type) with hop limit 255", message(type, hopLimit: 255), isEssential: false)
                rows += row(
                    "listener discovery \(type) from :: to one host",
                    message(type, hopLimit: 1, to: "2001:db8::8", from: "::"), isEssential: false)
                rows += row(
                    "listener discovery \(type) after a router alert",
                    message(type, hopLimit: 1) { $0.extensions = [.hopByHop()] }, isEssential: true)
            }
            for type in [129, 138, 142, 144] as [UInt8] {
                rows += row("ICMPv6 \(type) with hop limit 255", message(type, hopLimit: 255), isEssential: false)
                rows += row("ICMPv6 \(type) with hop limit 1", message(type, hopLimit: 1), isEssential: false)
            }
            rows += row(
                "neighbour discovery in fragments", message(135, hopLimit: 255) { $0.fragment = .first },
                isEssential: false)
            rows += row(
                "neighbour discovery in an atomic fragment",
                message(135, hopLimit: 255) { $0.extensions = [.fragment()] }, isEssential: true)
            rows += row(
                "listener discovery in fragments", message(143, hopLimit: 1) { $0.fragment = .first },
                isEssential: false
            )
            rows += row(
                "neighbour discovery after an extension header",
                message(136, hopLimit: 255) { $0.extensions = [.destination()] }, isEssential: true)
            rows += row(
                "ICMPv6 135 over IPv4",
                Ends.frame(.v4, .icmpv6(135, body: Array(repeating: 0, count: 20))) { $0.hopLimit = 255 },
                isEssential: false)
            return rows
        }()

        /// The longest message that is essential, and one byte more.
        private static func bound(
            _ description: String, _ longest: Int, _ frame: (Int) -> Frame
        ) -> [PacketRow] {
            row("\(description) of \(longest) bytes", frame(longest), isEssential: true)
                + row("\(description) of \(longest + 1) bytes", frame(longest + 1), isEssential: false)
        }

        /// Eight bytes are allowed for a router alert (four in IPv4); a message without one may use them.
        private static let lengths: [PacketRow] = {
            var rows: [PacketRow] = []
            for (type, longest) in [(133, 128), (134, 576), (135, 128), (136, 128), (137, 1240)] as [(UInt8, Int)] {
                rows += bound("neighbour discovery \(type)", longest + 8) { message(type, bytes: $0, hopLimit: 255) }
            }
            for (type, longest) in [(130, 540), (131, 24), (132, 24), (143, 24)] as [(UInt8, Int)] {
                rows += bound("listener discovery \(type) after a router alert", longest) {
                    message(type, bytes: $0, hopLimit: 1) { $0.extensions = [.hopByHop()] }
                }
            }
            rows += bound("a listener report of one record", 8 + 20 + 64 * 16) { bytes in
                message(143, bytes: bytes, hopLimit: 1, records: 1) { $0.extensions = [.hopByHop()] }
            }
            rows += bound("a listener report of many records", 1500 - 48) { bytes in
                message(143, bytes: bytes, hopLimit: 1, records: 72) { $0.extensions = [.hopByHop()] }
            }
            rows += row(
                "a listener report of fewer records than it says",
                message(143, bytes: 8 + 72 * 20 - 1, hopLimit: 1, records: 72), isEssential: false)
            rows += bound("an IGMPv2 report after a router alert", 8) { igmp(0x16, bytes: $0) }
            rows += bound("an IGMPv1 report after a router alert", 8) { igmp(0x12, bytes: $0) }
            rows += bound("leaving a group after a router alert", 8) { igmp(0x17, bytes: $0) }
            rows += bound("an IGMP query after a router alert", 12 + 32 * 4) { igmp(0x11, bytes: $0) }
            rows += bound("an IGMPv3 report without records after a router alert", 8) { igmp(0x22, bytes: $0) }
            rows += bound("an IGMPv3 report of one record after a router alert", 8 + 8 + 64 * 4) {
                igmp(0x22, bytes: $0, records: 1)
            }
            rows += bound("an IGMPv3 report of many records after a router alert", 1476) {
                igmp(0x22, bytes: $0, records: 183)
            }
            rows += row(
                "an IGMPv3 report of fewer records than it says", igmp(0x22, bytes: 8 + 20 * 8 - 1, records: 20),
                isEssential: false)
            for type in [0x13, 0x14, 0x30] as [UInt8] {
                rows += row("IGMP \(type) of 40 bytes", igmp(type, bytes: 40), isEssential: false)
            }
            let client = Datagram("0.0.0.0", "255.255.255.255", .udp(68, 67))
            rows += bound("a DHCP request", 548 + 4) { frame(client, .udp(68, 67, payload: zeros($0))) }
            let server = Datagram("192.0.2.1", "255.255.255.255", .udp(67, 68))
            rows += bound("a DHCP answer", 1500 - 28) { frame(server, .udp(67, 68, payload: zeros($0))) }
            let client6 = Datagram("fe80::7", "ff02::1:2", .udp(546, 547))
            rows += bound("a DHCPv6 request", 548 + 8) { frame(client6, .udp(546, 547, payload: zeros($0))) }
            let server6 = Datagram("fe80::1", "fe80::7", .udp(547, 546))
            rows += bound("a DHCPv6 answer", 1500 - 48) { frame(server6, .udp(547, 546, payload: zeros($0))) }
            return rows
        }()

        private static func frame(_ datagram: Datagram, _ segment: Segment) -> Frame {
            Frame(Datagram(datagram.source, datagram.destination, segment))
        }

        /// Data after a message, in the datagram or in the frame, is as good a tunnel as the message.
        private static let tails: [PacketRow] = {
            let request = Ends.frame(.v4, .udp(68, 67, payload: zeros(240))).with(30, 255, 255, 255, 255)
            var rows = row(
                "a DHCP request and one byte after it", request.padded(to: 14 + 28 + 241), isEssential: false)
            rows += row(
                "bytes after the UDP datagram",
                Frame(
                    Datagram(
                        "0.0.0.0", "255.255.255.255",
                        Segment(number: 17, bytes: [0, 68, 0, 67, 0, 8, 0, 0] + zeros(549 + 4)))), isEssential: false)
            let query = igmp(0x11, bytes: 8)
            rows += row("an IGMP query padded to 60 bytes", query.padded(to: 60), isEssential: true)
            rows += row("an IGMP query padded as with two tags", query.padded(to: 68), isEssential: true)
            rows += row("an IGMP query padded beyond", query.padded(to: 69), isEssential: false)
            let solicitation = message(135, hopLimit: 255)
            rows += row("a solicitation and one byte", solicitation.padded(to: 14 + 40 + 25), isEssential: false)
            rows += row(
                "a solicitation behind long headers",
                message(135, hopLimit: 255) { $0.extensions = [.destination(bytes: 1024)] }, isEssential: false)
            let least = Frame(
                Datagram("0.0.0.0", "224.0.0.1", Segment(number: 2, bytes: zeros(8))) {
                    $0.hopLimit = 1
                    $0.options = [UInt8](repeating: 1, count: 40)
                })
            rows += row("IGMP after forty bytes of options", least, isEssential: false)
            return rows
        }()

        /// A router forwards packets to a global address. What a guest sends to one is essential only if it probes for
        /// a neighbour, or answers such a probe, and has room for nothing else.
        private static let beyondTheLink: [PacketRow] = {
            var rows: [PacketRow] = []
            func add(_ description: String, _ frame: Frame, isEssential: Bool) {
                let passes = PacketRow.Expectation.accept(.essential)
                rows.append(
                    PacketRow(
                        description + ", from a guest", frame, isEssential ? passes : .drop(.default), at: ["guest"],
                        direction: .out))
                rows.append(PacketRow(description + ", to a guest", frame, passes, at: ["guest"], direction: .in))
                rows.append(PacketRow(description + ", at a host's port", frame, passes, at: ["nic"], early: .leaves))
            }
            add(
                "a probe of a far neighbour with a nonce", message(135, bytes: 48, hopLimit: 255, to: "2001:db8::9"),
                isEssential: false)
            add(
                "a redirect to a far host", message(137, bytes: 200, hopLimit: 255, to: "2001:db8::9"),
                isEssential: false)
            for target in ["2001:db8::8", "fd00::8", "ff05::1", "ff0e::1", "fec0::8"] as [IPAddress] {
                for type in 133...137 as ClosedRange<UInt8> {
                    let isProbe = type == 135 || type == 136
                    for bytes in [24, 32, 33, 128] {
                        add(
                            "neighbour discovery \(type) of \(bytes) bytes to \(target)",
                            message(type, bytes: bytes, hopLimit: 255, to: target), isEssential: isProbe && bytes <= 32)
                    }
                    add(
                        "neighbour discovery \(type) to \(target) after a header",
                        message(type, bytes: 32, hopLimit: 255, to: target) { $0.extensions = [.destination()] },
                        isEssential: false)
                }
            }
            return rows
        }()

        // MARK: Groups and DHCP

        private static func igmp(
            _ type: UInt8, bytes: Int = 8, records: UInt16 = 0, to destination: IPAddress = "224.0.0.22",
            hopLimit: UInt8 = 1, _ change: (inout Datagram) -> Void = { _ in }
        ) -> Frame {
            var message = [type] + zeros(bytes - 1)
            if bytes >= 8 { (message[6], message[7]) = (UInt8(records >> 8), UInt8(records & 255)) }
            return Frame(
                Datagram("192.0.2.7", destination, Segment(number: 2, bytes: message)) {
                    $0.hopLimit = hopLimit
                    $0.options = [0x94, 4, 0, 0]
                    change(&$0)
                })
        }

        private static let groups: [PacketRow] = {
            var rows: [PacketRow] = []
            for type in [0x11, 0x12, 0x16, 0x17, 0x22] as [UInt8] {
                rows += row("IGMP \(type)", igmp(type), isEssential: true)
                rows += row("IGMP \(type) without a router alert", igmp(type) { $0.options = [] }, isEssential: true)
                rows += row("IGMP \(type) to one host", igmp(type, to: "192.0.2.9"), isEssential: false)
                rows += row(
                    "IGMP \(type) to all hosts by broadcast", igmp(type, to: "255.255.255.255"), isEssential: false)
                rows += row("IGMP \(type) that may cross a router", igmp(type, hopLimit: 2), isEssential: false)
                rows += row("IGMP \(type) with TTL 0", igmp(type, hopLimit: 0), isEssential: false)
            }
            rows += row("IGMP of four bytes", igmp(0x16, bytes: 4), isEssential: true)
            rows += row("IGMP to the last group", igmp(0x16, to: "239.255.255.255"), isEssential: true)
            rows += row("IGMP to the address after it", igmp(0x16, to: "240.0.0.0"), isEssential: false)
            rows += row("IGMP to the address before the first", igmp(0x16, to: "223.255.255.255"), isEssential: false)
            rows += row("IGMP's first fragment", igmp(0x22, bytes: 16) { $0.fragment = .first }, isEssential: false)
            rows += row(
                "protocol 2 over IPv6",
                Frame(Datagram("fe80::7", "ff02::16", Segment(number: 2, bytes: [0x16, 0, 0, 0])) { $0.hopLimit = 1 }),
                isEssential: false)
            return rows
        }()

        /// Source and destination ports and address, and whether that is essential.
        private static let leases: [PacketRow] = {
            let cases: [(from: UInt16, to: UInt16, destination: IPAddress, isEssential: Bool)] = [
                (68, 67, "255.255.255.255", true), (68, 67, "192.0.2.1", false), (68, 67, "192.0.2.255", false),
                (68, 67, "224.0.0.1", false), (67, 67, "255.255.255.255", false), (68, 68, "255.255.255.255", false),
                (1024, 67, "255.255.255.255", false), (68, 69, "255.255.255.255", false),
                (546, 547, "255.255.255.255", false), (67, 546, "255.255.255.255", false),
                (67, 68, "255.255.255.255", true),
                // No address is bound to these ports.
                (67, 68, "192.0.2.80", true),
                (546, 547, "ff02::1:2", true), (546, 547, "ff12::1:2", true), (546, 547, "ff05::1:3", false),
                (546, 547, "fe80::1", false), (546, 547, "2001:db8::1", false),
                (547, 546, "fe80::7", true), (547, 546, "febf::7", true), (547, 546, "fec0::7", false),
                (547, 546, "2001:db8::7", false), (547, 546, "ff02::1", false), (547, 547, "ff02::1:2", false),
                (68, 67, "ff02::1:2", false), (67, 546, "fe80::7", false),
            ]
            var rows: [PacketRow] = []
            for (from, to, destination, isEssential) in cases {
                let source: IPAddress = destination.family == .v4 ? "192.0.2.9" : "fe80::9"
                func sent(_ segment: Segment, _ change: (inout Datagram) -> Void = { _ in }) -> Frame {
                    Frame(Datagram(source, destination, segment, change))
                }
                let name = "\(from) to \(to) at \(destination)"
                rows += row("UDP \(name)", sent(.udp(from, to)), isEssential: isEssential)
                rows += row("TCP \(name)", sent(.tcp(from, to)), isEssential: false)
                rows += row(
                    "UDP \(name) in fragments", sent(.udp(from, to, payload: zeros(8))) { $0.fragment = .first },
                    isEssential: false)
            }
            rows += row(
                "DHCPv6 from :: to the link", Frame(Datagram("::", "ff02::1:2", .udp(546, 547))), isEssential: true)
            rows += row(
                "DHCPv6 from :: to one host", Frame(Datagram("::", "fe80::7", .udp(547, 546))), isEssential: false)
            return rows
        }()

        @Test(arguments: neighbours + lengths + beyondTheLink + tails + groups + leases)
        func judges(row: PacketRow) throws {
            try Bench.parser.check(row)
        }

        /// A server answers from the address that it gives out. If the port has addresses, it must be one of them, with
        /// or without guards.
        @Test func answersAreForThePortsAddresses() throws {
            let table = PolicyTable(
                """
                version: 1
                ports:
                  bound: { interface: tap0, protects: workload, guard: off, addresses: [192.0.2.80, 192.0.2.128/26] }
                  strict: { interface: tap1, mac: "\(Frame.peer)", addresses: [192.0.2.81], shared: [192.0.2.200] }
                  other: { interface: tap2, protects: workload, guard: off, addresses: ["2001:db8::1"] }
                  nobody: { interface: tap3, protects: workload, guard: off, addresses: [] }
                  free: { interface: tap4, protects: workload, guard: off }
                  host: { interface: nic0, protects: host, addresses: [192.0.2.82] }
                  plain: { interface: nic1, protects: host }
                defaults: { in: drop, out: drop }
                """)
            let owners: [(IPAddress, [String])] = [
                ("192.0.2.80", ["bound"]), ("192.0.2.191", ["bound"]), ("192.0.2.192", []), ("192.0.2.81", ["strict"]),
                ("192.0.2.200", ["strict"]), ("192.0.2.82", ["host"]), ("198.51.100.1", []),
                ("255.255.255.255", ["bound", "strict", "other", "nobody", "host"]),
            ]
            for (address, ports) in owners {
                let frame = Frame(Datagram("192.0.2.1", address, .udp(67, 68)))
                for port in ["bound", "strict", "other", "nobody", "host", "free", "plain"] {
                    let isEssential = ports.contains(port) || ["free", "plain"].contains(port)
                    try table.check(
                        PacketRow(
                            "an answer to \(address)", frame, isEssential ? .accept(.essential) : .drop(.default),
                            at: [port], direction: .in))
                }
            }
        }

        /// Essentials come before the rules, but after everything that comes before them.
        @Test func orderOfJudgement() throws {
            let solicitation = Self.message(135, hopLimit: 255)
            try Bench.closed.check(
                PacketRow("ND", solicitation, .accept(.essential), at: ["nic", "guest"], early: .leaves))
            try Bench.closed.check(PacketRow("ARP", .arp(), .accept(.essential), at: ["nic", "guest"], early: .leaves))
            try Bench.closed.check(
                PacketRow("ND without essentials", solicitation, .drop(by: "nothing"), at: ["bare"], early: .drops))
            let cut = solicitation.cut(to: 14 + 40 + 10)
            try Bench.closed.check(
                PacketRow("ND cut short", cut, .drop(.malformed), at: ["nic", "guest"], early: .drops))
            let later = Self.igmp(0x16) { $0.fragment = .last }
            try Bench.closed.check(
                PacketRow("IGMP in fragments", later, .drop(.fragment), at: ["nic", "guest"], early: .leaves))
        }
    }
}
