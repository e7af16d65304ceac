// SPDX-License-Identifier: Apache-2.0
import Host
import Network
import Policy

/// Where a packet comes into sight.
enum PathOrigin: Hashable {
    /// A namespace sends it.
    case sent(by: UInt64)
    /// It comes in by a device. Its sender is out of sight.
    case entering(DeviceID, vlan: UInt16?)
    /// A device's user sends it: that of a macvtap, for one.
    case sentThrough(DeviceID)

    var device: DeviceID? {
        switch self {
        case .sent: nil
        case .entering(let device, _), .sentThrough(let device): device
        }
    }
}

extension PathFinder {
    /// Every way from these origins, each once.
    func ways(from origins: [PathOrigin], vlan: UInt16? = nil) -> [Way] {
        let all = limited(origins) { origin in
            var trail = Trail()
            trail.vlan = vlan
            switch origin {
            case .sent(let namespace):
                return sent(by: namespace, trail)
            case .entering(let id, let tag):
                guard let device = network.device(id) else { return [] }
                return receive(device, trail.tagged(vlan ?? tag))
            case .sentThrough(let id):
                guard let device = network.device(id) else { return [] }
                return transmit(device, trail)
            }
        }
        var seen: Set<[Way.Step]> = []
        return (all + all.flatMap(returning)).prefix(PathFinder.limit).filter { seen.insert($0.steps).inserted }
    }
}

extension PathFinder {
    /// Whether the host has no address on a bridge, nor on a VLAN of it.
    func isOff(_ bridge: NetworkDevice, _ tables: NetworkTables) -> Bool {
        ([bridge] + tables.devices.values.filter { $0.lower == bridge.id }).allSatisfy { device in
            device.networks(packet.destination.family).isEmpty
        }
    }
}

/// Finds where packets between two ends come into sight.
struct PathEnds {
    let network: any NetworkView
    let route: Route
    /// The device of each port; nil: this host has none of that name.
    let devices: [DeviceID?]

    var stops: [Route.Stop] { route.stops }

    init(network: any NetworkView, route: Route) {
        self.network = network
        self.route = route
        devices = route.stops.map { stop in
            guard let namespace = network.inode(of: stop.port.namespace) else { return nil }
            return network.tables(namespace)?.devices.values.first { $0.name == stop.port.interface }?.id
        }
    }

    func finder(for packet: RoutedPacket) -> PathFinder {
        var bindings = PathBindings()
        for (index, device) in devices.enumerated() {
            guard let device else { continue }
            let stop = stops[index]
            bindings.byDevice[device] = .init(port: index, protects: stop.port.protects, addresses: stop.addresses)
        }
        return PathFinder(network: network, packet: packet, bindings: bindings)
    }

    /// The own namespace, then those of ports.
    private var namespaces: [UInt64] {
        var all = [network.own]
        for device in devices.compactMap(\.self) where !all.contains(device.namespace) { all.append(device.namespace) }
        return all
    }

    /// The ports that an end is bound to.
    private func bound(_ end: Route.End) -> [Int] { end.ports ?? route.owners(of: end.address) }

    /// Whether an end's place is a device that this host does not have: the policy is that of another host.
    func isElsewhere(_ end: Route.End) -> Bool {
        let ports = end.hostPorts ?? bound(end)
        return !ports.isEmpty && ports.allSatisfy { devices[$0] == nil }
    }

    /// Where packets of an end whose place is known come from; empty: it lies beyond.
    private func known(_ end: Route.End, _ finder: PathFinder) -> [PathOrigin] {
        if let ports = end.hostPorts { return unique(ports.compactMap { devices[$0] }.map { .sent(by: $0.namespace) }) }
        if end.ports == nil, finder.isOwn(end.address, network.own) { return [.sent(by: network.own)] }
        return unique(
            bound(end).compactMap { index in
                guard let device = devices[index].flatMap({ network.device($0) }) else { return nil }
                if finder.isOwn(end.address, device.id.namespace) { return .sent(by: device.id.namespace) }
                switch Facing(kind: device.kind) {
                case .user: return .sentThrough(device.id)
                case .beyond, .nothing: break
                }
                let owner = finder.owner(beyond: device, of: end.address)
                return owner.map { .sent(by: $0) } ?? .entering(device.id, vlan: nil)
            })
    }

    /// The other namespaces of ports that have an end's address. Whoever rules there may have taken somebody else's.
    private func claims(_ end: Route.End, _ finder: PathFinder) -> [PathOrigin] {
        guard end.ports == nil, end.hostPorts == nil else { return [] }
        return namespaces.filter { $0 != network.own && finder.isOwn(end.address, $0) }.map { .sent(by: $0) }
    }

    /// Where the packets of `source` to `destination` come into sight, and whether that is only taken to be so.
    func origins(
        of source: Route.End, to destination: Route.End
    ) -> [(origin: PathOrigin, assumption: Way.Assumption?)] {
        let finder = finder(for: RoutedPacket(source: destination.address, destination: source.address))
        let claimed = claims(source, finder).map { origin -> (PathOrigin, Way.Assumption?) in
            guard case .sent(let namespace) = origin else { return (origin, nil) }
            return (origin, .claimed(source.address, by: namespace))
        }
        var met: Set<PathOrigin> = []
        return (placed(source, to: destination, finder) + claimed).filter { met.insert($0.0).inserted }
    }

    /// The same, whatever namespaces say that they have the source's address.
    private func placed(
        _ source: Route.End, to destination: Route.End, _ finder: PathFinder
    ) -> [(origin: PathOrigin, assumption: Way.Assumption?)] {
        let certain = known(source, finder)
        if !certain.isEmpty { return certain.map { ($0, nil) } }
        let starts = known(destination, finder) + claims(destination, finder)
        let (entrances, isComplete) = entrances(finder, starts, destination)
        if isComplete, entrances.allSatisfy({ $0.device == nil }), !entrances.isEmpty {
            return entrances.map { ($0, nil) }
        }
        let isRouted = !entrances.isEmpty
        var seen = inSight(source, destination, isAnywhere: false)
        var possible = cutOff(source) + (starts.isEmpty ? unplaced(finder) : [])
        if !isComplete || !isRouted && seen.isEmpty {
            possible += anywhere(destination)
            seen += inSight(source, destination, isAnywhere: true)
        }
        var all = entrances.map { ($0, assumption($0, source.address, isRouted: true)) } + seen.map { ($0, nil) }
        if isRouted { all += addressed(destination).map { ($0, .addressed(destination.address)) } }
        all += possible.map { ($0, assumption($0, source.address, isRouted: false)) }
        return all
    }

    /// Where the answers would go; and whether that is all that the kernel may know. Where it does not forward them it
    /// may still have a route for what it sends itself.
    private func entrances(
        _ finder: PathFinder, _ starts: [PathOrigin], _ destination: Route.End
    ) -> (origins: [PathOrigin], isComplete: Bool) {
        let back = finder.ways(from: starts.isEmpty ? namespaces.map { .sent(by: $0) } : starts)
        let blocked = back.compactMap { way -> PathOrigin? in
            guard case .stopped(.forwardingIsOff(let device)) = way.end else { return nil }
            return .sent(by: device.namespace)
        }
        let sent = finder.ways(from: unique(blocked))
        let hasRoutes = sent.allSatisfy { if case .stopped(.noRoute) = $0.end { false } else { true } }
        return (unique((back + sent).compactMap { entrance($0, destination) }), hasRoutes)
    }

    /// Where packets come from that would be sent back this way.
    private func entrance(_ way: Way, _ destination: Route.End) -> PathOrigin? {
        if let ports = destination.hostPorts {
            let named = Set(ports.compactMap { devices[$0] })
            guard way.passages.contains(where: { named.contains($0.device) }) else { return nil }
        }
        switch way.end {
        case .delivered(let namespace): return .sent(by: namespace)
        case .leaves(let device): return .entering(device, vlan: way.passages.last?.vlan)
        // It may well be behind the member that the bridge does not let the answer pass to.
        case .stopped(.deviceIsDown(let device)), .stopped(.membersAreIsolated(_, let device)),
            .stopped(.memberIsNotForwarding(let device)):
            return .entering(device, vlan: way.passages.last?.vlan)
        case .stopped, .passesBy, .unknown: return nil
        }
    }

    /// The namespaces in sight that have the source's address, and from which packets lead through those of the policy;
    /// or would, if their own kernel let them out.
    ///
    /// - Parameter isAnywhere: Whether those count as well from which packets come to their destination without them.
    private func inSight(_ source: Route.End, _ destination: Route.End, isAnywhere: Bool) -> [PathOrigin] {
        let finder = finder(for: RoutedPacket(source: source.address, destination: destination.address))
        let own = Set(namespaces)
        return network.namespaces.filter { namespace in
            guard !own.contains(namespace), finder.isOwn(source.address, namespace) else { return false }
            let ways = finder.sent(by: namespace)
            if ways.contains(where: { !own.isDisjoint(with: $0.namespaces) }) { return true }
            if isAnywhere, ways.contains(where: { if case .delivered = $0.end { true } else { false } }) { return true }
            let isNeighbour = network.tables(namespace)?.devices.values.contains { device in
                device.lower.map { own.contains($0.namespace) } == true
            }
            return isNeighbour == true && ways.allSatisfy { if case .stopped = $0.end { true } else { false } }
        }.map { .sent(by: $0) }
    }

    /// The members of bridges that the host has no address on: where neither end is known, both may be there.
    private func unplaced(_ finder: PathFinder) -> [PathOrigin] {
        namespaces.flatMap { namespace -> [PathOrigin] in
            guard let tables = network.tables(namespace) else { return [] }
            let bridges = tables.devices.values.filter { $0.kind == "bridge" && finder.isOff($0, tables) }
            return bridges.sorted { $0.name < $1.name }.flatMap { tables.members(of: $0.id.index) }
                .filter { finder.bindings.mayLead(beyond: $0.id) && isOutOfSight(beyond: $0) }
                .map { .entering($0.id, vlan: nil) }
        }
    }

    private func isOutOfSight(beyond device: NetworkDevice) -> Bool {
        device.lower.flatMap { network.device($0) } == nil
    }

    /// The devices that are down, in whose networks the source is.
    private func cutOff(_ source: Route.End) -> [PathOrigin] {
        namespaces.flatMap { namespace in
            (network.tables(namespace)?.devices.values.map(\.self) ?? []).filter { device in
                !device.isUp && device.addresses.contains { $0.network.contains(source.address) }
            }.map { .entering($0.id, vlan: nil) }
        }
    }

    /// Whoever sends to an address of the host may send it to the link that it belongs to, whatever the host's way back
    /// is; unless the members of that link are known.
    private func addressed(_ destination: Route.End) -> [PathOrigin] {
        guard destination.hostPorts == nil else { return [] }
        let finder = finder(for: RoutedPacket(source: nil, destination: destination.address))
        let owners = namespaces.filter { finder.isOwn(destination.address, $0) }.flatMap { namespace in
            network.tables(namespace)?.owners(of: destination.address) ?? []
        }
        let links = owners.filter { device in
            device.mac != nil && device.kind != "bridge" && !finder.bindings.isWorkload(device.id)
                && !(device.kind == "veth" && !isOutOfSight(beyond: device))
        }
        // A VLAN device's frames come in by the device below, a bond's by its members.
        return links.flatMap { finder.transmit($0, Trail().forReceiver()) }.compactMap { way in
            guard case .leaves(let device) = way.end else { return nil }
            return .entering(device, vlan: way.passages.last?.vlan)
        }
    }

    /// Where the packet may not come here at all: it is only taken to come in by a device, and its destination lies
    /// beyond the same one.
    func passing(_ origin: PathOrigin, to destination: Route.End) -> Way? {
        guard case .entering(let device, _) = origin else { return nil }
        let finder = finder(for: RoutedPacket(source: nil, destination: destination.address))
        let isKnown = !(known(destination, finder) + claims(destination, finder)).isEmpty
        let isBeyond = finder.sent(by: device.namespace).contains { way in
            if way.passages.contains(where: { $0.device == device && $0.isEgress }) { return true }
            switch way.end {
            case .stopped(.noRoute), .unknown: return !isKnown
            case .stopped, .delivered, .leaves, .passesBy: return false
            }
        }
        return isBeyond ? Way(steps: [], end: .passesBy(device), assumptions: []) : nil
    }

    /// Without a route back: any port that protects the host.
    private func anywhere(_ destination: Route.End) -> [PathOrigin] {
        let ports = destination.hostPorts ?? stops.indices.filter { stops[$0].port.protects == .host }
        return unique(ports.compactMap { devices[$0] }.map { .entering($0, vlan: nil) })
    }

    private func assumption(_ origin: PathOrigin, _ address: IPAddress, isRouted: Bool) -> Way.Assumption? {
        guard case .entering(let device, _) = origin else { return nil }
        return isRouted ? .entrance(address, device) : .anyEntrance(address, device)
    }

    private func unique(_ origins: [PathOrigin]) -> [PathOrigin] {
        var seen: Set<PathOrigin> = []
        return origins.filter { seen.insert($0).inserted }
    }
}
