// SPDX-License-Identifier: Apache-2.0
import Network
import Policy
import TestSupport
import Testing
import Wire

extension PacketTables {
    /// Headers between IP and L4 are walked as Linux does, at most eight.
    @Suite struct ExtensionTests {
        static let rows = walked + refused + cut + v4

        private static func row(
            _ description: String, _ extensions: [Extension], _ expected: PacketRow.Expectation,
            family: AddressFamily = .v6, segment: Segment = .tcp(), early: PacketRow.Early = .either
        ) -> PacketRow {
            let frame = Ends.frame(family, segment) { $0.extensions = extensions }
            return PacketRow(description, frame, expected, at: ["nic", "guest"], early: early)
        }

        private static func many(_ count: Int) -> [Extension] { Array(repeating: .destination(), count: count) }

        private static let walked: [PacketRow] = [
            row("hop-by-hop options", [.hopByHop()], .accept(by: "web"), early: .leaves),
            row("destination options", [.destination()], .accept(by: "web")),
            row("type 0 routing with nothing left", [.routing(type: 0)], .accept(by: "web")),
            row("mobility routing with nothing left", [.routing(type: 2)], .accept(by: "web")),
            row("segment routing with nothing left", [.routing(type: 4)], .accept(by: "web")),
            row("authentication", [.authentication()], .accept(by: "web")),
            row("the shortest authentication header", [.authentication(bytes: 12)], .accept(by: "web")),
            row(
                "authentication of 28 bytes: not a multiple of eight", [.authentication(bytes: 28)],
                .accept(by: "web")),
            row(
                "one of each",
                [.hopByHop(), .destination(), .routing(), .fragment(), .authentication(), .destination(bytes: 16)],
                .accept(by: "web")),
            row(
                "one of each, to another port", [.hopByHop(), .destination(), .routing(), .authentication()],
                .drop(.default), segment: .tcp(1, 81), early: .drops),
            row("a header of 2048 bytes", [.destination(bytes: 2048)], .accept(by: "web")),
            row(
                "a header of 256 bytes, to another port", [.destination(bytes: 256)], .drop(.default),
                segment: .udp(1, 54), early: .drops),
            row("seven headers", many(7), .accept(by: "web")),
            row("eight headers", many(8), .accept(by: "web")),
            row("eight headers before UDP", many(8), .accept(by: "dns"), segment: .udp()),
            row("eight headers before ICMPv6", many(8), .accept(by: "ping"), segment: .icmpv6()),
            row(
                "ESP behind other headers", [.hopByHop(), .destination()], .accept(by: "esp"),
                segment: Segment(number: 50, bytes: [1, 2, 3, 4])),
            row("mobility is L4", [.raw(number: 135, bytes: [6, 0, 0, 0, 0, 0, 0, 0])], .drop(.default)),
            row("host identity is L4", [.raw(number: 139, bytes: [6, 0, 0, 0, 0, 0, 0, 0])], .drop(.default)),
            row("no next header after others", [.hopByHop()], .drop(.default), segment: Segment(number: 59)),
            row(
                "IPv6 in IPv6 is not looked into", [], .drop(.default),
                segment: Segment(number: 41, bytes: Ends.datagram(.v6, .tcp()).bytes)),
        ]

        private static let refused: [PacketRow] =
            [
                row("nine headers", many(9), .drop(.extensionHeader), early: .drops),
                row("ten headers", many(10), .drop(.extensionHeader), early: .drops),
                row(
                    "nine headers, one of each kind", [.hopByHop(), .routing(), .authentication()] + many(6),
                    .drop(.extensionHeader), early: .drops),
                row("hop-by-hop twice", [.hopByHop(), .hopByHop()], .drop(.extensionHeader), early: .drops),
                row(
                    "hop-by-hop after destination", [.destination(), .hopByHop()], .drop(.extensionHeader),
                    early: .drops),
            ]
            + [0, 1, 2, 3, 4, 5, 6, 253, 255].flatMap { (type: UInt8) in
                [
                    row(
                        "type \(type) routing with a segment left", [.routing(type: type, segmentsLeft: 1)],
                        .drop(.extensionHeader), early: .drops),
                    row(
                        "type \(type) routing after others", [.hopByHop(), .routing(type: type, segmentsLeft: 255)],
                        .drop(.extensionHeader), early: .drops),
                    row(
                        "type \(type) routing after one with nothing left",
                        [.routing(type: 4), .routing(type: type, segmentsLeft: 1)], .drop(.extensionHeader),
                        early: .drops),
                ]
            }

        /// The header of this number, with these bytes after the IPv6 header.
        private static func bytes(_ description: String, _ number: UInt8, _ bytes: [UInt8]) -> PacketRow {
            row(description, [], .drop(.extensionHeader), segment: Segment(number: number, bytes: bytes), early: .drops)
        }

        private static let cut: [PacketRow] =
            [0, 43, 44, 51, 60].flatMap { (number: UInt8) in
                [
                    bytes("header \(number) of no bytes", number, []),
                    bytes("header \(number) of one byte", number, [6]),
                    bytes("header \(number) of seven bytes", number, [6, 0, 0, 0, 0, 0, 0]),
                ]
            }
            + [0, 43, 60].flatMap { (number: UInt8) in
                [
                    bytes("header \(number) one byte short", number, [6, 1, 1, 0] + [UInt8](repeating: 0, count: 11)),
                    bytes(
                        "header \(number) that claims 2048 bytes", number,
                        [6, 255, 1, 0] + [UInt8](repeating: 0, count: 60)),
                ]
            } + [
                bytes("authentication one byte short", 51, [6, 4] + [UInt8](repeating: 0, count: 21)),
                bytes("authentication that claims 1028 bytes", 51, [6, 255] + [UInt8](repeating: 0, count: 60)),
            ]

        private static let v4: [PacketRow] =
            [
                row("IPv4 with authentication", [.authentication()], .accept(by: "web"), family: .v4),
                row(
                    "IPv4 with authentication, to another port", [.authentication()], .drop(.default), family: .v4,
                    segment: .tcp(1, 81), early: .drops),
                row(
                    "IPv4 with authentication cut short", [], .drop(.extensionHeader), family: .v4,
                    segment: Segment(number: 51, bytes: [6, 4, 0, 0, 0, 0, 0, 0])),
                row(
                    "IPv4 with authentication of seven bytes", [], .drop(.extensionHeader), family: .v4,
                    segment: Segment(number: 51, bytes: [6, 4, 0, 0, 0, 0, 0])),
                row(
                    "IPv4 with nine authentication headers", Array(repeating: .authentication(bytes: 12), count: 9),
                    .drop(.extensionHeader), family: .v4),
                row(
                    "IPv4 with eight authentication headers", Array(repeating: .authentication(bytes: 12), count: 8),
                    .accept(by: "web"), family: .v4),
            ]
            + [Extension.hopByHop(), .routing(), .fragment(), .destination()].enumerated().map { index, header in
                row("IPv4 does not walk IPv6's header \(index)", [header], .drop(.default), family: .v4, early: .drops)
            }

        @Test(arguments: rows) func judges(row: PacketRow) throws { try Bench.parser.check(row) }
    }

    /// Rules that name headers: `proto/N` is a header of that number anywhere in the chain.
    @Suite struct HeaderTests {
        private static let table = PolicyTable(
            """
            version: 1
            ports:
              nic: { interface: nic0, protects: host }
              guest: { interface: tap0, protects: workload, guard: off }
            defaults: { in: drop, out: drop }
            rules:
              - { name: no-authentication, service: proto/51, action: drop }
              - { name: routed, to: ["2001:db8:80::/48", 192.0.2.0/24], service: proto/43, action: accept }
              - { name: web, service: tcp/80, action: accept }
              - { name: optioned, service: [proto/60, udp/77], action: accept }
              - { name: atoms, service: proto/44, action: accept }
              - { name: hops-in, service: proto/0, direction: in, action: accept }
              - { name: no-next-header, service: proto/59, action: accept }
              - { name: tunnel, service: proto/50, action: accept }
            """)

        private static func row(
            _ description: String, _ extensions: [Extension], _ expected: PacketRow.Expectation,
            family: AddressFamily = .v6, segment: Segment = .udp(1, 9), _ direction: Direction? = nil
        ) -> PacketRow {
            let frame = Ends.frame(family, segment) { $0.extensions = extensions }
            return PacketRow(description, frame, expected, at: ["nic", "guest"], direction: direction)
        }

        private static let rows: [PacketRow] =
            bothFamilies { family in
                [
                    row("no header", [], .accept(by: "web"), family: family, segment: .tcp()),
                    row(
                        "authentication before TCP", [.authentication()], .drop(by: "no-authentication"),
                        family: family,
                        segment: .tcp()),
                    row(
                        "authentication before ESP", [.authentication(bytes: 12)], .drop(by: "no-authentication"),
                        family: family, segment: Segment(number: 50, bytes: [1, 2, 3, 4])),
                    row(
                        "authentication twice", [.authentication(), .authentication()], .drop(by: "no-authentication"),
                        family: family, segment: .udp(1, 77)),
                    row(
                        "ESP", [], .accept(by: "tunnel"), family: family,
                        segment: Segment(number: 50, bytes: [1, 2, 3, 4])),
                    row("what no rule names", [], .drop(.default), family: family),
                ]
            } + [
                row("destination options", [.destination()], .accept(by: "optioned")),
                row("destination options before TCP", [.destination()], .accept(by: "web"), segment: .tcp()),
                row("another service of that rule", [], .accept(by: "optioned"), segment: .udp(1, 77)),
                row("that service after options", [.destination()], .accept(by: "optioned"), segment: .udp(1, 77)),
                row("a routing header at its end", [.routing()], .accept(by: "routed")),
                row("a routing header before TCP", [.routing()], .accept(by: "routed"), segment: .tcp()),
                row("an atomic fragment", [.fragment()], .accept(by: "atoms")),
                row("hop-by-hop options", [.hopByHop()], .accept(by: "hops-in"), .in),
                row("hop-by-hop options the other way", [.hopByHop()], .drop(.default), .out),
                row("the first of two", [.hopByHop(), .destination()], .accept(by: "optioned")),
                row(
                    "the last of five", [.hopByHop(), .destination(), .routing(), .fragment(), .authentication()],
                    .drop(by: "no-authentication")),
                row("four of five", [.hopByHop(), .destination(), .routing(), .fragment()], .accept(by: "routed")),
                row("three of five", [.hopByHop(), .destination(), .fragment()], .accept(by: "optioned")),
                row("two of five", [.hopByHop(), .fragment()], .accept(by: "atoms")),
                row("nothing after options", [.hopByHop()], .accept(by: "hops-in"), segment: Segment(number: 59), .in),
                row("nothing", [], .accept(by: "no-next-header"), segment: Segment(number: 59)),
                PacketRow(
                    "a first fragment",
                    Ends.frame(.v6, .udp(1, 9, payload: [UInt8](repeating: 0, count: 8))) { $0.fragment = .first },
                    .accept(by: "atoms"), at: ["nic", "guest"]),
                PacketRow(
                    "to where no rule is for",
                    Frame(Datagram(Ends.client(.v6), "2001:db8:81::1", .udp(1, 9)) { $0.extensions = [.routing()] }),
                    .drop(.default), at: ["nic", "guest"]),
                // In IPv4 these numbers are protocols like any other.
                row(
                    "IPv4's protocol 60", [], .accept(by: "optioned"), family: .v4,
                    segment: Segment(number: 60, bytes: [6, 0, 0, 0, 0, 0, 0, 0])),
                row(
                    "IPv4's protocol 44", [], .accept(by: "atoms"), family: .v4,
                    segment: Segment(number: 44, bytes: [6, 0, 0, 0, 0, 0, 0, 0])),
                row(
                    "IPv4's protocol 43", [], .accept(by: "routed"), family: .v4,
                    segment: Segment(number: 43, bytes: [6, 0, 0, 0, 0, 0, 0, 0])),
                row(
                    "IPv4's protocol 0", [], .accept(by: "hops-in"), family: .v4,
                    segment: Segment(number: 0, bytes: [6, 0, 0, 0, 0, 0, 0, 0]), .in),
            ]

        @Test(arguments: rows) func judges(row: PacketRow) throws { try Self.table.check(row) }

        /// What `explain` asks about a protocol by its number is a sound packet, which that number's rule accepts.
        @Test(arguments: AddressFamily.allCases) func aProbeOfAnyProtocolIsSound(family: AddressFamily) throws {
            // The chain of a walked header ends with 59: nothing follows.
            let numbers = (0...255).filter { $0 != 59 } + [59]
            let rules = numbers.map { "  - { name: p\($0), service: proto/\($0), action: accept, stateless: true }" }
            let table = PolicyTable(
                """
                version: 1
                ports:
                  nic: { interface: nic0, protects: host }
                  guest: { interface: tap0, protects: workload, guard: off }
                defaults: { in: drop, out: drop, essentials: off }
                rules:
                \(rules.joined(separator: "\n"))
                """)
            for number in numbers {
                let probe = ProbeFrame(
                    source: Ends.client(family), destination: Ends.server(family), sourceMAC: Frame.guest,
                    destinationMAC: Frame.peer, service: .other(protocol: UInt8(number)), sourcePort: 40000, vlan: nil)
                try table.check(
                    PacketRow(
                        "a probe of \(number)", Frame(bytes: probe.bytes), .accept(by: "p\(number)"),
                        at: ["nic", "guest"]))
            }
        }

        /// The verdict on a connection's packet is not reused for one with more headers.
        @Test func noAnswerIsTakenForAnothers() throws {
            for _ in 0..<2 {
                for headers in [[], [Extension.authentication()], [.destination()], []] {
                    let frame = Ends.frame(.v6, .udp(1, 77)) { $0.extensions = headers }
                    let expected: PacketRow.Expectation =
                        headers == [.authentication()] ? .drop(by: "no-authentication") : .accept(by: "optioned")
                    try Self.table.check(PacketRow("\(headers)", frame, expected, at: ["nic", "guest"]))
                }
            }
        }
    }
}
