// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport

/// What it costs that somebody reads the drops, and whether the three counts add up.
struct Events: Section {
    static let name = "events"
    private static let title = "Dropped packets at XDP, with and without a reader of events"

    let settings: Settings
    let lab: Lab

    private struct Counters: Decodable {
        struct Port: Decodable {
            struct Count: Decodable { var packets: Int }
            var dropped: Count
        }
        struct Events: Decodable { var emitted: Int, suppressed: Int, lost: Int }
        var ports: [Port]
        var events: Events
    }

    func run(_ report: inout Report) throws {
        settings.say("events: a reader of every drop")
        let arena = try Arena(lab)
        let set = RuleSet.synthetic(1000)
        let generator = try arena.generator(set.dropped)
        for subject in ["no reader", "a reader of everything"] {
            let contender = Bulkhead(executable: settings.bulkhead, rules: set.rules)
            try arena.add(contender, [.xdp], section: Events.title, set: subject, rules: 1000, generator: generator)
        }
        guard arena.entries.count == 2 else { throw Failure("\(arena.absences)") }
        let instance = Bulkhead.instance(at: arena.entries[1].place)
        let reader = try Command([settings.bulkhead, "drops", "--json", "--instance", instance])
        // Once it has announced itself, what may be streamed at once after a silence is used up.
        usleep(500_000)
        _ = try generator.send(1 << 15, to: arena.entries[1].place)
        let outcomes = try arena.measure(rounds: settings.rounds, milliseconds: settings.burstMilliseconds)
        usleep(300_000)
        _ = try reader.interrupt()
        report.rows += arena.rows(outcomes, beside: outcomes[0], called: "no reader")
        let json = try Shell.check(settings.bulkhead, "counters", "--json", "--instance", instance)
        let counters = try JSONDecoder().decode(Counters.self, from: Data(json.utf8))
        conclude(outcomes, counters, &report)
    }

    private func conclude(_ outcomes: [Arena.Outcome], _ counters: Counters, _ report: inout Report) {
        let ratio = zip(outcomes[0].nanoseconds, outcomes[1].nanoseconds).map { $0 / $1 }.median
        let events = counters.events
        let dropped = counters.ports.reduce(0) { $0 + $1.dropped.packets }
        let addsUp = events.emitted + events.suppressed + events.lost == dropped && events.emitted > 0
        let sum = "\(events.emitted) emitted + \(events.suppressed) suppressed + \(events.lost) lost"
        report.conclude(
            8, measured: "\(Report.number(ratio)); \(sum) \(addsUp ? "=" : "is not") \(dropped) dropped",
            held: ratio >= 0.95 && addsUp)
    }
}
