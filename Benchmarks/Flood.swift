// SPDX-License-Identifier: Apache-2.0
import Network
import TestSupport

/// A flood of forged openings toward a guest, ten times as many as the flow table has places, beside honest traffic.
struct Flood: Section {
    static let name = "flood"
    private static let title = "A flood of forged SYNs toward a guest"
    private static let tableSize = 262_144
    private static let connections = 200
    /// Seconds between honest requests.
    private static let interval = 0.001

    let settings: Settings
    let lab: Lab

    private struct Outcome {
        var kept = 0
        /// Honest requests answered, a second, without and beside the flood.
        var calm = 0.0
        var flooded = 0.0
        var seconds = 0.0
        var note = ""
    }

    func run(_ report: inout Report) throws {
        settings.say("flood: \(10 * Flood.tableSize) forged SYNs, without a filter and with one")
        let generators = try lab.namespace("gen")
        let none = try measure(GuestNetwork(lab, "none"), from: generators, number: 1, isFiltered: false)
        let own = try measure(GuestNetwork(lab, "own"), from: generators, number: 2, isFiltered: true)
        for (name, outcome) in [("no filter", none), ("bulkhead", own)] {
            report.rows.append(
                row("established connections kept", name, Double(outcome.kept), "of \(Flood.connections)"))
            var goodput = row("honest requests, beside the flood", name, outcome.flooded, "/s")
            goodput.ratio = outcome.flooded / outcome.calm
            goodput.against = "without the flood"
            goodput.note = outcome.note
            report.rows.append(goodput)
        }
        let goodput = own.flooded / own.calm
        report.conclude(
            6, measured: "\(own.kept) of \(Flood.connections) kept, goodput \(Report.number(goodput))",
            held: own.kept == Flood.connections && goodput >= 0.95)
    }

    private func row(_ subject: String, _ filter: String, _ value: Double, _ unit: String) -> Report.Row {
        Report.Row(
            section: Flood.title, subject: subject, filter: filter, hook: filter == "bulkhead" ? "tc" : "",
            value: value, unit: unit)
    }

    private func measure(
        _ network: GuestNetwork, from generators: Namespace, number: Int, isFiltered: Bool
    ) throws -> Outcome {
        var outcome = Outcome()
        let place = try network.place(from: generators, number: number)
        if isFiltered {
            let policy = network.policy(1000, maxFlows: Flood.tableSize)
            _ = try network.enforce(policy, with: settings.bulkhead, of: lab)
        }
        let established = try (0..<Flood.connections).map { _ in
            try TCPConnection(from: network.client, to: network.answers)
        }
        guard established.allSatisfy(\.answers) else { throw Failure("connections do not answer before the flood") }
        let honest = try TCPConnection(from: network.client, to: network.answers)
        outcome.calm = Double(try honest.request(seconds: 2, interval: Flood.interval).count) / 2
        let flood = try Generator(Trace([Flood.opening]), in: generators, forging: .hosts)
        let clock = ContinuousClock()
        let start = clock.now
        let sender = Background { isStopped in try Flood.send(flood, to: place, isStopped) }
        var answered = 0
        while !sender.isDone {
            try Interruption.check()
            answered += try honest.request(seconds: 0.25, interval: Flood.interval).count
        }
        outcome.seconds = (clock.now - start) / .seconds(1)
        let arrived = try sender.value()
        outcome.flooded = Double(answered) / outcome.seconds
        outcome.kept = established.filter(\.answers).count
        outcome.note = "\(arrived) forged, \(Report.number(Double(arrived) / outcome.seconds / 1e6)) million/s"
        return outcome
    }

    /// Toward the guest; the generator fills in the source.
    private static var opening: Frame {
        Frame(
            Datagram("198.18.0.0", IPAddress(GuestNetwork.guestAddress)!, .tcp(0, GuestNetwork.answerPort)))
    }

    /// Sends all of the flood as fast as it goes beside the honest traffic, which comes first; returns how many arrived
    /// at the bridge.
    private static func send(_ flood: Generator, to place: Place, _ isStopped: () -> Bool) throws -> Int {
        var arrived = 0
        // In a few large portions, for each has to be set up.
        while arrived < 10 * tableSize, !isStopped() {
            arrived += try flood.send(1 << 16, to: place, alone: false).arrived
        }
        return arrived
    }
}
