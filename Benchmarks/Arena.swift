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
    }

    let lab: Lab
    let generatorNamespace: Namespace
    private(set) var entries: [Entry] = []
    /// Contenders that could not be put in place, and why.
    private(set) var absent: [(label: Label, reason: String)] = []
    private var places = 0

    init(_ lab: Lab) throws {
        self.lab = lab
        generatorNamespace = try lab.namespace("gen")
    }

    func generator(_ frames: [Frame]) throws -> Generator { try Generator(Trace(frames), in: generatorNamespace) }

    /// Puts a contender in place, to be measured under each of these. One that cannot be is noted.
    func add(
        _ contender: some Contender, section: String, set: String, rules: Int?, generator: Generator
    ) throws {
        try Interruption.check()
        let label = Label(section: section, filter: contender.name, hook: contender.hook, rules: rules, set: set)
        places += 1
        let place = try Place(lab, from: generatorNamespace, number: places)
        do {
            if contender.receivesPackets { try place.receiveAsPackets() }
            try contender.install(at: place, of: lab)
            entries.append(Entry(label: label, place: place, generator: generator))
        } catch {
            absent.append((label, "\(error)"))
        }
    }

    /// Measures all entries in turn, `rounds` times, each burst about `milliseconds` long.
    func measure(rounds: Int, milliseconds: Double) throws -> [Outcome] {
        let sizes = try entries.map { try Arena.size($0, milliseconds) }
        var outcomes = entries.map { Outcome(label: $0.label, nanoseconds: []) }
        for _ in 0..<rounds {
            for (index, entry) in entries.enumerated() {
                try Interruption.check()
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
