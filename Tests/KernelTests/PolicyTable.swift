// SPDX-License-Identifier: Apache-2.0
import Compiler
import Datapath
import Foundation
import Network
import Policy
import Synchronization
import TestSupport
import Testing
import Wire

/// A policy in the kernel, attached to nothing, that judges the rows of packet tables. It is loaded on first use.
final class PolicyTable: Sendable {
    private let text: String
    private let loaded = Mutex<Simulation?>(nil)

    init(_ text: String) { self.text = text }

    /// Judges the row at each of its ports and directions: on tc, and before that on XDP if XDP sees such packets.
    func check(_ row: PacketRow, sourceLocation: Testing.SourceLocation = #_sourceLocation) throws {
        try loaded.withLock { loaded in
            if loaded == nil { loaded = try Simulation(policy: text) }
            guard let simulation = loaded else { return }
            for port in row.ports {
                for direction in row.direction.map({ [$0] }) ?? Direction.allCases {
                    try check(row, port, direction, simulation, sourceLocation)
                }
            }
        }
    }

    private func check(
        _ row: PacketRow, _ port: String, _ direction: Direction, _ simulation: Simulation,
        _ sourceLocation: Testing.SourceLocation
    ) throws {
        let binding = try #require(simulation.binding(port), "no port \(port)")
        let probe = Simulation.Probe(row, direction)
        let judged = try simulation.judge(probe, at: binding)
        let place = "\(row.testDescription) at \(port) \(direction)"
        #expect(judged == row.expected, "\(place): \(row.frame)", sourceLocation: sourceLocation)
        // XDP sees what a device receives: `in` on a host port, `out` on a workload's.
        guard direction == (binding.protects == .host ? .in : .out) else { return }
        let early = try simulation.judgeEarly(probe, at: binding)
        if let early { #expect(early == judged, "XDP: \(place): \(row.frame)", sourceLocation: sourceLocation) }
        switch row.early {
        case .drops where binding.protects == .host:
            #expect(early != nil, "XDP lets it pass: \(place): \(row.frame)", sourceLocation: sourceLocation)
        case .leaves:
            #expect(early == nil, "XDP drops it: \(place): \(row.frame)", sourceLocation: sourceLocation)
        case .drops, .either: break
        }
    }
}
