import Network
import Policy

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
            return guards.contains(.promiscuous) && !isForMany && !isBoundMAC(packet.destinationMAC)
                ? .guardPromiscuous : nil
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

    private func isHonest(_ claim: Claim?) -> Bool {
        guard let claim else { return false }
        if hasMACs, let mac = claim.mac, !isBoundMAC(mac) { return false }
        return !hasAddresses || claim.address.map(isBound) ?? true
    }
}

extension Packet {
    /// Whether it says what only someone without an address may.
    fileprivate var mayBeUnspecified: Bool {
        if family == .v4 {
            return ipProtocol == 2 || ipProtocol == 17 && (sourcePort, destinationPort) == (68, 67)
        }
        return isEssential && ipProtocol == 58 && ![134, 136, 137].contains(type)
    }

    fileprivate var isOfDHCPServer: Bool { ipProtocol == 17 && family != nil && [67, 547].contains(sourcePort) }

    fileprivate var isOfRouter: Bool {
        isICMP && (family == .v4 ? [5, 9] : [134, 137]).contains(type)
    }
}
