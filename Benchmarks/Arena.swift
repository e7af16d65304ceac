// SPDX-License-Identifier: Apache-2.0
import Libbpf
import TestSupport

/// Where contenders are measured in turn: A B A B.
final class Arena {
    /// One contender under one traffic.
    struct Entry {
        var label: Label
        var place: Place
        var generator: Generator
    }

    /// What a measurement is called.
    struct Label: Hashable {
        var section: String
        var filter: String
        var hook: String
        var rules: Int?
        var set: String
    }

    /// What an entry came to.
    struct Outcome {
        var label: Label
        /// Of each round.
        var nanoseconds: [Double]
        var sent = 0
        var arrived = 0

        /// Adds the rounds of another measurement of the same.
        mutating func add(_ other: Outcome) {
            nanoseconds += other.nanoseconds
            sent += other.sent
            arrived += other.arrived
        }
    }

    let lab: Lab
    private let name: String
    let generatorNamespace: Namespace
    private(set) var entries: [Entry] = []
    /// Contenders that could not be put in place, and why.
    private(set) var absent: [(label: Label, reason: String)] = []
    private var places = 0

    /// - Parameter name: tells arenas of one lab apart.
    init(_ lab: Lab, _ name: String = "") throws {
        self.lab = lab
        self.name = name
        generatorNamespace = try lab.namespace("\(name)gen")
    }

    func generator(_ frames: [Frame], forging: Forging = .nothing) throws -> Generator {
        try Generator(Trace(frames), in: generatorNamespace, forging: forging)
    }

    /// A place where nothing stands yet.
    func place(devices: Int = 1) throws -> Place {
        places += 1
        return try Place(
            from: generatorNamespace, number: places, count: devices, in: lab.namespace("\(name)p\(places)"))
    }

    func add(_ entry: Entry) { entries.append(entry) }

    func addAbsent(_ label: Label, _ reason: String) { absent.append((label, reason)) }

    /// Puts a contender in place, to be measured under each of these. One that cannot be is noted.
    func add(
        _ contender: some Contender, section: String, set: String, rules: Int?, generator: Generator, devices: Int = 1
    ) throws {
        try Interruption.check()
        let label = Label(section: section, filter: contender.name, hook: contender.hook, rules: rules, set: set)
        let place = try place(devices: devices)
        do {
            if contender.receivesPackets { try place.receiveAsPackets() }
            try contender.install(at: place, of: lab)
            entries.append(Entry(label: label, place: place, generator: generator))
        } catch {
            absent.append((label, "\(error)"))
        }
    }

    /// Measures all entries in turn, `rounds` times, each burst about `milliseconds` long. Up to a trace's length goes
    /// ahead of each untimed, for meanwhile the others have filled the CPU's caches with their tables.
    func measure(rounds: Int, milliseconds: Double) throws -> [Outcome] {
        let sizes = try entries.map { try Arena.size($0, milliseconds) }
        var outcomes = entries.map { Outcome(label: $0.label, nanoseconds: []) }
        for _ in 0..<rounds {
            for (index, entry) in entries.enumerated() {
                try Interruption.check()
                _ = try entry.generator.send(min(sizes[index], Trace.length), to: entry.place)
                let burst = try entry.generator.send(sizes[index], to: entry.place)
                outcomes[index].nanoseconds.append(burst.nanoseconds)
                outcomes[index].sent += burst.sent
                outcomes[index].arrived += burst.arrived
            }
        }
        return outcomes
    }

    /// How many frames such a burst has; warms up on the way.
    private static func size(_ entry: Entry, _ milliseconds: Double) throws -> Int {
        let batch = 64
        var count = batch
        var burst = try entry.generator.send(count, to: entry.place)
        while Double(count) * burst.nanoseconds < 2e6, count < 1 << 20 {
            count *= 4
            burst = try entry.generator.send(count, to: entry.place)
        }
        let wanted = milliseconds * 1e6 / max(burst.nanoseconds, 1)
        return max(Int(wanted) / batch, 1) * batch
    }
}

// MARK: What came of it

extension Arena {
    /// Rows of outcomes, each with its ratio to another one.
    func rows(_ outcomes: [Outcome], beside limit: Outcome?, called name: String) -> [Report.Row] {
        outcomes.map { outcome in
            var row = Arena.row(outcome.label)
            row.value = 1000 / outcome.nanoseconds.median
            row.note = "\(Report.number(outcome.nanoseconds.median)) ns a packet"
            if let limit {
                row.ratio = zip(limit.nanoseconds, outcome.nanoseconds).map { $0 / $1 }.median
                row.against = name
                row.note! += "; \(name) \(Report.number(limit.nanoseconds.median)) ns"
            }
            let lost = outcome.sent - outcome.arrived
            if lost > outcome.sent / 1000 { row.note! += "; \(lost) of \(outcome.sent) did not arrive" }
            return row
        }
    }

    /// Rows of those who could not be put in place.
    var absences: [Report.Row] {
        absent.map { label, reason in
            var row = Arena.row(label)
            row.note = "not measured: " + reason.split(separator: "\n").prefix(1).joined()
            return row
        }
    }

    private static func row(_ label: Label) -> Report.Row {
        Report.Row(
            section: label.section, subject: label.set, rules: label.rules == 0 ? nil : label.rules,
            filter: label.filter, hook: label.hook, unit: "Mpps")
    }
}
