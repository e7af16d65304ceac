// SPDX-License-Identifier: Apache-2.0
import Network
import TestSupport
import Testing

extension PacketTables {
    /// Lengths of IP headers and packets, and what follows them in the frame.
    @Suite struct DatagramTests {
        static let rows = bothFamilies(lengths) + v4 + routes + v6

        private static func row(
            _ description: String, _ frame: Frame, _ expected: PacketRow.Expectation, early: PacketRow.Early = .either
        ) -> PacketRow {
            PacketRow(description, frame, expected, at: ["nic", "guest"], early: early)
        }

        private static func lengths(_ family: AddressFamily) -> [PacketRow] {
            let header = family == .v4 ? 20 : 40
            /// A frame whose length field differs by this much from the truth.
            func off(_ difference: Int, _ segment: Segment = .tcp()) -> Frame {
                let truth = (family == .v4 ? 20 : 0) + segment.bytes.count
                return Ends.frame(family, segment) { $0.length = truth + difference }
            }
            let whole = Ends.frame(family, .tcp())
            return [
                row("IP header cut by one byte", whole.cut(to: 14 + header - 1), .drop(.malformed), early: .drops),
                row("IP header cut to one byte", whole.cut(to: 15), .drop(.malformed), early: .drops),
                row("no IP header at all", whole.cut(to: 14), .drop(.malformed), early: .drops),
                row(
                    "the frame one byte shorter than the packet", whole.cut(to: whole.bytes.count - 1),
                    .drop(.malformed), early: .drops),
                row("a length of one byte more than the frame has", off(1), .drop(.malformed), early: .drops),
                row("a length of 65535", off(65535 - 40), .drop(.malformed), early: .drops),
                row("a length that cuts the TCP header", off(-1), .drop(.malformed), early: .drops),
                row("a length that leaves no TCP header", off(-20), .drop(.malformed), early: .drops),
                row("a length of 0", Ends.frame(family, .tcp()) { $0.length = 0 }, .drop(.malformed), early: .drops),
                row("padding up to 60 bytes", Ends.frame(family, .ping(family)).padded(to: 60), .accept(by: "ping")),
                row("padding up to 90 bytes", whole.padded(to: 90), .accept(by: "web")),
                row("padding up to 1514 bytes", whole.padded(to: 1514), .accept(by: "web")),
                row("padding is not part of a TCP header", off(-1).padded(to: 100), .drop(.malformed), early: .drops),
                row(
                    "padding is not part of a UDP datagram", off(-1, .udp(payload: [1, 2])).padded(to: 100),
                    .drop(.malformed), early: .drops),
                row(
                    "another IP version in the header", Ends.frame(family, .tcp()) { $0.version = 5 },
                    .drop(.malformed), early: .drops),
                row(
                    "the other family's version", Ends.frame(family, .tcp()) { $0.version = family == .v4 ? 6 : 4 },
                    .drop(.malformed), early: .drops),
                row("hop limit 0", Ends.frame(family, .tcp()) { $0.hopLimit = 0 }, .accept(by: "web")),
                row(
                    "1514 bytes of payload and headers",
                    Ends.frame(family, .tcp(payload: Array(repeating: 1, count: 1500 - header - 20))),
                    .accept(by: "web")),
                row(
                    "a jumbo frame", Ends.frame(family, .tcp(payload: Array(repeating: 1, count: 3000))),
                    .accept(by: "web")),
            ]
        }

        private static let v4: [PacketRow] = {
            func options(_ count: Int, _ change: (inout Datagram) -> Void = { _ in }) -> Frame {
                Ends.frame(.v4, .tcp()) {
                    $0.options = [UInt8](repeating: 1, count: count)
                    change(&$0)
                }
            }
            return [
                row("four bytes of options", options(4), .accept(by: "web")),
                row("forty bytes of options", options(40), .accept(by: "web")),
                row("header length 0", options(0) { $0.headerWords = 0 }, .drop(.malformed), early: .drops),
                row("header length 4", options(0) { $0.headerWords = 4 }, .drop(.malformed), early: .drops),
                row(
                    "header length 15 in a frame of 40 bytes of IP", options(0) { $0.headerWords = 15 },
                    .drop(.malformed), early: .drops),
                row(
                    "header length that swallows the TCP header", options(0) { $0.headerWords = 10 }, .drop(.malformed),
                    early: .drops),
                row("total length 19", options(0) { $0.length = 19 }, .drop(.malformed), early: .drops),
                row("total length 20 and ihl 6", options(4) { $0.length = 20 }, .drop(.malformed), early: .drops),
                row("total length 23 and ihl 6", options(4) { $0.length = 23 }, .drop(.malformed), early: .drops),
                row("a wrong header checksum is the stack's to see", options(0).with(24, 0, 0), .accept(by: "web")),
                row("don't fragment", options(0) { $0.dontFragment = true }, .accept(by: "web")),
                row("the reserved flag", options(0).with(20, 0x80), .accept(by: "web")),
                row("options that end in an unknown type", options(8).with(34, 0xfe, 0xff), .accept(by: "web")),
            ]
        }()

        /// Options that name the places that a packet must visit (RFC 791). A pointer beyond the option's end says that
        /// it has visited all.
        private static let routes: [PacketRow] = {
            func with(_ description: String, _ options: [UInt8], isRefused: Bool) -> PacketRow {
                let padded = options + [UInt8](repeating: 0, count: -options.count & 3)
                let frame = Ends.frame(.v4, .tcp()) { $0.options = padded }
                return row(
                    description, frame, isRefused ? .drop(.malformed) : .accept(by: "web"),
                    early: isRefused ? .drops : .either)
            }
            var rows: [PacketRow] = []
            let hops: [UInt8] = [192, 0, 2, 1, 192, 0, 2, 2]
            for (name, type) in [("loose", 131), ("strict", 137)] as [(String, UInt8)] {
                for pointer in [4, 8, 11] as [UInt8] {
                    rows.append(
                        with("a \(name) source route at \(pointer)", [type, 11, pointer] + hops, isRefused: true))
                }
                for pointer in [12, 255] as [UInt8] {
                    rows.append(
                        with(
                            "a \(name) source route at its end, \(pointer)", [type, 11, pointer] + hops,
                            isRefused: false)
                    )
                }
                rows += [
                    with("a \(name) source route of impossible place", [type, 11, 0] + hops, isRefused: true),
                    with("a \(name) source route without hops", [type, 3, 4], isRefused: false),
                    with("a \(name) source route without a pointer", [type, 2], isRefused: true),
                    with("a \(name) source route of one byte", [1, 1, 1, type], isRefused: true),
                    with("a \(name) source route of no length", [type, 0, 4, 0], isRefused: true),
                    with("a \(name) source route beyond the header", [type, 40, 4, 1], isRefused: true),
                    with("a \(name) source route after padding", [1, 1, 1, type, 7, 4, 1, 2, 3, 4], isRefused: true),
                    with(
                        "a \(name) source route after others",
                        [0x94, 4, 0, 0, 7, 7, 4, 0, 0, 0, 0, type, 7, 4, 1, 2, 3, 4], isRefused: true),
                    with(
                        "a \(name) source route after one at its end",
                        [131, 7, 8, 1, 2, 3, 4, type, 7, 4, 1, 2, 3, 4],
                        isRefused: true),
                    with(
                        "a \(name) source route after the last option", [0, type, 7, 4, 1, 2, 3, 4], isRefused: false),
                    with(
                        "a \(name) source route in another option", [7, 10, 4, type, 7, 4, 1, 2, 3, 4], isRefused: false
                    ),
                    with(
                        "a \(name) source route in the last of forty bytes",
                        [UInt8](repeating: 1, count: 33) + [type, 7, 4, 1, 2, 3, 4], isRefused: true),
                ]
            }
            rows += [
                with("a recorded route", [7, 11, 4] + hops, isRefused: false),
                with("a router alert", [0x94, 4, 0, 0], isRefused: false),
                with("forty bytes without options", [UInt8](repeating: 1, count: 40), isRefused: false),
                with("an option of length 1", [0x44, 1, 0, 0], isRefused: false),
            ]
            for fragment in [Datagram.Fragment.first, .last] {
                let frame = Ends.frame(.v4, .tcp(payload: [1, 2, 3, 4])) {
                    $0.options = [131, 7, 4, 192, 0, 2, 1, 0]
                    $0.fragment = fragment
                }
                rows.append(row("a source route in a fragment", frame, .drop(.malformed), early: .drops))
            }
            let routed = Ends.frame(.v4, Segment(number: 51, bytes: [6, 4] + [UInt8](repeating: 0, count: 42))) {
                $0.options = [131, 7, 4, 192, 0, 2, 1, 0]
            }
            rows.append(
                PacketRow(
                    "a source route of which a capture has the kind alone", routed.cut(to: 14 + 20 + 1),
                    .drop(.malformed), at: ["nic", "guest"], early: .drops, originalLength: routed.bytes.count))
            return rows
        }()

        private static let v6: [PacketRow] = [
            row(
                "traffic class and flow label", Ends.frame(.v6, .tcp()).with(14, 0x6f, 0xff, 0xff, 0xff),
                .accept(by: "web")),
            row("no next header", Ends.frame(.v6, Segment(number: 59)), .drop(.default), early: .drops),
            row(
                "no next header, and bytes after it", Ends.frame(.v6, Segment(number: 59, bytes: Segment.tcp().bytes)),
                .drop(.default)),
            row(
                "an IPv4-mapped address is an IPv6 address",
                Frame(Datagram(Ends.client(.v6), "::ffff:192.0.2.80", .udp())), .drop(.default), early: .drops),
            row(
                "a jumbo payload option with length 0",
                Ends.frame(.v6, .tcp()) {
                    $0.length = 0
                    $0.extensions = [.raw(number: 0, bytes: [6, 0, 0xc2, 4, 0, 1, 0, 0])]
                }, .drop(.extensionHeader), early: .drops),
        ]

        @Test(arguments: rows) func judges(row: PacketRow) throws { try Bench.parser.check(row) }
    }

    /// Single fragments: a first one is judged by the rules, a later one is never accepted. ``FragmentTests`` has them
    /// in sequence.
    @Suite struct LoneFragmentTests {
        static let rows = bothFamilies { family in firsts(family) + laters(family) } + v6

        private static func row(
            _ description: String, _ family: AddressFamily, _ segment: Segment, _ fragment: Datagram.Fragment,
            _ expected: PacketRow.Expectation, keep: Int? = nil, early: PacketRow.Early = .leaves
        ) -> PacketRow {
            let frame = Ends.frame(family, segment) {
                $0.fragment = fragment
                $0.keep = keep
            }
            return PacketRow(description, frame, expected, at: ["nic", "guest"], early: early)
        }

        private static func firsts(_ family: AddressFamily) -> [PacketRow] {
            let long: Segment = .tcp(options: Array(repeating: 1, count: 40), payload: [1, 2, 3, 4])
            return [
                row(
                    "first fragment with its TCP header", family, .tcp(payload: [1, 2, 3, 4]), .first,
                    .accept(by: "web")),
                row(
                    "first fragment to another port", family, .tcp(40000, 81, payload: [1, 2, 3, 4]), .first,
                    .drop(.default)),
                row("first fragment with 19 bytes of TCP", family, .tcp(), .first, .drop(.fragment), keep: 19),
                row("first fragment with 8 bytes of TCP", family, .tcp(), .first, .drop(.fragment), keep: 8),
                row("first fragment with nothing", family, .tcp(), .first, .drop(.fragment), keep: 0),
                row("first fragment without all TCP options", family, long, .first, .drop(.fragment), keep: 56),
                row("first fragment with all TCP options", family, long, .first, .accept(by: "web")),
                row(
                    "first fragment of a long UDP datagram", family, .udp(payload: Array(repeating: 1, count: 2000)),
                    .first, .accept(by: "dns"), keep: 8),
                row("first fragment with 7 bytes of UDP", family, .udp(), .first, .drop(.fragment), keep: 7),
                row("first fragment with 11 bytes of SCTP", family, .sctp(), .first, .drop(.fragment), keep: 11),
                row(
                    "first fragment with its SCTP header", family, .sctp(), .first, .accept(by: "diameter"), keep: 16),
                row("first fragment of 12 bytes", family, .sctp(), .first, .drop(.fragment), keep: 12),
                row("first fragment of 20 bytes", family, .tcp(), .first, .drop(.fragment)),
                row("first fragment with 7 bytes of ICMP", family, .ping(family), .first, .drop(.fragment), keep: 7),
                row("first fragment with 8 bytes of ICMP", family, .ping(family), .first, .accept(by: "ping"), keep: 8),
                row(
                    "first fragment of ESP", family, Segment(number: 50, bytes: [1, 2, 3, 4, 5, 6, 7, 8]), .first,
                    .accept(by: "esp")),
                row(
                    "first fragment of ESP without data", family, Segment(number: 50), .first, .drop(.fragment)),
            ]
        }

        private static func laters(_ family: AddressFamily) -> [PacketRow] {
            let lie: Segment = .tcp(payload: [UInt8](repeating: 0, count: 20))
            return [
                row("middle fragment that looks like TCP to port 80", family, lie, .middle, .drop(.fragment)),
                row("last fragment that looks like TCP to port 80", family, lie, .last, .drop(.fragment)),
                row("fragment at offset 8 bytes", family, lie, .init(offset: 1, more: true), .drop(.fragment)),
                row("fragment at the highest offset", family, lie, .init(offset: 8191, more: false), .drop(.fragment)),
                row("later fragment of one byte", family, .tcp(), .last, .drop(.fragment), keep: 1),
                row("later fragment of no bytes", family, .tcp(), .last, .drop(.fragment), keep: 0),
                row(
                    "later fragment of GRE", family, Segment(number: 47, bytes: [0, 0, 8, 0]), .last, .drop(.fragment)),
                row("later fragment of ICMP", family, .ping(family), .middle, .drop(.fragment)),
            ]
        }

        private static let v6: [PacketRow] = {
            func extended(_ extensions: [Extension], _ segment: Segment = .tcp(), keep: Int? = nil) -> Frame {
                Ends.frame(.v6, segment) {
                    $0.extensions = extensions
                    $0.keep = keep
                }
            }
            func row(_ description: String, _ frame: Frame, _ expected: PacketRow.Expectation) -> PacketRow {
                PacketRow(description, frame, expected, at: ["nic", "guest"])
            }
            let (first, last) = (Extension.fragment(offset: 0, more: true), Extension.fragment(offset: 5, more: false))
            return [
                row("an atomic fragment is not a fragment", extended([.fragment()]), .accept(by: "web")),
                row("an atomic fragment cut short is malformed", extended([.fragment()], keep: 19), .drop(.malformed)),
                row("two fragment headers", extended([.fragment(), .fragment()]), .drop(.extensionHeader)),
                row("a fragment header in a first fragment", extended([first, .fragment()]), .drop(.extensionHeader)),
                row(
                    "headers in a first fragment",
                    extended([first, .destination(bytes: 16)], .tcp(payload: [1, 2, 3, 4])), .accept(by: "web")),
                row(
                    "headers cut in a first fragment",
                    extended([first, .destination(bytes: 64)]).cut(to: 14 + 40 + 8 + 16).withPayloadLength(24),
                    .drop(.fragment)),
                row(
                    "what follows a later fragment's header is data",
                    extended([last, .raw(number: 43, bytes: [6, 0, 0, 9, 0, 0, 0, 0])]), .drop(.fragment)),
                row(
                    "a later fragment after other headers", extended([.hopByHop(), .destination(), last]),
                    .drop(.fragment)),
                row(
                    "a fragment header cut short", extended([]).with(20, 44).cut(to: 14 + 40 + 7).withPayloadLength(7),
                    .drop(.extensionHeader)),
                row(
                    "reserved bits of the fragment header",
                    extended([.raw(number: 44, bytes: [6, 0xff, 0, 6, 0, 0, 0, 1])]), .accept(by: "web")),
            ]
        }()

        @Test(arguments: rows) func judges(row: PacketRow) throws { try Bench.parser.check(row) }

        /// A default of accept does not accept what cannot be judged.
        @Test(arguments: AddressFamily.allCases) func laterFragmentsAreDroppedWhereAllIsAccepted(family: AddressFamily)
            throws
        {
            for fragment in [Datagram.Fragment.middle, .last] {
                let frame = Ends.frame(family, .tcp()) { $0.fragment = fragment }
                try Bench.open.check(
                    PacketRow("later fragment", frame, .drop(.fragment), at: ["nic", "guest"], early: .leaves))
            }
        }
    }
}

extension Frame {
    /// The frame with another payload length; untagged IPv6 only.
    func withPayloadLength(_ length: UInt16) -> Frame {
        with(18, UInt8(length >> 8), UInt8(truncatingIfNeeded: length))
    }
}
