// SPDX-License-Identifier: Apache-2.0
import Network

/// What a port holds a guest to, or the network.
public enum Guard: String, Sendable, Hashable, CaseIterable {
    /// The source MAC address is the port's.
    case mac
    /// The source address is the port's; at a host's port none of a guest's.
    case ip
    /// ARP tells of the port alone.
    case arp
    /// Neighbour discovery tells of the port alone.
    case nd
    case dhcpServer = "dhcp-server"
    /// No router advertisement, redirect or multicast query.
    case ra
    /// What goes to the guest is for it, or for many.
    case promiscuous
}

/// The guards that a policy asks for.
public enum GuardChoice: Sendable, Hashable {
    /// Every guard whose datum is bound.
    case strict
    case off
    case list(Set<Guard>)
}

extension Set<Guard> {
    /// In the words of the policy language, in its order.
    public var words: [String] { Guard.allCases.filter(contains).map(\.rawValue) }
}

extension GuardChoice: CustomStringConvertible {
    public var description: String {
        switch self {
        case .strict: "strict"
        case .off: "off"
        case .list(let list): list.words.joined(separator: ",")
        }
    }
}
