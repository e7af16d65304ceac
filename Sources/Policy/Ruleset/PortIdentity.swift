// SPDX-License-Identifier: Apache-2.0
import Network

extension PortEntry {
    /// All MAC addresses that the port may claim.
    public var claimedMACs: [MACAddress] { macs + sharedMACs }

    /// Whether it is known which addresses are the port's, shared with others or not; there may be none.
    public var claimsAddresses: Bool { hasNoAddresses || !addresses.isEmpty || !sharedAddresses.isEmpty }

    /// Binds what the inventory knows of a workload's device, where the policy binds nothing itself.
    mutating func bind(_ guest: WorkloadPort) {
        if macs.isEmpty, let mac = guest.mac { macs = [mac] }
        guard !claimsWrittenAddresses, let known = guest.addresses else { return }
        addresses = known
        hasNoAddresses = known.isEmpty
    }

    /// What it puts into the groups that it is in.
    var memberAddresses: [Prefix] {
        guard addresses.isEmpty else { return addresses }
        return guests.filter { $0.refusal == nil }.flatMap { $0.addresses ?? [] }
    }

    private var claimsWrittenAddresses: Bool { hasNoAddresses || !addresses.isEmpty }

    public var hasIdentity: Bool { !claimedMACs.isEmpty || claimsAddresses }

    /// All addresses that the port may claim: those bound, and in IPv6 its MAC addresses' link-local ones unless it
    /// has others, or may have none.
    public var claimedAddresses: AddressSet {
        let bound = AddressSet(addresses + sharedAddresses)
        if hasNoAddresses || addresses.contains(where: { $0.family == .v6 && $0.isLinkLocal }) { return bound }
        return bound.union(AddressSet(claimedMACs.map { Prefix($0.linkLocal) }))
    }

    /// The guards in force at a port of this entry.
    public func guards(_ protects: Protects) -> Set<Guard> {
        let wanted: Set<Guard>
        switch guards ?? (protects == .host ? .off : .strict) {
        case .off: return []
        case .list(let list): wanted = list
        case .strict: wanted = Set(Guard.allCases).subtracting([.destination])
        }
        return wanted.filter { isPossible($0, protects) }
    }

    /// Whether what the guard compares with is bound; of a host's there is only `ip`, whose datum is the guests'.
    func isPossible(_ guardian: Guard, _ protects: Protects) -> Bool {
        if protects == .host { return guardian == .ip }
        return switch guardian {
        case .mac, .promiscuous: !claimedMACs.isEmpty
        case .ip, .destination: claimsAddresses
        case .arp, .nd: hasIdentity
        case .dhcpServer, .ra: true
        }
    }
}

extension Ruleset {
    /// What is bound to a guest of this host, and to no other: nothing from the network may come with it.
    public var guestAddresses: AddressSet {
        AddressSet(entries.filter { $0.protects != .host }.flatMap(\.addresses)).subtracting(WellKnown.linkLocal)
    }
}

extension Prefix {
    /// Whether all of it is link-local.
    var isLinkLocal: Bool { AddressSet([self]).subtracting(WellKnown.linkLocal).isEmpty }
}
