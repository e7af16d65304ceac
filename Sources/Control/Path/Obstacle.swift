// SPDX-License-Identifier: Apache-2.0
import Datapath
import Host
import Network

/// What else on a way can drop a packet, besides the programs of the instance.
package struct Obstacle: Sendable, Hashable {
    package enum Kind: String, Sendable, Hashable {
        case xdp, tc, nftables, iptables, isolation
        case reversePath = "rp_filter"
        case forwarding = "ip_forward"
    }

    package var kind: Kind
    /// As people call it.
    package var name: String
    /// nil: it concerns the namespace as a whole.
    package var device: DeviceID?
    package var namespace: UInt64
}

/// What was not looked at on a way, so that it may drop the packet too.
package struct UnseenFilter: Sendable, Hashable {
    package var namespace: UInt64
    /// What, and why not.
    package var reason: String
}

/// Looks at what stands on the ways.
struct ObstacleSearch {
    let network: any NetworkView
    let family: AddressFamily
    /// What of others stands on a device.
    let programs: (DeviceID, String?) throws -> [OtherProgram]
    /// What may drop in a namespace.
    let filters: (String?) -> PacketFilter

    /// In the order of the ways, each once.
    func search(_ ways: [Way]) -> (obstacles: [Obstacle], unseen: [UnseenFilter]) {
        var known: [UInt64: PacketFilter] = [:]
        var others: [DeviceID: [OtherProgram]] = [:]
        var unseen: [UnseenFilter] = []
        for namespace in ways.flatMap(\.namespaces) where known[namespace] == nil {
            let filter = filters(network.tables(namespace)?.name)
            known[namespace] = filter
            unseen += filter.unseen.map { UnseenFilter(namespace: namespace, reason: $0) }
        }
        for id in ways.flatMap(\.passages).map(\.device) where others[id] == nil {
            others[id] = []
            do {
                others[id] = try programs(id, network.tables(id.namespace)?.name)
            } catch {
                let device = network.device(id)?.name ?? "device \(id.index)"
                unseen.append(
                    UnseenFilter(namespace: id.namespace, reason: "cannot list the programs on \(device): \(error)"))
            }
        }
        var seen: Set<Obstacle> = []
        let obstacles = ways.flatMap { way in
            way.steps.flatMap { self.obstacles(at: $0, known, others) } + self.obstacles(at: way.end)
        }
        return (obstacles.filter { seen.insert($0).inserted }, unseen)
    }

    private typealias Filters = [UInt64: PacketFilter]
    private typealias Programs = [DeviceID: [OtherProgram]]

    private func obstacles(at step: Way.Step, _ filters: Filters, _ programs: Programs) -> [Obstacle] {
        switch step {
        case .passage(let passage): return obstacles(at: passage, filters, programs)
        case .routed(let namespace, let from, let to):
            return chains(of: [.inet, .ip(family)], hooks(from: from, to: to), namespace, filters)
                + reversePath(namespace, from)
        case .bridged(let bridge, let from, let to):
            return chains(of: [.bridge], hooks(from: from, to: to), bridge.namespace, filters)
                + calledChains(bridge, from: from, to: to, filters)
        }
    }

    /// The chains of the IP layer that a bridge hands packets to. What the host itself sends has been there before.
    private func calledChains(_ id: DeviceID, from: UInt32?, to: UInt32?, _ filters: Filters) -> [Obstacle] {
        let isCalling =
            filters[id.namespace]?.callingBridges.contains(family) == true
            || network.device(id)?.callsPacketFilter.contains(family) == true
        guard isCalling, from != nil else { return [] }
        let hooks: Set<DroppingChain.Hook> = to == nil ? [.prerouting] : [.prerouting, .forward, .postrouting]
        return chains(of: [.inet, .ip(family)], hooks, id.namespace, filters).map { found in
            var found = found
            found.name += ", which bridged packets pass too (bridge-nf-call-\(family == .v4 ? "ip" : "ip6")tables)"
            return found
        }
    }

    private func hooks(from: UInt32?, to: UInt32?) -> Set<DroppingChain.Hook> {
        switch (from, to) {
        case (nil, _): [.output, .postrouting]
        case (_, nil): [.prerouting, .input]
        default: [.prerouting, .forward, .postrouting]
        }
    }

    private func obstacles(at passage: Way.Passage, _ filters: Filters, _ programs: Programs) -> [Obstacle] {
        let id = passage.device
        guard let device = network.device(id) else { return [] }
        let hooks: Set<HookName> = passage.isEgress ? [.tcEgress] : [.xdp, .tcIngress]
        var found = (programs[id] ?? []).filter { hooks.contains($0.hook) }.map { other in
            Obstacle(
                kind: other.hook == .xdp ? .xdp : .tc, name: "\(other.name) on \(other.hook.rawValue)", device: id,
                namespace: id.namespace)
        }
        let side: DroppingChain.Hook = passage.isEgress ? .egress : .ingress
        found += chains(of: [.netdev, .inet], [side], id.namespace, filters, on: device)
        if device.membership.isIsolated {
            found.append(
                Obstacle(
                    kind: .isolation, name: "isolated from the other isolated members of its bridge", device: id,
                    namespace: id.namespace))
        }
        return found
    }

    /// - Parameter device: That chains of a device must be on; nil: chains that are on none.
    private func chains(
        of families: [DroppingChain.Family], _ hooks: Set<DroppingChain.Hook>, _ namespace: UInt64, _ filters: Filters,
        on device: NetworkDevice? = nil
    ) -> [Obstacle] {
        (filters[namespace]?.chains ?? []).filter { chain in
            families.contains(chain.family) && hooks.contains(chain.hook)
                && (device == nil || chain.device == nil || chain.device == device?.name)
        }.map { chain in
            let kind: Obstacle.Kind =
                switch chain.tool {
                case .nftables: .nftables
                case .iptables: .iptables
                }
            return Obstacle(kind: kind, name: chain.name, device: device?.id, namespace: namespace)
        }
    }

    private func reversePath(_ namespace: UInt64, _ index: UInt32?) -> [Obstacle] {
        guard family == .v4, let index, let tables = network.tables(namespace) else { return [] }
        let checks =
            tables.forwardingOfAll[.v4]?.checksReversePath == true
            || tables.forwarding[.v4]?[index]?.checksReversePath == true
        let name = "rp_filter: the source must be routed back by it"
        let device = DeviceID(namespace: namespace, index: index)
        return checks ? [Obstacle(kind: .reversePath, name: name, device: device, namespace: namespace)] : []
    }

    private func obstacles(at end: Way.End) -> [Obstacle] {
        switch end {
        case .stopped(.forwardingIsOff(let device)):
            let name = family == .v4 ? "ip_forward is off" : "forwarding of IPv6 is off"
            return [Obstacle(kind: .forwarding, name: name, device: device, namespace: device.namespace)]
        case .stopped(.sourceIsRefused(let device)): return reversePath(device.namespace, device.index)
        case .stopped(.membersAreIsolated(let one, let other)):
            return [one, other].map { device in
                Obstacle(
                    kind: .isolation, name: "isolated from the other isolated members of its bridge", device: device,
                    namespace: device.namespace)
            }
        case .delivered, .leaves, .stopped, .passesBy, .unknown: return []
        }
    }
}
