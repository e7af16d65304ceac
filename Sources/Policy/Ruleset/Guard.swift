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
}

/// The value of `guard` in a policy.
public enum GuardChoice: Sendable, Hashable {
    /// Every guard that has something to compare with.
    case strict
    case off
    case list(Set<Guard>)
}

extension PortEntry {
    /// The MAC addresses that the port may claim, shared ones included.
    public var claimedMACs: [MACAddress] { macs + sharedMACs }

    /// Whether the policy says which addresses the port may claim, even if it may claim none.
    public var claimsAddresses: Bool { hasNoAddresses || !addresses.isEmpty || !sharedAddresses.isEmpty }

    public var hasIdentity: Bool { !claimedMACs.isEmpty || claimsAddresses }

    /// The addresses that the port may claim, shared ones included. In IPv6 also the link-local addresses of its MAC
    /// addresses, unless other link-local addresses are listed or the port may have no addresses.
    public var claimedAddresses: AddressSet {
        let bound = AddressSet(addresses + sharedAddresses)
        if hasNoAddresses || addresses.contains(where: { $0.family == .v6 && $0.isLinkLocal }) { return bound }
        return bound.union(AddressSet(claimedMACs.map { Prefix($0.linkLocal) }))
    }

    /// The guards in force on a port of this entry.
    public func guards(_ protects: Protects) -> Set<Guard> {
        let wanted: Set<Guard>
        switch guards ?? (protects == .host ? .off : .strict) {
        case .off: return []
        case .list(let list): wanted = list
        case .strict: wanted = Set(Guard.allCases)
        }
        return wanted.filter { isPossible($0, protects) }
    }

    /// Whether the guard has something to compare with. A host port can have only `ip`, which compares with the guests'
    /// addresses.
    func isPossible(_ guardian: Guard, _ protects: Protects) -> Bool {
        if protects == .host { return guardian == .ip }
        return switch guardian {
        case .mac, .promiscuous: !claimedMACs.isEmpty
        case .ip: claimsAddresses
        case .arp, .nd: hasIdentity
        case .dhcpServer, .ra: true
        }
    }
}

extension Ruleset {
    /// The addresses bound to guests of this host and shared with no other: the network must not send from them.
    public var guestAddresses: AddressSet {
        AddressSet(entries.filter { $0.protects != .host }.flatMap(\.addresses)).subtracting(WellKnown.linkLocal)
    }
}

extension Prefix {
    /// Whether every address of the prefix is link-local.
    var isLinkLocal: Bool { AddressSet([self]).subtracting(WellKnown.linkLocal).isEmpty }
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
