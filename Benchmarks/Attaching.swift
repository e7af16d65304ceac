// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport

/// What it takes to put programs on many ports, and to take them off: whole commands.
struct Attaching: Section {
    static let name = "attaching"
    private static let title = "Ports attached and detached, from the command to its end"

    let settings: Settings
    let lab: Lab

    func run(_ report: inout Report) throws {
        let arena = try Arena(lab)
        var words: [String] = []
        var held = true
        for (count, limit) in settings.short ? [(500, 1.0)] : [(500, 1.0), (1000, 2.0)] {
            settings.say("attaching: \(count) ports")
            let place = try arena.place(devices: count)
            let contender = Bulkhead(executable: settings.bulkhead, rules: [])
            let instance = Bulkhead.instance(at: place)
            contender.detachAtEnd(instance, of: lab)
            let policy = try lab.file("\(instance).yaml", contender.policy(at: [(place, .tc)], []).text)
            let apply = [settings.bulkhead, "apply", policy, "--instance", instance]
            let detach = [settings.bulkhead, "detach", "--instance", instance]
            var (first, off, again, end): ([Double], [Double], [Double], [Double]) = ([], [], [], [])
            for _ in 0..<max(settings.rounds / 2, 3) {
                first.append(try seconds(apply))
                off.append(try seconds(detach + ["port0"]))
                again.append(try seconds(apply))
                end.append(try seconds(detach + ["--all"]))
            }
            for (subject, figures) in [
                ("apply, with the check of the programs", first), ("detach, all ports", off),
                ("apply, programs in place", again), ("detach --all", end),
            ] {
                report.rows.append(
                    Report.Row(
                        section: Attaching.title, subject: "\(count) ports", filter: subject, hook: "tc",
                        value: figures.median, unit: "s"))
            }
            words.append("\(count): \(Report.number(first.median)) s, off \(Report.number(end.median)) s")
            held = held && max(first.median, end.median) <= limit
        }
        report.conclude(13, measured: words.joined(separator: "; "), held: held)
    }

    private func seconds(_ words: [String]) throws -> Double {
        try Interruption.check()
        let clock = ContinuousClock()
        let start = clock.now
        let result = try Shell.run(words, seconds: 120)
        guard result.status == 0 else { throw Failure("\(words): \(result.errors)") }
        return (clock.now - start) / .seconds(1)
    }
}
