// SPDX-License-Identifier: Apache-2.0
import Host
import Network

/// What leaves by a bridge's member for a router that is out of sight may come back: that router's own way may lead
/// through this host.
extension PathFinder {
    /// The ways on which a packet that left comes back by the same member, and this host routes it on.
    func returning(_ way: Way) -> [Way] {
        guard case .leaves(let id) = way.end, let tables = network.tables(id.namespace),
            let member = tables.devices[id.index], let bridge = member.master.flatMap({ tables.devices[$0] }),
            bridge.kind == "bridge", let mac = bridge.mac, !isOff(bridge, tables), !way.isRouted(in: id.namespace)
        else { return [] }
        var trail = Trail(steps: way.steps, assumptions: way.assumptions, vlan: way.passages.last?.vlan)
        trail.destinationMAC = mac
        let all = receive(member, trail.assuming(.returned(packet.destination, id)))
        return all.filter { $0.isRoutedOn(from: way.steps.count, in: id.namespace) }
    }
}

extension Way {
    fileprivate func isRouted(in namespace: UInt64) -> Bool {
        steps.contains { if case .routed(namespace, _, _) = $0 { true } else { false } }
    }

    /// Whether the namespace takes the packet, or hands it to another device than it came by; from a step on.
    fileprivate func isRoutedOn(from first: Int, in namespace: UInt64) -> Bool {
        switch end {
        case .delivered, .leaves: break
        case .stopped, .passesBy, .unknown: return false
        }
        return steps[first...].contains { step in
            if case .routed(namespace, let from, let to) = step { from != to } else { false }
        }
    }
}
