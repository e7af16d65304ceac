// SPDX-License-Identifier: Apache-2.0
import Host
import Network

extension PathFinder {
    /// Whether somebody answers for an address on a link.
    enum Answer {
        case yes
        case no
        /// What lies there is out of sight.
        case unknown

        static func any(_ answers: [Answer]) -> Answer {
            answers.contains(.yes) ? .yes : answers.contains(.unknown) ? .unknown : .no
        }
    }

    /// Whether somebody at the other end of a bridge's member has the address.
    func answers(beyond member: NetworkDevice, _ address: IPAddress, _ tag: UInt16?) -> Answer {
        guard member.kind == "veth", let end = member.lower, let peer = network.device(end) else { return .unknown }
        return answers(peer, address, tag)
    }

    /// Whether whoever gets a frame from this device has the address.
    func answers(_ device: NetworkDevice, _ address: IPAddress, _ tag: UInt16?, depth: Int = 0) -> Answer {
        guard device.isUp else { return .no }
        guard depth < 8, let tables = network.tables(device.id.namespace) else { return .unknown }
        if let tag, let above = vlanDevice(on: device, tag) { return answers(above, address, nil, depth: depth + 1) }
        if let master = device.master.flatMap({ tables.devices[$0] }) {
            switch master.kind {
            case "bridge": return answers(master, but: device, address, tag, depth: depth + 1)
            case "bond", "team": return answers(master, address, tag, depth: depth + 1)
            default: break
            }
        }
        if tag ?? 0 != 0 { return .no }
        if has(device, address) { return .yes }
        let isProxy = tables.forwarding[address.family]?[device.id.index]?.isProxy == true
        return isProxy || !users(of: device).isEmpty ? .unknown : .no
    }

    /// On a bridge: its own device, or somebody beyond another member.
    private func answers(
        _ bridge: NetworkDevice, but member: NetworkDevice, _ address: IPAddress, _ tag: UInt16?, depth: Int
    ) -> Answer {
        if bridge.filtersVLANs { return .unknown }
        let own = tag.map { vlanDevice(on: bridge, $0) } ?? bridge
        if let own, has(own, address) { return .yes }
        let others = network.tables(bridge.id.namespace)?.members(of: bridge.id.index) ?? []
        return .any(
            others.filter { $0.id != member.id && $0.isUp }.map { other in
                guard other.kind == "veth", let end = other.lower, let peer = network.device(end) else {
                    return .unknown
                }
                return answers(peer, address, tag, depth: depth + 1)
            })
    }

    /// A host answers ARP on each of its devices for all of its addresses, neighbour discovery for those of the device.
    func has(_ device: NetworkDevice, _ address: IPAddress) -> Bool {
        switch address.family {
        case .v4: isOwn(address, device.id.namespace)
        case .v6: device.addresses.contains { $0.address == address }
        }
    }

    /// The namespace beyond a device that has the address, where it can be seen.
    func owner(beyond device: NetworkDevice, of address: IPAddress) -> UInt64? {
        guard answers(beyond: device, address, nil) == .yes else { return nil }
        var trail = Trail()
        trail.nextHop = address
        guard let peer = device.lower.flatMap({ network.device($0) }) else { return nil }
        for way in receive(peer, trail) {
            if case .delivered(let namespace) = way.end, isOwn(address, namespace) { return namespace }
        }
        return nil
    }

    // MARK: Devices upon devices

    /// The macvlan or ipvlan upon a device that a frame is for.
    func user(of device: NetworkDevice, _ trail: Trail) -> NetworkDevice? {
        let users = users(of: device)
        if let mac = trail.destinationMAC, mac != device.mac { return users.first { $0.mac == mac } }
        guard let nextHop = trail.nextHop, !has(device, nextHop) else { return nil }
        return users.first { has($0, nextHop) }
    }

    /// The ends of a veth have none, as a rule, and are many.
    private func users(of device: NetworkDevice) -> [NetworkDevice] {
        guard device.kind != "veth" else { return [] }
        let kinds: Set = ["macvlan", "macvtap", "ipvlan", "ipvtap"]
        return network.namespaces.flatMap { namespace in
            network.tables(namespace)?.devices.values.filter { $0.lower == device.id && kinds.contains($0.kind) } ?? []
        }
    }
}
