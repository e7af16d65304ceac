// SPDX-License-Identifier: Apache-2.0
import Network

/// A check on what a guest, or the network, claims to be.
public enum Guard: String, Sendable, Hashable, CaseIterable {
    /// The source MAC address is one of the port's.
    case mac
    /// The source address is one of the port's. On a host port: the source address is not a guest's.
    case ip
    /// ARP speaks of the port's own addresses only.
    case arp
    /// Neighbour discovery speaks of the port's own addresses only.
    case nd
    case dhcpServer = "dhcp-server"
    /// No router advertisement, redirect or multicast query.
    case ra
    /// A frame to the guest has its MAC address, or a group address, as destination.
    case promiscuous
    /// A packet to the guest has one of its addresses, a group or broadcast as destination.
    case destination
}

/// The value of `guard` in a policy.
public enum GuardChoice: Sendable, Hashable {
    /// Every guard that has something to compare with, but ``Guard/destination``.
    case strict
    case off
    case list(Set<Guard>)
}

extension Set<Guard> {
    /// The guards' names in the policy language, in a fixed order.
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
