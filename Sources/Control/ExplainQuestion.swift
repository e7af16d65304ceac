// SPDX-License-Identifier: Apache-2.0
import Host
import Network
import Policy
import Wire

/// What `explain` asks: what becomes of the packet that opens a connection, at each port on its way.
package struct ExplainQuestion: Sendable {
    /// Addresses, or ports by any of their names.
    package var from: String
    package var to: String
    /// A service that a single packet carries.
    package var service: String
    /// Judge at this port only.
    package var at: (port: String, direction: Direction)?
    /// For TCP, UDP and SCTP; nil: the service's own, or 40000.
    package var sourcePort: UInt16?
    package var vlan: UInt16?
    /// Where the packet came from, if the host sends it at that port: `host` or a port; nil: a device that is no port.
    package var via: String?

    package init(
        from: String, to: String, service: String, at: (port: String, direction: Direction)? = nil,
        sourcePort: UInt16? = nil, vlan: UInt16? = nil, via: String? = nil
    ) {
        self.via = via
        self.from = from
        self.to = to
        self.service = service
        self.at = at
        self.sourcePort = sourcePort
        self.vlan = vlan
    }

    /// Asks the kernel for the ways, and the real program at each port on them. Nothing is sent.
    ///
    /// - Throws: ``Refusal`` if the question makes no sense for this policy.
    package func answer(
        by judge: PolicyJudge, _ network: any NetworkView
    ) throws -> (ends: ExplainedEnds, explanation: Explanation) {
        let service = try concreteService(judge.services)
        let ends = try ExplainedEnds(from: from, to: to, service: service, judge.route)
        guard let carried = service.probe(ends.family) else {
            throw Refusal(
                "an IP\(ends.family) packet carries no such ICMP message",
                advice: "use icmp/ with IPv4 addresses, icmpv6/ with IPv6, or ping with both")
        }
        let probe = ProbeFrame(
            source: ends.source.address, destination: ends.destination.address, sourceMAC: MACAddress(0x0200_0000_0001),
            destinationMAC: MACAddress(0x0200_0000_0002), service: carried,
            sourcePort: sourcePort ?? service.sourcePort ?? 40000, vlan: vlan)
        if let at {
            let origin = try via.map(judge.origin) ?? .elsewhere
            return (ends, try explanation([[(try judge.port(at.port), at.direction)]], probe, judge, from: origin))
        }
        let path = PathEnds(network: network, route: judge.route)
        if path.isElsewhere(ends.source) || path.isElsewhere(ends.destination) {
            return (ends, try explanation(try bound(ends, judge), probe, judge))
        }
        return (ends, try ExplainedWays(path: path, probe: probe, judge: judge).explanation(ends, vlan: vlan))
    }

    /// What becomes of the packet at these ports, by each way.
    ///
    /// - Parameter origin: Where it came from at the first of them. At each other it came from the one before.
    private func explanation(
        _ ways: [[(port: Int, direction: Direction)]], _ probe: ProbeFrame, _ judge: PolicyJudge,
        from origin: PolicyJudge.Origin = .host
    ) throws -> Explanation {
        let judged = try ways.map { hops in
            let frames = hops.enumerated().map { index, hop in
                PolicyJudge.Hop(
                    frame: probe.crossing(judge.route.stops[hop.port], hop.direction).bytes, port: hop.port,
                    direction: hop.direction, origin: index == 0 ? origin : .port(hops[index - 1].port))
            }
            let outcomes = try judge.judge(frames)
            return Explanation.JudgedWay(
                hops: zip(hops, outcomes).map { .init(port: judge.ports[$0.port].name, $0.direction, $1) })
        }
        return Explanation(ways: judged, generation: judge.generation)
    }

    /// On another host than the policy's: the ways by the policy alone.
    private func bound(_ ends: ExplainedEnds, _ judge: PolicyJudge) throws(Refusal) -> [[(Int, Direction)]] {
        let ways = judge.route.ways(from: ends.source, to: ends.destination).filter { !$0.isEmpty }
        guard !ways.isEmpty else {
            throw Refusal(
                "the policy has no port between \(ends.source.address) and \(ends.destination.address)",
                advice: "name the port to judge at: --at PORT --direction in|out")
        }
        return ways.map { $0.map { ($0.port, $0.direction) } }
    }

    /// The service in question: written as in a policy, or the name of a service of the policy.
    private func concreteService(_ named: [String: [Service]]) throws(Refusal) -> ConcreteService {
        if let service = ConcreteService(service) { return service }
        guard let alternatives = named[service] ?? CommonService.services(service) else {
            let names = named.keys.sorted().prefix(20).joined(separator: ", ")
            throw Refusal(
                "there is no service '\(service)'",
                advice: names.isEmpty ? "write it as tcp/443 or ping" : "the policy's services are \(names)")
        }
        guard let service = ConcreteService(alternatives) else {
            throw Refusal(
                "the service '\(service)' stands for packets that differ",
                advice: "ask for one of them, such as tcp/443, and give --source-port where it matters")
        }
        return service
    }
}
