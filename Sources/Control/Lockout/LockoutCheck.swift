// SPDX-License-Identifier: Apache-2.0
import Datapath
import Host
import Network
import Policy
import Simulation
import Wire

/// Whether a policy that is about to be put in force would cut the login that the command is run over. It is asked
/// about that very connection: its packets are judged by the new policy's image at each port that they cross.
struct LockoutCheck {
    let judge: PolicyJudge
    let network: any NetworkView
    /// How the ports are filtered now, by their devices.
    let present: [DeviceID: Present]

    /// A port as the policy in force has it.
    struct Present: Sendable, Hashable {
        var entry: String
        var protects: Protects
        /// Whether its packets are judged.
        var isFiltered: Bool
    }

    /// Why a connection would be cut.
    struct Cut: Sendable {
        enum Cause: Sendable, Hashable {
            /// The policy does not accept what opened it, or its answers.
            case refused
            /// Its port is filtered from now on, and open connections are not adopted there.
            case notAdopted
            /// Its port belongs to another entry from now on, which knows nothing of open connections.
            case otherEntry
            /// Its port was detached, and is filtered again, and connections opened meanwhile are not adopted.
            case filteredAgain
        }

        var hop: Explanation.Hop
        var cause: Cause
        var isReply: Bool
    }

    /// How an open connection goes on at a port.
    private enum Carrying: CaseIterable {
        /// By its flow, which is judged anew by what opened it.
        case byFlow
        case adopted
        /// Not at all: another entry.
        case otherEntry
        /// Not at all: the port was detached.
        case filteredAgain

        var cause: Cut.Cause {
            switch self {
            case .byFlow: .refused
            case .adopted: .notAdopted
            case .otherEntry: .otherEntry
            case .filteredAgain: .filteredAgain
            }
        }
    }

    private typealias Crossed = (crossing: Crossing, isReply: Bool)

    /// nil: the policy does not cut it.
    func cut(_ connection: TCPConnection) throws -> Cut? {
        let path = PathEnds(network: network, route: judge.route)
        let (received, sent) = SessionPath(path: path, connection: connection).ways()
        let probe = ProbeFrame(connection)
        let ways = ExplainedWays(path: path, probe: probe, judge: judge)
        for way in received {
            for reply in sent {
                let here = ways.crossings(on: way)
                let there = ExplainedWays(path: path, probe: probe.reply, judge: judge).crossings(on: reply)
                if let cut = try cut(here, there, path) { return cut }
            }
        }
        return nil
    }

    /// Judges the connection by each way that open connections go on at a port.
    private func cut(_ here: [Crossing], _ there: [Crossing], _ path: PathEnds) throws -> Cut? {
        for carrying in Carrying.allCases {
            let received = here.filter { self.carrying($0.port, path) == carrying }
            let sent = there.filter { self.carrying($0.port, path) == carrying }
            guard !received.isEmpty || !sent.isEmpty else { continue }
            let opening = try opening(received, sent)
            if carrying == .byFlow, opening == nil { continue }
            // What the rules accept without a flow goes on even so.
            if let later = try carriedOn(received, sent, carrying) { return opening ?? later }
        }
        return nil
    }

    /// The handshake, as if the connection were opened now.
    private func opening(_ received: [Crossing], _ sent: [Crossing]) throws -> Cut? {
        judge.attachAnew(.none)
        return try firstCut(
            segment(received, .opening) + segment(sent, .answer, isReply: true) + segment(received, .later), .refused)
    }

    /// Its next packets where no flow is there, from whichever end the first one comes.
    private func carriedOn(_ received: [Crossing], _ sent: [Crossing], _ carrying: Carrying) throws -> Cut? {
        let received = segment(received, .later)
        let sent = segment(sent, .laterAnswer, isReply: true)
        for order in [received + sent, sent + received] {
            judge.attachAnew(carrying == .adopted ? .asWritten : .none)
            if let cut = try firstCut(order, carrying.cause) { return cut }
        }
        return nil
    }

    private func carrying(_ port: Int, _ path: PathEnds) -> Carrying {
        guard let device = path.devices[port], let before = present[device] else { return .adopted }
        let stop = path.stops[port].port
        let isSame = before.protects == stop.protects && (stop.protects == .workload || before.entry == stop.entry)
        return !isSame ? .otherEntry : before.isFiltered ? .byFlow : .filteredAgain
    }

    private func segment(_ crossings: [Crossing], _ segment: ProbeSegment, isReply: Bool = false) -> [Crossed] {
        crossings.map { crossing in
            var crossing = crossing
            crossing.frame.segment = segment
            return (crossing, isReply)
        }
    }

    private func firstCut(_ crossings: [Crossed], _ cause: Cut.Cause) throws -> Cut? {
        let outcomes = try judge.judge(
            crossings.map(\.crossing.hop))
        for (place, outcome) in zip(crossings, outcomes) where outcome.verdict != .accept {
            let hop = Explanation.Hop(port: judge.ports[place.crossing.port].name, place.crossing.direction, outcome)
            return Cut(hop: hop, cause: cause, isReply: place.isReply)
        }
        return nil
    }
}

extension ProbeFrame {
    /// The client opened the connection, so its packets are the ones that are asked about.
    fileprivate init(_ connection: TCPConnection) {
        self.init(
            source: connection.remote.address, destination: connection.local.address,
            sourceMAC: MACAddress(0x0200_0000_0001), destinationMAC: MACAddress(0x0200_0000_0002),
            service: .tcp(port: connection.local.port), sourcePort: connection.remote.port, vlan: nil)
    }

    /// A packet of the same connection from the other end.
    fileprivate var reply: ProbeFrame {
        guard case .tcp(let port) = service else { return self }
        var frame = self
        (frame.source, frame.destination) = (destination, source)
        (frame.sourceMAC, frame.destinationMAC) = (destinationMAC, sourceMAC)
        frame.service = .tcp(port: sourcePort)
        frame.sourcePort = port
        return frame
    }
}
