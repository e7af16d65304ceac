// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import Network
import Wire

/// Reads a frame as the kernel program does: one cursor, every length checked before it is used.
///
/// What refuses a packet, in short: more than two VLAN tags (`vlan`); an IPv6 extension header (or AH) that is one too
/// many, misplaced or cut short (`extension-header`); a first fragment that cannot hold its L4 header, a fragment
/// without data, one that is not the last and no multiple of eight bytes, or one that reaches beyond 65,535 bytes
/// (`fragment`); any other header cut short, a length that exceeds the frame or does not cover its header, or a source
/// route of IPv4 with hops left (`malformed`).
public struct PacketParser {
    private struct Refusal: Error {
        var reason: Reason
        init(_ reason: Reason) { self.reason = reason }
    }

    private let frame: [UInt8]
    private var packet = Packet()
    private var offset = 0
    /// Where the frame ends on the wire, then the IP packet in it.
    private var end: Int
    /// Where L4's header ends; of a frame that is not IP, what is read of it.
    private var headerEnd = 0
    private var hasFragmentHeader = false
    /// Whether what the fragment's header says can be.
    private var isSoundFragment = true

    /// - Parameters:
    ///   - frame: The frame's first bytes, from the destination MAC; all of them, unless a capture cut it.
    ///   - frameLength: Bytes of the frame on the wire.
    ///   - metadataVLAN: Tag control information that stands beside the frame, as the outermost tag.
    ///   - segments: Wire packets that an offloaded super-packet stands for.
    public static func parse(
        _ frame: [UInt8], frameLength: Int, metadataVLAN: UInt16? = nil, segments: Int = 1
    ) -> Packet {
        var parser = PacketParser(frame: frame, frameLength: frameLength)
        parser.packet.segments = max(segments, 1)
        do {
            try parser.ethernet(metadataVLAN)
        } catch {
            parser.packet.refusal = error.reason
            parser.packet.hasL4 = false
        }
        parser.countWireBytes()
        return parser.packet
    }

    private init(frame: [UInt8], frameLength: Int) {
        self.frame = frame
        end = frameLength
        packet.length = frameLength
    }

    // MARK: Cursor

    /// Whether the next bytes belong to the packet, captured or not.
    private func reaches(_ count: Int) -> Bool { offset + count <= end }
    /// Whether they can be read.
    private func has(_ count: Int) -> Bool { reaches(count) && offset + count <= frame.count }
    private func u8(_ place: Int) -> UInt8 { frame[offset + place] }
    private func u16(_ place: Int) -> UInt16 { UInt16(u8(place)) << 8 | UInt16(u8(place + 1)) }
    private func number(_ place: Int, bytes: Int) -> UInt128 {
        (place..<place + bytes).reduce(0) { $0 << 8 | UInt128(u8($1)) }
    }

    // MARK: Layer 2

    private mutating func ethernet(_ metadataVLAN: UInt16?) throws(Refusal) {
        guard has(14) else { throw Refusal(.malformed) }
        packet.destinationMAC = MACAddress(UInt64(number(0, bytes: 6)))
        packet.sourceMAC = MACAddress(UInt64(number(6, bytes: 6)))
        var type = u16(12)
        offset = 14
        if let metadataVLAN { tag(metadataVLAN) }
        while type == 0x8100 || type == 0x88a8 {
            if packet.vlanTags == 2 { throw Refusal(.vlan) }
            guard has(4) else { throw Refusal(.malformed) }
            tag(u16(0))
            type = u16(2)
            offset += 4
        }
        packet.etherType = type < 0x600 ? 0 : type
        packet.l3Offset = offset
        switch type {
        case 0x0800: try ipv4()
        case 0x86dd: try ipv6()
        case 0x0806, 0x8035: try arp()
        default: headerEnd = offset
        }
    }

    /// A tag of VLAN 0 in front has a priority and no VLAN (IEEE 802.1Q: priority-tagged), and what follows is tagged
    /// as if it were not there.
    private mutating func tag(_ control: UInt16) {
        packet.vlanTags += 1
        if packet.outerVLAN != 0 {
            packet.hasInnerTag = true
            packet.innerVLAN = control & 0xfff
        } else {
            packet.outerVLAN = control & 0xfff
        }
    }

    private mutating func arp() throws(Refusal) {
        guard has(8), reaches(8 + 2 * (Int(u8(4)) + Int(u8(5)))) else { throw Refusal(.malformed) }
        packet.isARP = true
        headerEnd = offset + 8
    }

    // MARK: Layer 3

    private mutating func ipv4() throws(Refusal) {
        guard has(20), u8(0) >> 4 == 4 else { throw Refusal(.malformed) }
        let headerBytes = Int(u8(0) & 15) * 4
        guard headerBytes >= 20 else { throw Refusal(.malformed) }
        try setEnd(start: offset, bytes: Int(u16(2)))
        guard reaches(headerBytes) else { throw Refusal(.malformed) }
        packet.source = IPAddress(v4: UInt32(number(12, bytes: 4)))
        packet.destination = IPAddress(v4: UInt32(number(16, bytes: 4)))
        packet.hopLimit = u8(8)
        packet.ipProtocol = u8(9)
        let (identification, fragment) = (u16(4), u16(6))
        if hasHopsLeft(options: offset + 20..<offset + headerBytes) { throw Refusal(.malformed) }
        offset += headerBytes
        packet.l4Offset = offset
        if fragment & 0x3fff != 0 {
            packet.fragmentProtocol = packet.ipProtocol
            noteFragment(
                UInt32(identification), offset: Int(fragment & 0x1fff) * 8, more: fragment & 0x2000 != 0,
                dataStart: offset, head: headerBytes)
        }
        try behindHeader([51])
    }

    /// Whether a loose or strict source route (RFC 791) has not been travelled to its end: its pointer, which counts
    /// from the option's first byte, from 1, is not beyond its length. One that cannot be read counts as such.
    private func hasHopsLeft(options: Range<Int>) -> Bool {
        var place = options.lowerBound
        while place < min(options.upperBound, frame.count), frame[place] != 0 {
            let isRoute = frame[place] == 131 || frame[place] == 137
            if frame[place] == 1 {
                place += 1
                continue
            }
            guard place + 3 <= min(options.upperBound, frame.count) else { return isRoute }
            let (length, pointer) = (Int(frame[place + 1]), Int(frame[place + 2]))
            guard length >= 2, place + length <= options.upperBound else { return isRoute }
            if isRoute, length == 2 || pointer <= length { return true }
            place += length
        }
        return false
    }

    private mutating func ipv6() throws(Refusal) {
        guard has(40), u8(0) >> 4 == 6 else { throw Refusal(.malformed) }
        try setEnd(start: offset + 40, bytes: Int(u16(4)))
        packet.source = IPAddress(v6: number(8, bytes: 16))
        packet.destination = IPAddress(v6: number(24, bytes: 16))
        packet.ipProtocol = u8(6)
        packet.hopLimit = u8(7)
        offset += 40
        try behindHeader([0, 43, 44, 51, 60])
    }

    private mutating func behindHeader(_ extensions: Set<UInt8>) throws(Refusal) {
        try walkExtensions(extensions)
        if !isSoundFragment { throw Refusal(.fragment) }
        if packet.fragment != .later { try layer4() }
    }

    /// What a fragment's header says. `head`: bytes in front of the data that the datagram's length counts.
    private mutating func noteFragment(
        _ identification: UInt32, offset: Int, more: Bool, dataStart: Int, head: Int
    ) {
        packet.fragment = offset > 0 ? .later : .first
        packet.identification = identification
        packet.fragmentOffset = offset
        packet.fragmentLength = end - dataStart
        packet.hasMoreFragments = more
        isSoundFragment =
            packet.fragmentLength > 0 && (!more || packet.fragmentLength % 8 == 0)
            && head + offset + packet.fragmentLength <= 65535
    }

    /// Cuts trailing padding. A super-packet over 65,535 bytes carries length 0 and ends with its frame.
    private mutating func setEnd(start: Int, bytes: Int) throws(Refusal) {
        let room = end - start
        defer { packet.end = end }
        if bytes == 0, packet.segments > 1, room > 0xffff { return }
        guard bytes <= room else { throw Refusal(.malformed) }
        end = start + bytes
    }

    /// Walks these headers up to the first that is none of them, or to the fragment header of a later fragment.
    private mutating func walkExtensions(_ extensions: Set<UInt8>) throws(Refusal) {
        var count = 0
        let start = offset
        packet.l4Offset = offset
        while extensions.contains(packet.ipProtocol), packet.fragment != .later {
            count += 1
            guard count <= Int(BH_EXTENSIONS_MAX) else { throw Refusal(.extensionHeader) }
            guard has(8) else { throw cutShort }
            let bytes = extensionBytes
            guard reaches(bytes) else { throw cutShort }
            try checkExtension(start: start)
            packet.headers.insert(packet.ipProtocol)
            packet.ipProtocol = u8(0)
            offset += bytes
            packet.l4Offset = offset
        }
    }

    private var extensionBytes: Int {
        switch packet.ipProtocol {
        case 44: 8
        case 51: (Int(u8(1)) + 2) * 4
        default: (Int(u8(1)) + 1) * 8
        }
    }

    /// Whether a whole header may stand where it does and say what it says.
    private mutating func checkExtension(start: Int) throws(Refusal) {
        let isSound: Bool
        switch packet.ipProtocol {
        case 0: isSound = offset == start
        // With segments left it goes on to where its destination does not say.
        case 43: isSound = u8(3) == 0
        case 44:
            isSound = !hasFragmentHeader
            guard isSound else { break }
            hasFragmentHeader = true
            let field = u16(2)
            guard field & 0xfff9 != 0 else { break }
            noteFragment(
                UInt32(number(4, bytes: 4)), offset: Int(field & 0xfff8), more: field & 1 != 0, dataStart: offset + 8,
                head: offset - start)
        case 51: isSound = u8(1) >= 1
        default: isSound = true
        }
        if !isSound { throw Refusal(.extensionHeader) }
    }

    /// Why an extension header that is cut short is refused.
    private var cutShort: Refusal { Refusal(packet.fragment == .first ? .fragment : .extensionHeader) }

    // MARK: Layer 4

    private mutating func layer4() throws(Refusal) {
        guard let bytes = transportBytes() else {
            throw Refusal(packet.fragment == .first ? .fragment : .malformed)
        }
        headerEnd = offset + bytes
        switch packet.ipProtocol {
        case 6, 17, 132:
            packet.sourcePort = u16(0)
            packet.destinationPort = u16(2)
            packet.hasL4 = true
            guard packet.ipProtocol == 6 else { break }
            packet.tcpFlags = u8(13)
            packet.sequence = UInt32(number(4, bytes: 4))
            packet.acknowledgement = UInt32(number(8, bytes: 4))
            packet.window = UInt16(number(14, bytes: 2))
            packet.payload = end - headerEnd
        case 1 where packet.family == .v4, 58 where packet.family == .v6:
            packet.type = u8(0)
            packet.code = u8(1)
            packet.echo = u16(4)
            packet.records = u16(6)
            packet.hasL4 = true
        case 2 where packet.family == .v4 && has(8):
            packet.type = u8(0)
            packet.records = u16(6)
        default: break
        }
    }

    /// Bytes of the L4 header, 0 where there is none to read; nil where it is cut short or contradicts itself.
    private func transportBytes() -> Int? {
        switch packet.ipProtocol {
        case 6:
            guard has(20) else { return nil }
            let bytes = Int(u8(12) >> 4) * 4
            return bytes >= 20 && reaches(bytes) ? bytes : nil
        case 17:
            guard has(8) else { return nil }
            // A first fragment's datagram is longer than the fragment.
            let length = Int(u16(4))
            return length >= 8 && (packet.fragment == .first || reaches(length)) ? 8 : nil
        // The rest is not read, so that a capture may have cut it.
        case 132: return has(8) && reaches(12) ? 12 : nil
        case 1 where packet.family == .v4, 58 where packet.family == .v6: return has(8) ? 8 : nil
        default: return 0
        }
    }

    /// Each segment of a super-packet repeats the headers.
    private mutating func countWireBytes() {
        packet.wireBytes = packet.length + (packet.segments - 1) * headerEnd
    }

    // MARK: Quotations

    /// Reads what an ICMP error quotes: addresses, protocol, and ports or type and identifier. nil where it cannot be
    /// read, or quotes a later fragment.
    ///
    /// - Parameter packet: What ``parse(_:frameLength:metadataVLAN:segments:)`` made of the frame.
    public static func quotation(in frame: [UInt8], of packet: Packet) -> Packet? {
        guard packet.isError else { return nil }
        var parser = PacketParser(frame: frame, frameLength: packet.end)
        parser.offset = packet.l4Offset + 8
        parser.packet.outerVLAN = packet.outerVLAN
        parser.packet.innerVLAN = packet.innerVLAN
        do {
            try parser.quotedHeader(packet.family)
        } catch {
            return nil
        }
        return parser.packet
    }

    private mutating func quotedHeader(_ family: AddressFamily?) throws(Refusal) {
        guard has(family == .v4 ? 20 : 40), u8(0) >> 4 == (family == .v4 ? 4 : 6) else { throw Refusal(.malformed) }
        if family == .v4 {
            guard u8(0) & 15 >= 5, u16(6) & 0x1fff == 0 else { throw Refusal(.fragment) }
            packet.source = IPAddress(v4: UInt32(number(12, bytes: 4)))
            packet.destination = IPAddress(v4: UInt32(number(16, bytes: 4)))
            packet.ipProtocol = u8(9)
            offset += Int(u8(0) & 15) * 4
            try walkExtensions([51])
        } else {
            packet.source = IPAddress(v6: number(8, bytes: 16))
            packet.destination = IPAddress(v6: number(24, bytes: 16))
            packet.ipProtocol = u8(6)
            offset += 40
            try walkExtensions([0, 43, 44, 51, 60])
        }
        guard packet.fragment != .later else { throw Refusal(.fragment) }
        let isICMP = packet.ipProtocol == (family == .v4 ? 1 : 58)
        guard isICMP || [6, 17, 132].contains(packet.ipProtocol) else { return }
        guard has(8) else { throw Refusal(.malformed) }
        packet.hasL4 = true
        if isICMP {
            packet.type = u8(0)
            packet.code = u8(1)
            packet.echo = u16(4)
            packet.records = u16(6)
        } else {
            packet.sourcePort = u16(0)
            packet.destinationPort = u16(2)
        }
    }
}
