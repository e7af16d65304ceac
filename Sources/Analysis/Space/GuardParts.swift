// SPDX-License-Identifier: Apache-2.0
import Network
import Policy
import Wire

/// What ports refuse before the rules are asked: tags that they do not admit, and claims that a guard does not let
/// pass. MAC addresses are taken as right, and link essentials are left to themselves: they open no connection.
struct GuardParts {
    private(set) var parts: [DecisionPart] = []
    private let universe: Universe

    /// What the guards ask about, to be told apart by a universe.
    static let services: [[Service]] = [dhcpServer, router, discovery, dhcpRequest, groupMessage, listeners]
    static let sets: [AddressSet] = [
        WellKnown.unspecified, WellKnown.broadcast, WellKnown.multicast, linkMulticast,
    ]

    private static let linkMulticast = AddressSet(
        (0..<16).map { Prefix(IPAddress(v6: UInt128(0xff02 + $0 << 4) << 112), length: 16) })
    private static let all: [ClosedRange<UInt16>] = [0...UInt16.max]
    private static let dhcpServer: [Service] =
        [67, 547].map { .ports(protocol: 17, destination: all, source: [$0...$0]) }
        + [68, 546].map { .ports(protocol: 17, destination: [$0...$0], source: all) }
    private static let router: [Service] =
        [.protocol(103), .icmp(.v4, type: 5, code: nil), .icmp(.v4, type: 9, code: nil)]
        + [130, 134, 137, 151].map { .icmp(.v6, type: $0, code: nil) }
    private static let discovery: [Service] = (133...137).map { .icmp(.v6, type: $0, code: nil) }
    private static let dhcpRequest: [Service] = [.ports(protocol: 17, destination: [67...67], source: [68...68])]
    private static let groupMessage: [Service] = [.protocol(2)]
    private static let listeners: [Service] =
        [130, 131, 132, 133, 135, 143].map { .icmp(.v6, type: $0, code: nil) }

    init(_ ruleset: Ruleset, _ universe: Universe, _ policy: Int, _ choice: DecisionOptions.Guards) {
        self.universe = universe
        for (number, station) in universe.stations.stations.enumerated() {
            guard let first = station.entries[policy].first else { continue }
            let entry = ruleset.entries[first]
            let protects = station.protects[policy]
            addAdmission(entry.vlanAdmission(protects), number)
            let guards = entry.guards(protects)
            if protects == .host {
                if choice == .all, guards.contains(.ip) {
                    refuse(source: ruleset.guestAddresses, .in, number, .guardIP)
                }
                continue
            }
            if choice == .all, guards.contains(.ip) { addAddressGuard(entry.claimedAddresses, number) }
            if choice == .all, guards.contains(.destination) { addDestinationGuard(entry.claimedAddresses, number) }
            if guards.contains(.dhcpServer) { refuse(service: GuardParts.dhcpServer, number, .guardDHCP) }
            if guards.contains(.ra) {
                refuse(service: GuardParts.router, number, .guardRA)
                refuse(service: GuardParts.groupMessage, number, .guardRA, isSure: false)
            }
            if guards.contains(.nd) { refuse(service: GuardParts.discovery, number, .guardND, isSure: false) }
        }
    }

    private mutating func add(_ box: Box, _ reason: Reason, isSure: Bool = true) {
        if box.isEmpty { return }
        parts.append(
            DecisionPart(
                box: box, cause: .guarded(reason), action: .drop, isSure: isSure,
                needs: isSure ? [] : [Need(condition: .fault(reason))]))
    }

    private func crossing(_ direction: Direction, _ station: Int) -> ClassSet {
        universe.crossings.classes([direction], at: [station], tags: ClassSet(below: universe.crossings.tags.count))
    }

    private mutating func addAdmission(_ admission: VLANAdmission, _ station: Int) {
        let all = ClassSet(below: universe.crossings.tags.count)
        let refused = all.subtracting(universe.crossings.admitted(admission))
        var box = universe.all
        box.crossing = universe.crossings.classes([.in, .out], at: [station], tags: refused)
        add(box, .vlan)
    }

    private mutating func refuse(source: AddressSet, _ direction: Direction, _ station: Int, _ reason: Reason) {
        guard universe.family != nil else { return }
        var box = universe.all
        box.source = universe.sources(source)
        box.crossing = crossing(direction, station)
        add(box, reason)
    }

    private mutating func refuse(service: [Service], _ station: Int, _ reason: Reason, isSure: Bool = true) {
        guard universe.family != nil else { return }
        var box = universe.all
        box.service = universe.services.classes(of: service)
        box.crossing = crossing(.out, station)
        add(box, reason, isSure: isSure)
    }

    /// What goes to the guest is for its addresses, or for many.
    private mutating func addDestinationGuard(_ claimed: AddressSet, _ station: Int) {
        guard universe.family != nil else { return }
        let many = WellKnown.multicast.union(WellKnown.broadcast)
        var box = universe.all
        box.destination = universe.destinations(AddressSet.all.subtracting(claimed.union(many)))
        box.crossing = crossing(.in, station)
        add(box, .guardDestination)
    }

    /// The source is the port's. The unspecified address is for who has none yet, and only for some of what those say:
    /// their hop limits decide, which nobody else looks at.
    private mutating func addAddressGuard(_ claimed: AddressSet, _ station: Int) {
        guard let family = universe.family else { return }
        refuse(
            source: AddressSet.all.subtracting(claimed.union(WellKnown.unspecified)), .out, station, .guardIP)
        let spoken: [(to: AddressSet, services: [Service], isSure: Bool)] =
            family == .v4
            ? [
                (WellKnown.broadcast, GuardParts.dhcpRequest, true),
                (WellKnown.multicast, GuardParts.groupMessage, false),
            ] : [(GuardParts.linkMulticast, GuardParts.listeners, false)]
        var box = universe.all
        box.source = universe.sources(WellKnown.unspecified)
        box.crossing = crossing(.out, station)
        var others = box
        for (to, services, isSure) in spoken {
            var part = box
            part.destination = universe.destinations(to)
            others.destination = others.destination.subtracting(part.destination)
            let allowed = universe.services.classes(of: services)
            part.service = box.service.subtracting(allowed)
            add(part, .guardIP)
            part.service = allowed
            if !isSure { add(part, .guardIP, isSure: false) }
        }
        add(others, .guardIP)
    }
}
