import Network
import Policy

extension Packet {
    /// A frame to 01:80:c2:00:00:00-0f: link control (STP, LACP, LLDP) that ends at the next bridge.
    var isControl: Bool { destinationMAC.value >> 4 == 0x0180_c200_0000 >> 4 }

    /// What no network works without: ARP, neighbour discovery, multicast membership, DHCP. Their hop limits prove that
    /// no router forwarded them.
    var isEssential: Bool {
        guard let family else { return isARP }
        switch (family, ipProtocol) {
        case (.v4, 2): return true
        case (.v4, 17): return hasL4 && isPortPair(68, 67)
        case (.v6, 17): return hasL4 && isPortPair(546, 547)
        case (.v6, 58): return isNeighbourDiscovery || isListenerDiscovery
        default: return false
        }
    }

    private func isPortPair(_ first: UInt16, _ second: UInt16) -> Bool {
        (sourcePort, destinationPort) == (first, second) || (sourcePort, destinationPort) == (second, first)
    }

    private var isNeighbourDiscovery: Bool {
        hasL4 && fragment == .whole && (133...137).contains(type) && hopLimit == 255
    }

    private var isListenerDiscovery: Bool {
        hasL4 && fragment == .whole && [130, 131, 132, 143].contains(type) && hopLimit == 1
    }

    /// Whether a port of this VLAN admission lets the packet's tags pass.
    func isAdmitted(by vlans: VLANAdmission) -> Bool {
        switch vlans {
        case .none: vlanTags < 2 && outerVLAN == 0
        case .list(let tags): vlanTags < 2 && tags.contains(outerVLAN)
        case .any: true
        }
    }
}
