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

/// Looks at what stands on the ways.
struct ObstacleSearch {
    let network: any NetworkView
    let family: AddressFamily
    /// What of others stands on a device.
    let programs: (DeviceID, String?) -> [OtherProgram]
    /// What may drop in a namespace.
    let filters: (String?) -> (chains: [DroppingChain], olderTables: [String])

    /// In the order of the ways, each once.
    func obstacles(on ways: [Way]) -> [Obstacle] {
        var seen: Set<Obstacle> = []
        var known: Filters = [:]
        for namespace in ways.flatMap(\.namespaces) where known[namespace] == nil {
            known[namespace] = filters(network.tables(namespace)?.name)
        }
        return ways.flatMap { way in
            way.steps.flatMap { obstacles(at: $0, known) } + obstacles(at: way.end)
        }.filter { seen.insert($0).inserted }
    }

    private typealias Filters = [UInt64: (chains: [DroppingChain], olderTables: [String])]

    private func obstacles(at step: Way.Step, _ filters: Filters) -> [Obstacle] {
        switch step {
        case .passage(let passage): return obstacles(at: passage, filters)
        case .routed(let namespace, let from, let to):
            return chains(of: [.inet, .ip(family)], hooks(from: from, to: to), namespace, filters)
                + olderTables(namespace, filters) + reversePath(namespace, from)
        case .bridged(let bridge, let from, let to):
            return chains(of: [.bridge], hooks(from: from, to: to), bridge.namespace, filters)
        }
    }

    private func hooks(from: UInt32?, to: UInt32?) -> Set<DroppingChain.Hook> {
        switch (from, to) {
        case (nil, _): [.output, .postrouting]
        case (_, nil): [.prerouting, .input]
        default: [.prerouting, .forward, .postrouting]
        }
    }

    private func obstacles(at passage: Way.Passage, _ filters: Filters) -> [Obstacle] {
        let id = passage.device
        guard let device = network.device(id) else { return [] }
        let hooks: Set<HookName> = passage.isEgress ? [.tcEgress] : [.xdp, .tcIngress]
        var found = programs(id, network.tables(id.namespace)?.name).filter { hooks.contains($0.hook) }.map { other in
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
        }.map { Obstacle(kind: .nftables, name: $0.name, device: device?.id, namespace: namespace) }
    }

    private func olderTables(_ namespace: UInt64, _ filters: Filters) -> [Obstacle] {
        (filters[namespace]?.olderTables ?? []).map { table in
            Obstacle(
                kind: .iptables, name: "\(table), whose rules are not read", device: nil, namespace: namespace)
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
