// SPDX-License-Identifier: Apache-2.0
import Network
import Policy
import Wire

extension Packet {
    /// A frame to 01:80:c2:00:00:00-0f: link control (STP, LACP, LLDP) that ends at the next bridge. IP and ARP are
    /// none, nor is what travels within other frames.
    var isControl: Bool {
        destinationMAC.value >> 4 == 0x0180_c200_0000 >> 4 && family == nil && !isARP
            && !Self.carriers.contains(etherType) && length <= 1500 + 14 + 2 * 4
    }

    /// What Linux takes other packets out of: PPPoE (both of its types), MPLS, MACsec, HSR, PRP, B.A.T.M.A.N., NSH.
    private static let carriers: Set<UInt16> = [
        0x8863, 0x8864, 0x8847, 0x8848, 0x88e5, 0x892f, 0x88fb, 0x4305, 0x894f,
    ]

    /// What no network works without: ARP, neighbour discovery, multicast membership, DHCP, within the link and no
    /// longer than they need be. Their hop limits prove that no router forwarded them.
    ///
    /// - Parameters:
    ///   - isSent: Whether a workload sends it. A router forwards what is for a global address, so such neighbour
    ///     discovery is essential only as probes and answers of neighbours, with nothing but a link-layer address.
    ///   - isOfPort: Whether an address is the port's, or may be, for none is bound.
    func isEssential(isSent: Bool, isOfPort: (IPAddress) -> Bool) -> Bool {
        // Padded to the least frame, with two tags.
        if isARP { return length <= 60 + 2 * 4 }
        guard fragment == .whole, let most = longestMessage(isOfPort) else { return false }
        if isSent, isNeighbourMessage, (133...137).contains(type), mayLeaveLink {
            // 24 bytes, an option of eight, and no header before them.
            return [135, 136].contains(type) && isWithin(40 + 24 + 8)
        }
        // Before the message a router alert, or one IPv6 header of eight bytes.
        return isWithin(min(1500, most + (family == .v4 ? 20 + 4 : 40 + 8)))
    }

    /// Whether neither the datagram nor what pads its frame is longer.
    private func isWithin(_ datagram: Int) -> Bool {
        end - l3Offset <= datagram && (length == end || length <= 60 + 2 * 4)
    }

    private func longestMessage(_ isOfPort: (IPAddress) -> Bool) -> Int? {
        if isDHCPRequest { return 8 + 548 }
        if isDHCPAnswer(isOfPort) { return 1500 - 20 }
        if isGroupMessage { return longestGroupMessage }
        return isNeighbourMessage ? longestNeighbourMessage : nil
    }

    // MARK: DHCP

    private func isUDP(from source: UInt16, to destination: UInt16) -> Bool {
        hasL4 && ipProtocol == 17 && (sourcePort, destinationPort) == (source, destination) && !isMisplacedUnspecified
    }

    /// A client's, to whoever serves the link.
    var isDHCPRequest: Bool {
        family == .v4 ? isUDP(from: 68, to: 67) && isToBroadcast : isUDP(from: 546, to: 547) && isToLinkMulticast
    }

    private func isDHCPAnswer(_ isOfPort: (IPAddress) -> Bool) -> Bool {
        guard let destination else { return false }
        return family == .v4
            ? isUDP(from: 67, to: 68) && (isToBroadcast || isOfPort(destination))
            : isUDP(from: 547, to: 546) && destination.value >> 118 == 0xfe80 >> 6
    }

    private var isToBroadcast: Bool { destination == IPAddress(v4: .max) }

    /// Multicast of IPv6 within the link, whatever its flags (RFC 4291, 2.7).
    private var isToLinkMulticast: Bool {
        guard family == .v6, let destination else { return false }
        return destination.value >> 120 == 0xff && destination.value >> 112 & 0xf == 2
    }

    /// Whether a router would send it on: its destination has a meaning beyond the link.
    private var mayLeaveLink: Bool {
        guard let destination else { return false }
        return !isToLinkMulticast && destination.value >> 118 != 0xfe80 >> 6
    }

    /// Who has no address speaks to the link alone.
    private var isMisplacedUnspecified: Bool { family == .v6 && isUnspecified && !isToLinkMulticast }

    // MARK: Group membership

    var isGroupMessage: Bool {
        guard family == .v4, ipProtocol == 2, hopLimit == 1, let destination else { return false }
        return (224...239).contains(destination.value >> 24)
    }

    /// RFC 3376, 4: a query has twelve bytes and sources, a report eight and records of eight bytes and sources each.
    /// Versions 1 and 2: eight bytes.
    private var longestGroupMessage: Int {
        switch type {
        case 0x11: 12 + 32 * 4
        case 0x22: longestReport(record: 8, source: 4) ?? 8
        default: 8
        }
    }

    /// nil where it has no records, or cannot hold those that it says it has.
    private func longestReport(record: Int, source: Int) -> Int? {
        let least = 8 + Int(records) * record
        return records == 0 || end - l4Offset < least ? nil : least + Int(records) * 64 * source
    }

    // MARK: Neighbours and listeners

    var isNeighbourMessage: Bool {
        guard family == .v6, isICMP, fragment == .whole, !isMisplacedUnspecified else { return false }
        return (133...137).contains(type) && hopLimit == 255 || [130, 131, 132, 143].contains(type) && hopLimit == 1
    }

    /// RFC 4861, 3810 and 2710.
    private var longestNeighbourMessage: Int {
        switch type {
        case 134: 576
        // What it quotes fills it up to the least MTU of IPv6.
        case 137: 1280 - 40
        case 130: 28 + 32 * 16
        case 131, 132: 24
        case 143: longestReport(record: 20, source: 16) ?? 24
        default: 128
        }
    }

    // MARK: Tags

    /// Whether a port of this VLAN admission lets the packet's tags pass.
    func isAdmitted(by vlans: VLANAdmission) -> Bool {
        switch vlans {
        case .none: !hasInnerTag && outerVLAN == 0
        case .list(let tags): !hasInnerTag && tags.contains(outerVLAN)
        case .any: true
        }
    }
}
