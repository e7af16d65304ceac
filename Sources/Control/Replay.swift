// SPDX-License-Identifier: Apache-2.0
import Network
import Simulation
import Wire

/// Which direction the packets of a capture have at the port.
package enum ReplayDirection: Sendable {
    case all(Direction)
    /// `out` where the packet's source is in these prefixes, any other `in`. A frame in which no address was found goes
    /// by its source MAC address: `out` where that is the port's, or, at a port without one, where a packet from inside
    /// came from it before.
    case inside([Prefix])
}

/// Judges the packets of a capture, one after another, at one port.
package struct Replay {
    private let judge: PolicyJudge
    private let port: Int
    private let direction: ReplayDirection
    private let origin: PolicyJudge.Origin
    /// MAC addresses that packets from inside came from, at a port that the policy binds none to.
    private var insideMACs: Set<MACAddress> = []

    /// A packet of a capture, as it was judged.
    package struct Packet: Sendable {
        package let direction: Direction
        package let outcome: Simulator.Outcome
    }

    /// - Parameters:
    ///   - port: One port, by any of its names.
    ///   - via: Where the packets came from that the host sends: `host` or a port; nil: a device that is no port.
    package init(
        _ judge: PolicyJudge, at port: String, _ direction: ReplayDirection, via: String? = nil
    ) throws(Refusal) {
        origin = try via.map(judge.origin) ?? .elsewhere
        self.judge = judge
        self.port = try judge.port(port)
        self.direction = direction
    }

    /// - Parameters:
    ///   - frame: From the destination MAC address on.
    ///   - length: Bytes of the frame on the wire; `frame` may be cut.
    ///   - time: Nanoseconds since 1970; nil: no time has passed.
    package mutating func judge(_ frame: [UInt8], length: Int, at time: UInt64?) throws -> Packet {
        let direction = try direction(of: frame, length: length)
        if let time { judge.time = time }
        return Packet(
            direction: direction,
            outcome: try judge.judge(frame, length: length, at: port, direction, from: origin))
    }

    private mutating func direction(of frame: [UInt8], length: Int) throws -> Direction {
        switch direction {
        case .all(let direction): return direction
        case .inside(let prefixes):
            let packet = try judge.parse(frame, length: length)
            let own = judge.route.stops[port].macs
            guard let source = packet.source else {
                return own.contains(packet.sourceMAC) || insideMACs.contains(packet.sourceMAC) ? .out : .in
            }
            guard prefixes.contains(where: { $0.contains(source) }) else { return .in }
            if own.isEmpty { insideMACs.insert(packet.sourceMAC) }
            return .out
        }
    }
}
