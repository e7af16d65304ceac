// SPDX-License-Identifier: Apache-2.0
import Host
import Network

/// Follows a packet from device to device as the kernel would carry it. It asks the kernel, or what takes its place, at
/// each step. Where no table says what happens, it follows each possible way.
struct PathFinder {
    let network: any NetworkView
    let packet: RoutedPacket
    /// The addresses that the policy binds to devices, and which devices are ports at which a host is protected.
    let bindings: PathBindings

    /// More ways than this are not followed.
    static let limit = 64

    // MARK: Routing

    /// A namespace sends the packet.
    func sent(by namespace: UInt64, _ trail: Trail = Trail()) -> [Way] { routed(in: namespace, from: nil, trail) }

    /// A namespace has the packet, from one of its devices or from itself.
    func routed(in namespace: UInt64, from device: UInt32?, _ trail: Trail) -> [Way] {
        guard !trail.isTooLong else { return trail.stopped(.circle) }
        var asked = packet
        if device == nil, let source = packet.source, !isOwn(source, namespace) { asked.source = nil }
        switch network.route(asked, from: device, in: namespace) {
        case .here:
            return trail.with(.routed(namespace: namespace, from: device, to: nil)).ended(.delivered(namespace))
        case .nowhere(let word):
            return trail.stopped(cause(word, namespace, device))
        case .onward(let hops):
            if let device, !forwards(namespace, device) {
                return trail.stopped(.forwardingIsOff(DeviceID(namespace: namespace, index: device)))
            }
            return limited(hops) { hop in
                let assumption = Way.Assumption.nextHop(
                    of: hops.count, DeviceID(namespace: namespace, index: hop.device))
                return send(
                    by: hop, in: namespace,
                    (hops.count > 1 ? trail.assuming(assumption) : trail).with(
                        .routed(namespace: namespace, from: device, to: hop.device)))
            }
        }
    }

    private func send(by hop: RouteAnswer.NextHop, in namespace: UInt64, _ trail: Trail) -> [Way] {
        let id = DeviceID(namespace: namespace, index: hop.device)
        guard let device = network.device(id) else { return trail.ended(.leaves(id)) }
        let nextHop = hop.gateway ?? packet.destination
        var trail = trail
        trail.nextHop = nextHop
        trail.isForReceiver = false
        trail.sourceMAC = device.mac
        trail.destinationMAC =
            network.tables(namespace)?.neighbours[.init(device: hop.device, address: nextHop)]
        return transmit(device, trail)
    }

    /// The kernel's errors do not tell its reasons apart.
    private func cause(_ word: String, _ namespace: UInt64, _ device: UInt32?) -> Way.Stop {
        guard let device else { return .noRoute(namespace: namespace, word) }
        let id = DeviceID(namespace: namespace, index: device)
        if !forwards(namespace, device) { return .forwardingIsOff(id) }
        var sent = packet
        sent.source = nil
        if case .nowhere(let word) = network.route(sent, from: nil, in: namespace) {
            return .noRoute(namespace: namespace, word)
        }
        return .sourceIsRefused(id)
    }

    /// IPv4 asks the device that the packet came in by, IPv6 the namespace.
    func forwards(_ namespace: UInt64, _ device: UInt32) -> Bool {
        guard let tables = network.tables(namespace) else { return false }
        let family = packet.destination.family
        if family == .v6, tables.forwardingOfAll[.v6]?.isOn == true { return true }
        return tables.forwarding[family]?[device]?.isOn == true && family == .v4
    }

    func isOwn(_ address: IPAddress, _ namespace: UInt64) -> Bool {
        network.tables(namespace)?.owners(of: address).isEmpty == false
    }

    // MARK: Devices

    /// The kernel hands the packet to a device.
    func transmit(_ device: NetworkDevice, _ before: Trail) -> [Way] {
        guard !before.isTooLong else { return before.stopped(.circle) }
        guard device.isUp else { return before.stopped(.deviceIsDown(device.id)) }
        let trail = before.passing(device, isEgress: true)
        switch device.kind {
        case "vlan":
            guard trail.vlan == nil else { return trail.ended(.unknown("two VLAN tags are not followed")) }
            return below(device, trail.tagged(device.vlan))
        case "macvlan", "macvtap", "ipvlan", "ipvtap":
            return below(device, trail)
        case "bond", "team":
            return carriers(of: device, trail)
        case "bridge":
            return bridged(by: device, from: nil, trail)
        case "veth", "netkit":
            guard let end = device.lower, let peer = network.device(end) else { return trail.ended(.leaves(device.id)) }
            return receive(peer, trail)
        default:
            return trail.ended(.leaves(device.id))
        }
    }

    private func below(_ device: NetworkDevice, _ trail: Trail) -> [Way] {
        guard let id = device.lower, let lower = network.device(id) else { return trail.ended(.leaves(device.id)) }
        return transmit(lower, trail)
    }

    private func carriers(of bond: NetworkDevice, _ trail: Trail) -> [Way] {
        var members = network.tables(bond.id.namespace)?.members(of: bond.id.index) ?? []
        if bond.isActiveBackup { members.removeAll { $0.id.index != bond.activeMember } }
        members.removeAll { !$0.isUp }
        guard !members.isEmpty else { return trail.stopped(.deviceIsDown(bond.id)) }
        return limited(members) { member in
            transmit(member, members.count > 1 ? trail.assuming(.bondMember(member.id)) : trail)
        }
    }

    /// The kernel gets the packet from a device.
    func receive(_ device: NetworkDevice, _ before: Trail) -> [Way] {
        guard !before.isTooLong else { return before.stopped(.circle) }
        guard device.isUp else { return before.stopped(.deviceIsDown(device.id)) }
        let trail = before.passing(device, isEgress: false)
        let tables = network.tables(device.id.namespace)
        if let tag = trail.vlan, let above = vlanDevice(on: device, tag) { return receive(above, trail.tagged(nil)) }
        if let master = device.master.flatMap({ tables?.devices[$0] }) {
            switch master.kind {
            case "bridge": return bridged(by: master, from: device, trail)
            case "bond", "team":
                if master.isActiveBackup, master.activeMember != device.id.index {
                    return trail.stopped(.memberIsNotForwarding(device.id))
                }
                return receive(master, trail)
            default: break
            }
        }
        if let user = user(of: device, trail) { return receive(user, trail.forReceiver()) }
        return taken(by: device, trail)
    }

    /// The device's namespace gets the packet, if it is for it.
    private func taken(by device: NetworkDevice, _ trail: Trail) -> [Way] {
        if let tag = trail.vlan, tag != 0 { return trail.stopped(.tagIsNotTaken(device.id, tag)) }
        if !trail.isForReceiver {
            if let mac = trail.destinationMAC, let own = device.mac, mac != own {
                return trail.stopped(.isForAnother(device.id))
            }
            if trail.destinationMAC == nil, let nextHop = trail.nextHop, answers(device, nextHop, nil) == .no {
                return trail.stopped(.nobodyAnswers(nextHop, device.id))
            }
        }
        return routed(in: device.id.namespace, from: device.id.index, trail)
    }

    func vlanDevice(on device: NetworkDevice, _ tag: UInt16) -> NetworkDevice? {
        network.tables(device.id.namespace)?.devices.values.first { $0.vlan == tag && $0.lower == device.id }
    }

    /// Follows each of several possibilities.
    func limited<Value>(_ values: [Value], _ follow: (Value) -> [Way]) -> [Way] {
        var ways: [Way] = []
        for value in values {
            ways += follow(value)
            if ways.count > PathFinder.limit { break }
        }
        return ways
    }
}
