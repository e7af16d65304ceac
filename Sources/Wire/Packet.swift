// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import Network

/// What the datapath knows of a frame: `struct bh_packet` in Swift. Numbers are in host byte order.
public struct Packet: Sendable, Hashable {
    public enum Fragment: Sendable, Hashable {
        /// Not a fragment.
        case whole
        case first
        case later
    }

    /// nil if the frame is not IP, as is ``destination``.
    public var source: IPAddress?
    public var destination: IPAddress?
    public var fragment = Fragment.whole
    /// The identification of a fragment's datagram. This and the next three properties are set for fragments only.
    public var identification: UInt32 = 0
    /// The offset and the length of the fragment's data, in bytes of the datagram.
    public var fragmentOffset = 0
    public var fragmentLength = 0
    /// IPv4: the protocol that the header itself names; else 0.
    public var fragmentProtocol: UInt8 = 0
    /// Whether more fragments follow.
    public var hasMoreFragments = false
    /// Whether ports, or type and code, were read.
    public var hasL4 = false
    /// Whether the frame is a complete ARP or RARP message.
    public var isARP = false
    /// Bytes of the frame; of a segmentation-offload packet before it is split into segments.
    public var length = 0
    /// The number of packets on the wire, at least 1.
    public var segments = 1
    /// Bytes of the frames of all segments together.
    public var wireBytes = 0
    /// The first VLAN tag that is not 0; 0 if there is none.
    public var outerVLAN: UInt16 = 0
    /// The tag after it.
    public var innerVLAN: UInt16 = 0
    /// The number of tags, 0 to 2, tags of VLAN 0 included.
    public var vlanTags = 0
    /// Whether a tag follows the outer one.
    public var hasInnerTag = false
    /// The protocol numbers of the headers between IP and L4 that were walked.
    public var headers: Set<UInt8> = []
    /// The IP protocol after the extension headers.
    public var ipProtocol: UInt8 = 0
    /// The EtherType after the tags; 0 for LLC.
    public var etherType: UInt16 = 0
    /// Ports of TCP, UDP and SCTP.
    public var sourcePort: UInt16 = 0
    public var destinationPort: UInt16 = 0
    /// Type and code of ICMP, ICMPv6, and IGMP of at least eight bytes.
    public var type: UInt8 = 0
    public var code: UInt8 = 0
    /// FIN 1, SYN 2, RST 4, PSH 8, ACK 16, URG 32, ECE 64, CWR 128.
    public var tcpFlags: UInt8 = 0
    /// Numbers of TCP.
    public var sequence: UInt32 = 0
    public var acknowledgement: UInt32 = 0
    /// TCP: the window as in the header, unscaled.
    public var window: UInt16 = 0
    /// TCP: bytes after the header.
    public var payload = 0
    /// The end of the datagram without trailing padding, in bytes from the frame's start; 0 if the frame is not IP.
    public var end = 0
    /// Identifier of an ICMP echo request or reply.
    public var echo: UInt16 = 0
    /// The two bytes after ``echo``: the number of records in an IGMP or MLD report.
    public var records: UInt16 = 0
    /// The hop limit, or IPv4's time to live.
    public var hopLimit: UInt8 = 0
    /// Bytes from the frame's start.
    public var l3Offset = 0
    public var l4Offset = 0
    public var sourceMAC = MACAddress(0)
    public var destinationMAC = MACAddress(0)
    /// Why the parser refused the frame; nil if it did not. What was read before that is set.
    public var refusal: Reason?

    public init() {}

    public var family: AddressFamily? { destination?.family }

    /// Whether the packet is ICMP over IPv4 or ICMPv6 over IPv6, with type and code read.
    package var isICMP: Bool {
        hasL4 && (family == .v4 && ipProtocol == 1 || family == .v6 && ipProtocol == 58)
    }
}

extension Packet {
    /// Reads the kernel's record, as in an event.
    public init(_ raw: bh_packet) {
        self.init()
        func has(_ flag: bh_packet_flag) -> Bool { raw.flags & flag.rawValue != 0 }
        if has(BH_PACKET_IPV4) {
            source = IPAddress(v4: UInt32(truncatingIfNeeded: raw.source_low))
            destination = IPAddress(v4: UInt32(truncatingIfNeeded: raw.destination_low))
        } else if has(BH_PACKET_IPV6) {
            source = IPAddress(v6: UInt128(raw.source_high) << 64 | UInt128(raw.source_low))
            destination = IPAddress(v6: UInt128(raw.destination_high) << 64 | UInt128(raw.destination_low))
        }
        fragment = has(BH_PACKET_FRAGMENT_LATER) ? .later : has(BH_PACKET_FRAGMENT_FIRST) ? .first : .whole
        identification = raw.identification
        fragmentOffset = Int(raw.fragment_offset)
        fragmentLength = Int(raw.fragment_length)
        fragmentProtocol = raw.fragment_protocol
        hasMoreFragments = has(BH_PACKET_FRAGMENT_MORE)
        hasL4 = has(BH_PACKET_L4)
        isARP = has(BH_PACKET_ARP)
        length = Int(raw.length)
        segments = Int(raw.segments)
        wireBytes = Int(raw.wire_bytes)
        outerVLAN = raw.outer_vlan
        innerVLAN = raw.inner_vlan
        vlanTags = Int(raw.vlan_tags)
        hasInnerTag = has(BH_PACKET_INNER_TAG)
        headers = WalkedHeaders.numbers(flags: raw.flags)
        ipProtocol = raw.protocol
        etherType = raw.ethertype
        sourcePort = raw.source_port
        destinationPort = raw.destination_port
        type = raw.type
        code = raw.code
        tcpFlags = raw.tcp_flags
        sequence = raw.sequence
        acknowledgement = raw.acknowledgement
        window = raw.window
        payload = Int(raw.payload)
        end = Int(raw.end)
        echo = raw.echo
        records = raw.records
        hopLimit = raw.hop_limit
        l3Offset = Int(raw.l3_offset)
        l4Offset = Int(raw.l4_offset)
        sourceMAC = Packet.mac(raw.source_mac)
        destinationMAC = Packet.mac(raw.destination_mac)
        refusal = Reason(UInt32(raw.refusal))
    }

    private static func mac(_ bytes: (UInt8, UInt8, UInt8, UInt8, UInt8, UInt8)) -> MACAddress {
        let (a, b, c, d, e, f) = bytes
        return MACAddress([a, b, c, d, e, f].reduce(0) { $0 << 8 | UInt64($1) })
    }
}
