// SPDX-License-Identifier: Apache-2.0
import Host
import Network
import Wire

/// Judges the opening packet of a connection on each way that it may take.
struct ExplainedWays {
    let path: PathEnds
    let probe: ProbeFrame
    let judge: PolicyJudge

    /// - Parameter vlan: The tag that the packet comes in with, where that was asked for.
    func explanation(_ ends: ExplainedEnds, vlan: UInt16?) throws -> Explanation {
        let origins = path.origins(of: ends.source, to: ends.destination)
        let finder = path.finder(for: packet)
        let ways = origins.flatMap { origin, assumption in
            let passing = assumption == nil ? nil : path.passing(origin, to: ends.destination)
            return (finder.ways(from: [origin], vlan: vlan) + [passing].compactMap(\.self)).map { way in
                var way = way
                if let assumption { way.assumptions.insert(assumption, at: 0) }
                way.assumptions += cuts(on: way)
                return way
            }
        }
        guard !ways.isEmpty else {
            throw Refusal(
                "nothing says where packets of \(ends.source.address) come in: it is bound to no port, there is no "
                    + "route back to it, and no port protects the host",
                advice: "name the port to judge at: --at PORT --direction in|out")
        }
        let judged = try ways.map { way in Explanation.JudgedWay(hops: try hops(on: way), way: way) }
        return Explanation(
            ways: judged, names: DeviceNaming(ways, path.network), generation: judge.generation)
    }

    private func cuts(on way: Way) -> [Way.Assumption] {
        Set(way.namespaces).sorted().flatMap { namespace in
            (path.network.tables(namespace)?.cut ?? []).map { .cut($0, in: namespace) }
        }
    }

    private var packet: RoutedPacket {
        let number = probe.service.protocolNumber(probe.source.family)
        return switch probe.service {
        case .tcp(let port), .udp(let port), .sctp(let port):
            RoutedPacket(
                source: probe.source, destination: probe.destination, protocolNumber: number,
                sourcePort: probe.sourcePort, destinationPort: port)
        case .icmp, .other:
            RoutedPacket(source: probe.source, destination: probe.destination, protocolNumber: number)
        }
    }

    /// The ports that a way crosses, with the packet as each of them sees it.
    func crossings(on way: Way) -> [Crossing] {
        let ports = Dictionary(
            path.devices.enumerated().compactMap { index, device in device.map { ($0, index) } }, uniquingKeysWith: min)
        let passages = way.passages
        return passages.indices.compactMap { index in
            let passage = passages[index]
            return ports[passage.device].map { port in
                let direction = direction(of: passage, at: port)
                return Crossing(
                    frame: frame(passage, port, direction), port: port, direction: direction,
                    origin: origin(of: passage, passages[..<index], ports))
            }
        }
    }

    /// A packet that its namespace has from no device is its own.
    private func origin(
        of passage: Way.Passage, _ before: ArraySlice<Way.Passage>, _ ports: [DeviceID: Int]
    ) -> PolicyJudge.Origin {
        guard let last = before.last(where: { !$0.isEgress && $0.device.namespace == passage.device.namespace }) else {
            return .host
        }
        return ports[last.device].map { .port($0) } ?? .elsewhere
    }

    private func hops(on way: Way) throws -> [Explanation.Hop] {
        let crossings = crossings(on: way)
        let outcomes = try judge.judge(crossings.map(\.hop))
        return zip(crossings, outcomes).map { .init(port: judge.ports[$0.port].name, $0.direction, $1) }
    }

    /// What the kernel hands to a device is `out` where the host is protected, and `in` where a workload is.
    private func direction(of passage: Way.Passage, at port: Int) -> Direction {
        let isHost = judge.ports[port].protects == .host
        return passage.isEgress == isHost ? .out : .in
    }

    /// As the port sees it.
    private func frame(_ passage: Way.Passage, _ port: Int, _ direction: Direction) -> ProbeFrame {
        var frame = probe
        frame.vlan = passage.vlan
        if let mac = passage.sourceMAC { frame.sourceMAC = mac }
        if let mac = passage.destinationMAC { frame.destinationMAC = mac }
        // What is known of the frame counts more than what an honest guest would send; under a policy of a
        // file, guests are taken to be as it binds them.
        let known = direction == .out ? passage.sourceMAC : passage.destinationMAC
        return known != nil && judge.isOfThisHost ? frame : frame.crossing(judge.route.stops[port], direction)
    }
}

/// A packet at a port on a way.
struct Crossing {
    var frame: ProbeFrame
    var port: Int
    var direction: Direction
    var origin: PolicyJudge.Origin

    var hop: PolicyJudge.Hop { .init(frame: frame.bytes, port: port, direction: direction, origin: origin) }
}
