// SPDX-License-Identifier: Apache-2.0
import Compiler
import Datapath
import Network
import Policy
import Simulation
import TestSupport
import Testing
import Wire

/// A guest's port with a chosen share of the flow table, another such port, and a host's.
struct FlowPorts {
    var web: FlowPort
    var db: FlowPort
    var nic: FlowPort

    var all: [FlowPort] { [web, db, nic] }

    static func simulate(share: Int, other: Int = 1000, _ body: (Simulator, FlowPorts) throws -> Void) throws {
        let policy = FlowScript.closed.replacingOccurrences(of: "vlans: any", with: "maxFlows: \(share)")
            .replacingOccurrences(of: "tap1, protects: workload", with: "tap1, protects: workload, maxFlows: \(other)")
        let ruleset = try Simulation.ruleset(policy)
        let image = try Compiler().compile(ruleset)
        func port(_ name: String, _ protects: Protects = .workload) throws -> FlowPort {
            let entry = try #require(ruleset.entries.firstIndex { $0.name == name })
            return FlowPort(record: image.portRecord(entry: entry, protects: protects))
        }
        let ports = try FlowPorts(web: port("web"), db: port("db"), nic: port("nic", .host))
        try FlowSimulator.use(image, adopts: false) { try body($0, ports) }
    }
}

/// A port with a server, and clients that differ by their ports, from 1000 on: even ones speak IPv4, odd ones IPv6.
struct FlowPort {
    var record: Int

    private func talk(_ client: Int) -> PacketTables.FlowTests.Talk {
        PacketTables.FlowTests.Talk(family: client % 2 == 0 ? .v4 : .v6)
    }

    private func name(_ client: Int) -> UInt16 { UInt16(1000 + client) }

    func judge(_ frame: [UInt8], _ direction: Direction, in simulator: Simulator) throws -> String {
        let outcome = try simulator.judge(frame: frame, portRecord: record, direction: direction)
        return "\(outcome.verdict.rawValue) \(outcome.reason?.rawValue ?? "-")"
    }

    /// The first segment of a handshake.
    func open(_ client: Int, in simulator: Simulator) throws -> String {
        let opening = talk(client).there(.tcp(name(client), 80, flags: 2, sequence: 1000))
        return try judge(opening.bytes, .in, in: simulator)
    }

    /// The second and third segment.
    func goOn(_ client: Int, in simulator: Simulator) throws -> Bool {
        let answer = talk(client).back(.tcp(80, name(client), flags: 18, sequence: 5000, acknowledgement: 1001))
        guard try judge(answer.bytes, .out, in: simulator) == "accept established" else { return false }
        return try isEstablished(client, in: simulator)
    }

    func handshake(_ client: Int, in simulator: Simulator) throws -> Bool {
        try open(client, in: simulator) == "accept rule" && goOn(client, in: simulator)
    }

    /// Whether a segment of each end is admitted.
    func isEstablished(_ client: Int, in simulator: Simulator) throws -> Bool {
        let there = talk(client).there(.tcp(name(client), 80, flags: 16, sequence: 1001, acknowledgement: 5001))
        let back = talk(client).back(.tcp(80, name(client), flags: 16, sequence: 5001, acknowledgement: 1001))
        return try judge(there.bytes, .in, in: simulator) == "accept established"
            && judge(back.bytes, .out, in: simulator) == "accept established"
    }

    /// The slots of its flows.
    func used(in simulator: Simulator) throws -> Int { Int(try simulator.flowTotals(portRecord: record).used) }
}
