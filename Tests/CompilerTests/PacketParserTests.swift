// SPDX-License-Identifier: Apache-2.0
import Compiler
import Network
import Reference
import TestSupport
import Testing
import Wire

private let v4: IPAddress = "192.0.2.1"
private let v4Peer: IPAddress = "198.51.100.2"
private let v6: IPAddress = "2001:db8::1"
private let v6Peer: IPAddress = "2001:db8::2"

/// A frame, and what the parser must read from it.
struct ParserCase: Sendable, CustomTestStringConvertible {
    var testDescription: String
    var frame: Frame
    /// nil if the frame is accepted.
    var refusal: Reason?
    var ipProtocol: UInt8
    var hasL4: Bool

    init(
        _ description: String, _ frame: Frame, refusal: Reason? = nil, ipProtocol: UInt8 = 0, hasL4: Bool = false
    ) {
        testDescription = description
        self.frame = frame
        self.refusal = refusal
        self.ipProtocol = ipProtocol
        self.hasL4 = hasL4
    }

    static func ipv4(
        _ description: String, _ segment: Segment, refusal: Reason? = nil, hasL4: Bool? = nil,
        _ change: (inout Datagram) -> Void = { _ in }
    ) -> ParserCase {
        ParserCase(
            description + ", IPv4", Frame(Datagram(v4, v4Peer, segment, change)), refusal: refusal,
            ipProtocol: segment.number, hasL4: hasL4 ?? (refusal == nil))
    }

    static func ipv6(
        _ description: String, _ segment: Segment, refusal: Reason? = nil, hasL4: Bool? = nil,
        _ change: (inout Datagram) -> Void = { _ in }
    ) -> ParserCase {
        ParserCase(
            description + ", IPv6", Frame(Datagram(v6, v6Peer, segment, change)), refusal: refusal,
            ipProtocol: segment.number, hasL4: hasL4 ?? (refusal == nil))
    }

    static func both(
        _ description: String, _ segment: Segment, refusal: Reason? = nil, hasL4: Bool? = nil,
        _ change: (inout Datagram) -> Void = { _ in }
    ) -> [ParserCase] {
        [
            ipv4(description, segment, refusal: refusal, hasL4: hasL4, change),
            ipv6(description, segment, refusal: refusal, hasL4: hasL4, change),
        ]
    }
}

@Suite struct PacketParserTests {
    static let whole: [ParserCase] = {
        var rows: [ParserCase] = []
        rows += ParserCase.both("TCP", .tcp())
        rows += ParserCase.both("TCP with options", .tcp(options: [UInt8](repeating: 1, count: 40)))
        rows += ParserCase.both("UDP", .udp())
        rows += ParserCase.both("SCTP", .sctp())
        rows += ParserCase.both("a protocol without ports", Segment(number: 47, bytes: [0]), hasL4: false)
        rows += ParserCase.both("ESP", Segment(number: 50, bytes: [1, 2]), hasL4: false)
        rows += ParserCase.both("no next header", Segment(number: 59), hasL4: false)
        rows.append(.ipv4("ICMP", .icmp()))
        rows.append(.ipv6("ICMPv6", .icmpv6()))
        rows.append(.ipv4("ICMPv6", .icmpv6(), hasL4: false))
        rows.append(.ipv6("ICMP", .icmp(), hasL4: false))
        rows.append(.ipv4("options", .tcp()) { $0.options = [UInt8](repeating: 1, count: 40) })
        rows.append(.ipv4("an IPv6 extension header's number", Segment(number: 60, bytes: [6]), hasL4: false))
        rows += ParserCase.both("AH", .tcp()) { $0.extensions = [.authentication()] }
        rows += ParserCase.both("eight extension headers", .tcp()) {
            $0.extensions = Array(repeating: .authentication(bytes: 12), count: 8)
        }
        rows.append(
            .ipv6("every extension header", .udp()) {
                $0.extensions = [.hopByHop(), .destination(), .routing(), .fragment(), .authentication()]
            })
        rows.append(.ipv6("an atomic fragment", .tcp()) { $0.extensions = [.fragment()] })
        rows.append(.ipv6("routing type 0, no segments left", .tcp()) { $0.extensions = [.routing(type: 0)] })
        return rows
    }()

    static let malformed: [ParserCase] = {
        func both(_ name: String, _ segment: Segment, _ change: (inout Datagram) -> Void = { _ in }) -> [ParserCase] {
            ParserCase.both(name, segment, refusal: .malformed, change)
        }
        var rows: [ParserCase] = []
        rows += both("TCP of 19 bytes", .tcp()) { $0.keep = 19 }
        rows += both("TCP, doff 4", .tcp(dataOffset: 4))
        rows += both("TCP, doff beyond the packet", .tcp(dataOffset: 6))
        rows += both("UDP of 7 bytes", .udp()) { $0.keep = 7 }
        rows += both("UDP, length 7", .udp(payload: [1, 2], length: 7))
        rows += both("UDP, length beyond the packet", .udp(payload: [1], length: 10))
        rows += both("SCTP of 11 bytes", .sctp()) { $0.keep = 11 }
        rows += both("another version", .tcp()) { $0.version = 5 }
        rows += both("a length beyond the frame", .tcp()) { $0.length = 100 }
        rows += both("a length of 0", .tcp()) { $0.length = 0 }
        rows.append(.ipv4("ICMP of 7 bytes", .icmp(), refusal: .malformed) { $0.keep = 7 })
        rows.append(.ipv6("ICMPv6 of 7 bytes", .icmpv6(), refusal: .malformed) { $0.keep = 7 })
        rows.append(.ipv4("ihl 4", .tcp(), refusal: .malformed) { $0.headerWords = 4 })
        rows.append(.ipv4("ihl beyond the length", .tcp(), refusal: .malformed) { $0.headerWords = 15 })
        rows.append(.ipv4("a length below the header", .tcp(), refusal: .malformed) { $0.length = 19 })
        return rows
    }()

    static let extensions: [ParserCase] = {
        func v6(_ name: String, _ headers: Extension...) -> ParserCase {
            .ipv6(name, .tcp(), refusal: .extensionHeader) { $0.extensions = headers }
        }
        func both(_ name: String, _ headers: [Extension]) -> [ParserCase] {
            ParserCase.both(name, .tcp(), refusal: .extensionHeader) { $0.extensions = headers }
        }
        var rows: [ParserCase] = []
        rows += both("nine headers", Array(repeating: .authentication(bytes: 12), count: 9))
        rows += both("AH of 8 bytes", [.authentication(bytes: 8)])
        rows += both("AH cut short", [.raw(number: 51, bytes: [6, 200, 0, 0, 0, 0, 0, 0])])
        rows.append(v6("hop-by-hop second", .destination(), .hopByHop()))
        rows.append(v6("two fragment headers", .fragment(), .fragment()))
        for type in [0, 2, 3, 4, 255] as [UInt8] {
            rows.append(v6("routing type \(type)", .routing(type: type, segmentsLeft: 1)))
        }
        rows.append(v6("a header cut short", .raw(number: 60, bytes: [6, 20, 0, 0, 0, 0, 0, 0])))
        rows.append(
            .ipv6("a header of 7 bytes", Segment(number: 60, bytes: [6, 0, 0, 0, 0, 0, 0]), refusal: .extensionHeader))
        return rows
    }()

    static let fragments: [ParserCase] = {
        var rows: [ParserCase] = []
        rows += ParserCase.both("a first fragment", .tcp(payload: [1, 2, 3, 4])) { $0.fragment = .first }
        rows += ParserCase.both(
            "a first fragment of a longer datagram", .udp(payload: [1, 2, 3, 4, 5, 6, 7, 8], length: 3000)
        ) {
            $0.fragment = .first
        }
        rows += ParserCase.both("a later fragment", .tcp(payload: [1, 2, 3, 4]), hasL4: false) { $0.fragment = .middle }
        rows += ParserCase.both("a first fragment of 20 bytes", .tcp(), refusal: .fragment) { $0.fragment = .first }
        rows += ParserCase.both("a later fragment of 20 bytes", .tcp(), refusal: .fragment) { $0.fragment = .middle }
        rows += ParserCase.both("a last fragment without data", Segment(number: 6), refusal: .fragment) {
            $0.fragment = .last
        }
        rows += ParserCase.both("a last fragment that ends too far", .tcp(), refusal: .fragment) {
            $0.fragment = .init(offset: 8190, more: false)
        }
        rows += ParserCase.both("the last fragment, short", .tcp(), hasL4: false) {
            $0.fragment = .last
            $0.keep = 1
        }
        rows += ParserCase.both("a first fragment of 19 bytes", .tcp(), refusal: .fragment) {
            $0.fragment = .first
            $0.keep = 19
        }
        rows += ParserCase.both(
            "a first fragment without TCP's options", .tcp(options: [1, 1, 1, 1]), refusal: .fragment
        ) {
            $0.fragment = .first
            $0.keep = 20
        }
        rows.append(
            .ipv6("a first fragment that ends in an extension header", .tcp(), refusal: .fragment) {
                $0.extensions = [.fragment(more: true), .raw(number: 60, bytes: [6, 20, 0, 0, 0, 0, 0, 0])]
            })
        return rows
    }()

    @Test(arguments: whole + malformed + extensions + fragments) func parses(row: ParserCase) {
        let packet = PacketParser.parse(row.frame.bytes, frameLength: row.frame.bytes.count)
        #expect(packet.refusal == row.refusal)
        #expect(packet.hasL4 == row.hasL4)
        if row.refusal == nil { #expect(packet.ipProtocol == row.ipProtocol) }
    }

    /// Padding changes nothing, and every truncation of a packet is refused.
    @Test(arguments: whole) func holdsItsLengths(row: ParserCase) {
        let bytes = row.frame.bytes
        var padded = PacketParser.parse(bytes + [UInt8](repeating: 0xff, count: 99), frameLength: bytes.count + 99)
        let packet = PacketParser.parse(bytes, frameLength: bytes.count)
        padded.length -= 99
        padded.wireBytes -= 99
        #expect(padded == packet)
        for count in 0..<bytes.count {
            let cut = PacketParser.parse(Array(bytes.prefix(count)), frameLength: count)
            #expect(cut.refusal == .malformed, "cut to \(count)")
        }
    }

    @Test func readsFields() {
        let frame = Frame(
            Datagram(v6, v6Peer, .tcp(1000, 2000, flags: 0x12)) { $0.hopLimit = 3 }, from: "52:54:00:00:00:09",
            to: "52:54:00:00:00:08", tags: [.init(5, priority: 7, type: 0x88a8), .init(6)])
        let packet = PacketParser.parse(frame.bytes, frameLength: frame.bytes.count)
        #expect(packet.source == v6)
        #expect(packet.destination == v6Peer)
        #expect(packet.sourcePort == 1000)
        #expect(packet.destinationPort == 2000)
        #expect(packet.tcpFlags == 0x12)
        #expect(packet.hopLimit == 3)
        #expect(packet.vlanTags == 2)
        #expect(packet.outerVLAN == 5)
        #expect(packet.innerVLAN == 6)
        #expect(packet.etherType == 0x86dd)
        #expect(packet.l3Offset == 22)
        #expect(packet.l4Offset == 62)
        #expect(packet.sourceMAC == "52:54:00:00:00:09")
        #expect(packet.destinationMAC == "52:54:00:00:00:08")
        #expect(packet.length == frame.bytes.count)
    }

    @Test func metadataTagIsOutermost() {
        let frame = Frame(Datagram(v4, v4Peer, .udp()), tags: [.init(6)])
        let packet = PacketParser.parse(frame.bytes, frameLength: frame.bytes.count, metadataVLAN: 0xe005)
        #expect(packet.vlanTags == 2)
        #expect(packet.outerVLAN == 5)
        #expect(packet.innerVLAN == 6)
        let third = Frame(Datagram(v4, v4Peer, .udp()), tags: [.init(6), .init(7)])
        #expect(PacketParser.parse(third.bytes, frameLength: third.bytes.count).refusal == nil)
        #expect(PacketParser.parse(third.bytes, frameLength: third.bytes.count, metadataVLAN: 5).refusal == .vlan)
    }

    /// The outer tag is the first that is not 0.
    @Test(
        arguments: [
            ([], 0, 0, false), ([0], 0, 0, false), ([0, 0], 0, 0, false), ([0, 5], 5, 0, false), ([5, 0], 5, 0, true),
            ([5, 6], 5, 6, true), ([5], 5, 0, false),
        ] as [([UInt16], UInt16, UInt16, Bool)])
    func tagsOfVLANZeroArePassedOver(tags: [UInt16], outer: UInt16, inner: UInt16, hasInner: Bool) {
        let frame = Frame(Datagram(v4, v4Peer, .udp()))
        let inFrame = frame.tagged(tags)
        let rest = frame.tagged(Array(tags.dropFirst()))
        for packet in [
            PacketParser.parse(inFrame.bytes, frameLength: inFrame.bytes.count),
            PacketParser.parse(rest.bytes, frameLength: rest.bytes.count, metadataVLAN: tags.first),
        ] {
            #expect(packet.vlanTags == tags.count)
            #expect(packet.outerVLAN == outer)
            #expect(packet.innerVLAN == inner)
            #expect(packet.hasInnerTag == hasInner)
        }
    }

    @Test func framesWithoutIP() {
        let llc = PacketParser.parse(Frame.llc().bytes, frameLength: 52)
        #expect(llc.refusal == nil)
        #expect(llc.etherType == 0)
        let arp = Frame.arp()
        #expect(PacketParser.parse(arp.bytes, frameLength: arp.bytes.count).isARP)
        let short = PacketParser.parse(Array(arp.bytes.dropLast()), frameLength: arp.bytes.count - 1)
        #expect(short.refusal == .malformed)
        #expect(!short.isARP)
        let reverse = Frame.arp(type: 0x8035)
        #expect(PacketParser.parse(reverse.bytes, frameLength: reverse.bytes.count).isARP)
    }

    @Test func superPackets() {
        let bytes = Frame(Datagram(v6, v6Peer, .tcp()) { $0.length = 0 }).bytes + [UInt8](repeating: 0, count: 70000)
        let packet = PacketParser.parse(bytes, frameLength: bytes.count, segments: 50)
        #expect(packet.refusal == nil)
        #expect(packet.destinationPort == 80)
        #expect(packet.segments == 50)
        #expect(packet.wireBytes == bytes.count + 49 * 74)
        #expect(PacketParser.parse(bytes, frameLength: bytes.count).refusal == .malformed)
    }

    /// A capture may hold less of a frame than was on the wire.
    @Test func cutCapture() {
        let bytes = Frame(Datagram(v4, v4Peer, .udp(payload: [UInt8](repeating: 0, count: 1000)))).bytes
        let packet = PacketParser.parse(Array(bytes.prefix(42)), frameLength: bytes.count)
        #expect(packet.refusal == nil)
        #expect(packet.destinationPort == 53)
        #expect(packet.length == bytes.count)
        #expect(PacketParser.parse(Array(bytes.prefix(41)), frameLength: bytes.count).refusal == .malformed)
    }
}
