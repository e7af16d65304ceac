// SPDX-License-Identifier: Apache-2.0
import Network

/// The ends that two words on the command line mean.
package struct ExplainedEnds: Sendable {
    package var source: Route.End
    package var destination: Route.End

    package var family: AddressFamily { source.address.family }

    /// Finds two ends of one IP version; if there is a choice, of one that can carry the service.
    package init(from: String, to: String, service: ConcreteService, _ route: Route) throws(Refusal) {
        let sources = try Self.candidates(from, route)
        let destinations = try Self.candidates(to, route)
        let pairs = sources.flatMap { source in
            destinations.filter { $0.address.family == source.address.family }.map { (source, $0) }
        }
        guard let pair = pairs.first(where: { service.probe($0.0.address.family) != nil }) ?? pairs.first else {
            throw Refusal(
                "\(from) and \(to) have no IP version in common", advice: "give two IPv4 or two IPv6 addresses")
        }
        (source, destination) = pair
    }

    /// For an address, itself; for a port, the first address of each bound prefix, or if none is bound, its device's
    /// own.
    private static func candidates(_ word: String, _ route: Route) throws(Refusal) -> [Route.End] {
        if let address = IPAddress(word) { return [Route.End(address: address)] }
        let ports = try route.stops.map(\.port).required(word)
        let bound = ports.flatMap { route.stops[$0].addresses }
        let prefixes = bound.isEmpty ? ports.flatMap { route.stops[$0].own } : bound
        guard !prefixes.isEmpty else {
            throw Refusal(
                "no address is bound to port '\(word)'",
                advice: "give an address instead, with --at \(word) --direction in|out")
        }
        return prefixes.map { prefix in
            bound.isEmpty
                ? Route.End(address: prefix.address, hostPorts: ports)
                : Route.End(address: prefix.address, ports: ports)
        }
    }
}
