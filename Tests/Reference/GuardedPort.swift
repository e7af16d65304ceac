// SPDX-License-Identifier: Apache-2.0
import Network
import Policy
import Wire

/// The guards of a port and whom they let pass: what the kernel's programs must agree with.
struct GuardedPort {
    var protects: Protects
    var guards: Set<Guard>
    /// Whether a MAC address, and an address, is bound.
    var hasMACs: Bool
    var hasAddresses: Bool
    /// Whether the port may claim it; at a host's port, whether a guest may.
    var isBoundMAC: (MACAddress) -> Bool
    var isBound: (IPAddress) -> Bool

    /// Why the guards refuse a packet; nil where they do not.
    ///
    /// - Parameter claim: Of the packet, see ``Packet/claim(in:)``.
    func refusal(of packet: Packet, claim: Claim?, _ direction: Direction) -> Reason? {
        if guards.isEmpty { return nil }
        if protects == .host {
            return direction == .in && packet.source.map(isBound) ?? false ? .guardIP : nil
        }
        if direction == .in {
            let isForMany = packet.destinationMAC.isGroup
            if guards.contains(.promiscuous), !isForMany, !isBoundMAC(packet.destinationMAC) {
                return .guardPromiscuous
            }
            return guards.contains(.destination) && !isForGuest(packet) ? .guardDestination : nil
        }
        if guards.contains(.mac), !isBoundMAC(packet.sourceMAC) { return .guardMAC }
        if guards.contains(.ip), !isHonestSource(of: packet) { return .guardIP }
        if guards.contains(.dhcpServer), packet.isOfDHCPServer { return .guardDHCP }
        if guards.contains(.ra), packet.isOfRouter { return .guardRA }
        if packet.isARP { return guards.contains(.arp) && !isHonest(claim) ? .guardARP : nil }
        return packet.isDiscovery && guards.contains(.nd) && !isHonest(claim) ? .guardND : nil
    }

    private func isHonestSource(of packet: Packet) -> Bool {
        guard let source = packet.source else { return true }
        return packet.isUnspecified ? packet.mayBeUnspecified : isBound(source)
    }

    /// Whether it is for an address of the port, for a group, or for all. What is not IP is for no address.
    private func isForGuest(_ packet: Packet) -> Bool {
        guard let destination = packet.destination else { return true }
        let first = destination.value >> UInt128(destination.family.bits - 8)
        let isGroup = destination.family == .v4 ? first >> 4 == 14 : first == 255
        return isGroup || destination == IPAddress(v4: 0xffff_ffff) || isBound(destination)
    }

    private func isHonest(_ claim: Claim?) -> Bool {
        guard let claim else { return false }
        if hasMACs, let mac = claim.mac, !isBoundMAC(mac) { return false }
        return !hasAddresses || claim.address.map(isBound) ?? true
    }
}

extension Packet {
    /// Whether it says what only someone without an address may.
    fileprivate var mayBeUnspecified: Bool {
        family == .v4 ? isGroupMessage || isDHCPRequest : isNeighbourMessage && ![134, 136, 137].contains(type)
    }

    fileprivate var isOfDHCPServer: Bool {
        ipProtocol == 17 && family != nil
            && ([67, 547].contains(sourcePort) || [68, 546].contains(destinationPort))
    }

    /// Router advertisements and redirects; and what switches take for a multicast router's: queries, router
    /// advertisements of RFC 4286, DVMRP, PIM.
    fileprivate var isOfRouter: Bool {
        switch (family, ipProtocol) {
        case (nil, _): false
        case (_, 103): true
        case (.v4, 2): [0x11, 0x13, 0x30].contains(type)
        case (.v4, 1): isICMP && [5, 9].contains(type)
        case (.v6, 58): isICMP && [130, 134, 137, 151].contains(type)
        default: false
        }
    }
}
