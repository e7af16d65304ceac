// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import Network

/// What the datapath knows of a frame: `struct bh_packet`, in Swift's words.
public struct Packet: Sendable, Hashable {
    public enum Fragment: Sendable, Hashable {
        /// Not a fragment.
        case whole
        case first
        case later
    }

    /// nil where the frame is not IP, and in ``destination`` alike.
    public var source: IPAddress?
    public var destination: IPAddress?
    public var fragment = Fragment.whole
    /// Of a fragment, as are the next three: which datagram it is of.
    public var identification: UInt32 = 0
    /// Where its data stands in the datagram, and how much it is; in bytes.
    public var fragmentOffset = 0
    public var fragmentLength = 0
    /// IPv4: the protocol that the header itself names; else 0.
    public var fragmentProtocol: UInt8 = 0
    /// Whether others follow behind it.
    public var hasMoreFragments = false
    /// Whether ports, or type and code, were read.
    public var hasL4 = false
    /// ARP or RARP, whole.
    public var isARP = false
    /// Bytes of the frame on the wire; of a super-packet before it is cut into segments.
    public var length = 0
    /// Wire packets, at least 1.
    public var segments = 1
    /// Bytes of all segments' frames together.
    public var wireBytes = 0
    /// Of the first tag that is not 0; 0 where there is none.
    public var outerVLAN: UInt16 = 0
    /// Of the tag behind it.
    public var innerVLAN: UInt16 = 0
    /// 0, 1 or 2, tags of VLAN 0 among them.
    public var vlanTags = 0
    /// Whether a tag stands behind the outer one.
    public var hasInnerTag = false
    /// The numbers of the headers between IP and L4 that were walked.
    public var headers: Set<UInt8> = []
    /// The IP protocol after extension headers.
    public var ipProtocol: UInt8 = 0
    /// After the tags; 0 for LLC.
    public var etherType: UInt16 = 0
    /// TCP, UDP, SCTP.
    public var sourcePort: UInt16 = 0
    public var destinationPort: UInt16 = 0
    /// ICMP, ICMPv6; IGMP, of eight bytes at least.
    public var type: UInt8 = 0
    public var code: UInt8 = 0
    /// FIN 1, SYN 2, RST 4, PSH 8, ACK 16, URG 32, ECE 64, CWR 128.
    public var tcpFlags: UInt8 = 0
    /// TCP.
    public var sequence: UInt32 = 0
    public var acknowledgement: UInt32 = 0
    /// TCP: as it stands in the header, unscaled.
    public var window: UInt16 = 0
    /// TCP: bytes behind the header.
    public var payload = 0
    /// Where the datagram ends, trailing padding left out, from the frame's start; 0 where it is not IP.
    public var end = 0
    /// Identifier of an ICMP echo request or reply.
    public var echo: UInt16 = 0
    /// The two bytes behind it: how many records an IGMP or MLD report says it has.
    public var records: UInt16 = 0
    /// Or time to live.
    public var hopLimit: UInt8 = 0
    /// From the frame's start.
    public var l3Offset = 0
    public var l4Offset = 0
    public var sourceMAC = MACAddress(0)
    public var destinationMAC = MACAddress(0)
    /// Why the parser refused the frame; what it had read until then is set.
    public var refusal: Reason?

    public init() {}

    public var family: AddressFamily? { destination?.family }

    /// Whether it is ICMP over IPv4 or ICMPv6 over IPv6, with type and code read.
    package var isICMP: Bool {
        hasL4 && (family == .v4 && ipProtocol == 1 || family == .v6 && ipProtocol == 58)
    }
}

extension Packet {
    /// Reads the kernel's record, as an event carries it.
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
