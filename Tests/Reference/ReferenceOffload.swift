// SPDX-License-Identifier: Apache-2.0
import Network
import Wire

/// What a sender leaves to the kernel: a checksum that is yet to be written, segments that are yet to be cut.
///
/// Nothing that is judged may change after it was judged (policy.md, "Meaning" 9). So what the kernel writes must be
/// the checksum of the packet's own transport header, as the protocol's RFC places it, or lie where nothing is judged;
/// and each segment must have the headers of the whole.
public struct ReferenceOffload: Sendable, Hashable {
    /// What a super-packet is cut into.
    public enum Cut: Sendable, Hashable {
        case tcp(AddressFamily)
        /// One UDP datagram into IP fragments.
        case fragments
        /// Several UDP datagrams.
        case datagrams
    }

    /// Where in the frame the sum starts.
    public var start: Int?
    /// How far behind it the sum is written.
    public var offset: Int
    public var cut: Cut?
    /// Bytes of payload that each segment has.
    public var size: Int

    public init(start: Int?, offset: Int, cut: Cut?, size: Int) {
        self.start = start
        self.offset = offset
        self.cut = cut
        self.size = size
    }

    /// Whether a packet is judged as what it will be.
    public func isHonest(_ packet: Packet, quoting quotation: Packet?) -> Bool {
        if let start, !writesChecksum(of: packet, quoting: quotation, from: start) { return false }
        return cut.map { leavesHeaders(of: packet, $0) } ?? true
    }

    private func writesChecksum(of packet: Packet, quoting quotation: Packet?, from start: Int) -> Bool {
        guard start < packet.length else { return false }
        // Of a frame that is not IP, its ethertype is judged; of ARP, all of it.
        guard packet.family != nil else { return !packet.isARP && start >= packet.l3Offset }
        guard packet.fragment == .whole else { return false }
        if packet.isError {
            // A router may answer a datagram before its checksum was written. Ports are judged, the checksum is not.
            return quotation.map { $0.ipProtocol == 17 && $0.l4Offset == start && offset == 6 } ?? false
        }
        if start == packet.l4Offset { return Self.checksumPlaces[packet.ipProtocol] == offset }
        // What a tunnel carries is not judged. Of UDP, the kernel alone knows that it is one.
        return Self.tunnels.contains(packet.ipProtocol) && start >= packet.l4Offset + 8
    }

    private func leavesHeaders(of packet: Packet, _ cut: Cut) -> Bool {
        guard packet.family != nil else { return !packet.isARP }
        guard packet.fragment == .whole else { return false }
        // What is behind the datagram is cut up too, and would become its payload.
        guard packet.end == packet.length else { return false }
        switch (packet.ipProtocol, cut) {
        case (6, .tcp(let family)): return family == packet.family
        case (17, .datagrams): return true
        // Places of fragments are counted in eights.
        case (17, .fragments): return size > 0 && size % 8 == 0
        default: return false
        }
    }

    /// TCP (RFC 9293), UDP (RFC 768), SCTP (RFC 9260), GRE (RFC 2784).
    private static let checksumPlaces: [UInt8: Int] = [6: 16, 17: 6, 132: 8, 47: 4]

    /// IP in IP, IPv6 in IP, GRE, ESP, MPLS in IP.
    private static let tunnels: Set<UInt8> = [4, 41, 47, 50, 137]

    /// Where the kernel may write what it leaves to be written.
    ///
    /// - Returns: Whether a byte of the frame may differ after that.
    public func mayChange(_ place: Int, of packet: Packet) -> Bool {
        guard packet.family != nil else { return !packet.isARP && place >= packet.l3Offset }
        if packet.isError || Self.tunnels.contains(packet.ipProtocol), place >= packet.l4Offset + 8 { return true }
        guard let checksum = Self.checksumPlaces[packet.ipProtocol] else { return false }
        return (packet.l4Offset + checksum..<packet.l4Offset + checksum + 2).contains(place)
    }
}
