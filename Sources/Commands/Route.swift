import Network
import Policy

/// The ports that a packet crosses from one end to the other, and in which direction each.
struct Route: Sendable {
    struct Port: Sendable, Hashable {
        /// The port's name: its entry's, or `entry/device`.
        var name: String
        var protects: Protects
        /// Bound to the port.
        var addresses: [Prefix]
    }

    struct Hop: Sendable, Hashable {
        /// Index in ``ports``.
        var port: Int
        var direction: Direction
    }

    var ports: [Port]
    /// The host's own addresses: what they send or receive comes from, or goes to, no further port.
    var local: AddressSet

    /// `out` at the ports that the source is bound to, then `in` at those of the destination. An end that is bound nowhere lies
    /// beyond the host ports: it comes `in` at each of them, and goes `out` at each; unless it is the host itself.
    func hops(from source: IPAddress, to destination: IPAddress) -> [Hop] {
        hops(at: source, bound: .out, beyond: .in) + hops(at: destination, bound: .in, beyond: .out)
    }

    private func hops(at end: IPAddress, bound: Direction, beyond: Direction) -> [Hop] {
        let owners = ports.indices.filter { index in ports[index].addresses.contains { $0.contains(end) } }
        // Of a common prefix and an address in it, the address is meant.
        let longest = owners.map { length(of: end, at: $0) }.max()
        let nearest = owners.filter { length(of: end, at: $0) == longest }
        if !nearest.isEmpty { return nearest.map { Hop(port: $0, direction: bound) } }
        if local.contains(end) { return [] }
        return ports.indices.filter { ports[$0].protects == .host }.map { Hop(port: $0, direction: beyond) }
    }

    private func length(of end: IPAddress, at port: Int) -> Int {
        ports[port].addresses.filter { $0.contains(end) }.map(\.length).max() ?? -1
    }
}
