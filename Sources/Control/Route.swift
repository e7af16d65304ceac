// SPDX-License-Identifier: Apache-2.0
import Network
import Policy
import Wire

/// The ports of a policy, and the ways between two ends as the policy alone tells them: where the devices are those of
/// another host.
package struct Route: Sendable {
    /// A port, and the addresses at it.
    package struct Stop: Sendable, Hashable {
        package var port: Port
        /// Bound to the port.
        package var addresses: [Prefix]
        /// The device's own, on a port that protects the host.
        package var own: [Prefix] = []
        /// Those that are bound to the port; then, if it protects the host, its device's own.
        package var macs: [MACAddress] = []
    }

    /// Where a packet comes from or goes to.
    package struct End: Sendable, Hashable {
        package var address: IPAddress
        /// The ports that were asked for by name, and that the address is bound to; nil: all ports that it is bound to.
        package var ports: [Int]?
        /// Set if the end is the host itself, by an own address of these ports' devices. Then what lies beyond the host
        /// is reached only through these ports.
        package var hostPorts: [Int]?
    }

    package struct Hop: Sendable, Hashable {
        /// Index in ``stops``.
        package var port: Int
        package var direction: Direction
    }

    package var stops: [Stop]
    /// The host's own addresses. Packets from or to them cross no further port.
    package var local: AddressSet

    /// `out` at a port that the source is bound to, then `in` at one of the destination's: each pair of them is a way.
    /// An end that is bound nowhere lies beyond a host port: it comes `in` at one of them, and goes `out` at one;
    /// unless it is the host itself.
    package func ways(from source: End, to destination: End) -> [[Hop]] {
        let all = stops.indices.filter { stops[$0].port.protects == .host }
        let edge = source.hostPorts ?? destination.hostPorts ?? all
        let first = hops(at: source, bound: .out, beyond: .in, edge)
        let last = hops(at: destination, bound: .in, beyond: .out, edge)
        return first.flatMap { first in last.map { first + $0 } }
    }

    /// The possible hops at one end; one that is empty where it is crossed without any.
    private func hops(at end: End, bound: Direction, beyond: Direction, _ edge: [Int]) -> [[Hop]] {
        let owners = end.ports ?? owners(of: end.address)
        if !owners.isEmpty { return owners.map { [Hop(port: $0, direction: bound)] } }
        if end.hostPorts != nil || local.contains(end.address) || edge.isEmpty { return [[]] }
        return edge.map { [Hop(port: $0, direction: beyond)] }
    }

    /// The ports that an address is bound to; if several prefixes contain it, by the longest.
    package func owners(of address: IPAddress) -> [Int] {
        let lengths = stops.map { stop in stop.addresses.filter { $0.contains(address) }.map(\.length).max() }
        guard let longest = lengths.compactMap(\.self).max() else { return [] }
        return lengths.indices.filter { lengths[$0] == longest }
    }
}

extension ProbeFrame {
    /// The frame as a guest's port sees it: from or to the MAC address that is bound to the port.
    package func crossing(_ stop: Route.Stop, _ direction: Direction) -> ProbeFrame {
        guard stop.port.protects == .workload, let mac = stop.macs.first else { return self }
        var frame = self
        if direction == .out { frame.sourceMAC = mac } else { frame.destinationMAC = mac }
        return frame
    }
}
