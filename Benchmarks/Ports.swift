// SPDX-License-Identifier: Apache-2.0
import TestSupport

/// What a packet costs with few ports and with many, all of them in use in turn. Each frame of the trace always goes to
/// the same port, so that as many different packets come, however many ports there are.
struct Ports: Section {
    static let name = "ports"
    private static let title = "Dropped packets at XDP, by the number of ports of one policy"

    let settings: Settings
    let lab: Lab

    func run(_ report: inout Report) throws {
        let arena = try Arena(lab)
        let set = RuleSet.synthetic(1000)
        let generator = try arena.generator(set.dropped)
        let counts = settings.short ? [1, 200] : [1, 10, 100, 1000]
        for count in counts {
            settings.say("ports: \(count)")
            try arena.add(
                Bare(receivesPackets: false), section: Ports.title, set: "\(count) ports", rules: nil,
                generator: generator, devices: count)
            try arena.add(
                Bulkhead(executable: settings.bulkhead, rules: set.rules), [.xdp], section: Ports.title,
                set: "\(count) ports", rules: nil, generator: generator, devices: count)
        }
        let outcomes = try arena.measure(rounds: settings.rounds, milliseconds: settings.burstMilliseconds)
        report.rows += outcomes.flatMap { outcome in
            let limit = outcomes.first { $0.label.set == outcome.label.set && $0.label.filter == "bare program" }
            return arena.rows([outcome], beside: limit, called: "bare XDP")
        }
        report.rows += arena.absences
        conclude(outcomes, counts, &report)
    }

    /// Compares what is above the bare program on as many ports: a cable costs more itself where there are many.
    private func conclude(_ outcomes: [Arena.Outcome], _ counts: [Int], _ report: inout Report) {
        func above(_ count: Int) -> [Double]? {
            let here = outcomes.filter { $0.label.set == "\(count) ports" }
            guard here.count == 2 else { return nil }
            return zip(here[1].nanoseconds, here[0].nanoseconds).map { $0 - $1 }
        }
        guard let few = above(counts[0]), let many = above(counts[counts.count - 1]) else { return }
        let ratio = zip(many, few).map { $0 / $1 }.median
        report.conclude(
            9, measured: "\(Report.number(ratio)) (ns above the bare program, \(counts[counts.count - 1]) ports / 1)",
            held: ratio <= 1.2)
    }
}
