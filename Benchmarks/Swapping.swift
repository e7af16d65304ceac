// SPDX-License-Identifier: Apache-2.0
import Foundation
import Policy
import Synchronization
import TestSupport
import Wire

/// What a change of the whole policy takes, and what it costs the packets meanwhile.
struct Swapping: Section {
    static let name = "swap"
    private static let count = 10_000
    private static let title = "Replacing a policy of 10,000 rules by one that differs in every verdict"

    let settings: Settings
    let lab: Lab

    func run(_ report: inout Report) throws {
        settings.say("swap: full replacement, and traffic meanwhile")
        let replaced = try measureReplacement(&report)
        let ratio = try measureTraffic(&report)
        report.conclude(
            7,
            measured:
                "\(Report.number(replaced))x nft linear; throughput \(Report.number(ratio)); SwapTests count mixtures",
            held: replaced >= 6 && ratio >= 0.97)
    }

    // MARK: Replacement

    /// One way to replace a policy: two sets of words to be run in turn.
    private struct Way {
        var filter: String
        var namespace: Namespace?
        var commands: [[String]]
        var seconds: [Double] = []
    }

    /// Nanoseconds become seconds here: whole commands, from words to being in force.
    private func measureReplacement(_ report: inout Report) throws -> Double {
        let arena = try Arena(lab)
        var ways = [try ownWay(arena)]
        for form in [NFT.Form.linear, .set, .map] { ways.append(try nftWay(form, arena)) }
        for round in 0..<2 * max(settings.rounds / 2, 3) {
            for index in ways.indices {
                try Interruption.check()
                let words = ways[index].commands[round % 2]
                let clock = ContinuousClock()
                let start = clock.now
                let result = try Shell.run(ways[index].namespace?.command(words) ?? words, seconds: 120)
                guard result.status == 0 else { throw Failure("\(words): \(result.errors)") }
                ways[index].seconds.append((clock.now - start) / .seconds(1))
            }
        }
        // The first of each makes what the others replace.
        let seconds = ways.map { Array($0.seconds.dropFirst()) }
        for (way, seconds) in zip(ways, seconds) {
            report.rows.append(
                Report.Row(
                    section: Swapping.title, subject: "replacement", rules: Swapping.count, filter: way.filter,
                    hook: "",
                    value: seconds.median * 1000, unit: "ms",
                    ratio: zip(seconds, ways[0].seconds.dropFirst()).map { $0 / $1 }.median, against: "bulkhead"))
        }
        return zip(seconds[1], seconds[0]).map { $0 / $1 }.median
    }

    private func ownWay(_ arena: Arena) throws -> Way {
        let place = try arena.place()
        let contender = Bulkhead(executable: settings.bulkhead, rules: [])
        let files = try [Action.accept, .drop].map { action in
            let policy = contender.policy(at: [(place, .xdp)], Swapping.rules(action))
            return try lab.file("\(place.namespace.name)-\(action).yaml", policy.text)
        }
        let instance = Bulkhead.instance(at: place)
        contender.detachAtEnd(instance, of: lab)
        return Way(
            filter: "bulkhead apply", commands: files.map { [settings.bulkhead, "apply", $0, "--instance", instance] })
    }

    private func nftWay(_ form: NFT.Form, _ arena: Arena) throws -> Way {
        let place = try arena.place()
        let files = try [Action.accept, .drop].map { action in
            let script = NFT(form: form, rules: Swapping.rules(action)).script
            return try lab.file(
                "\(place.namespace.name)-\(action).nft",
                "table netdev bench { }\ndelete table netdev bench\n" + script)
        }
        return Way(filter: form.rawValue, namespace: place.namespace, commands: files.map { ["nft", "-f", $0] })
    }

    private static func rules(_ action: Action) -> [Rule] {
        RuleSet.synthetic(count).rules.map { rule in
            var rule = rule
            rule.action = action
            return rule
        }
    }

    // MARK: Traffic meanwhile

    /// Two instances under the same packets; the policy of one is replaced all the time, then that of the other: what
    /// memory an image happened to get is worth more than what a change costs.
    private func measureTraffic(_ report: inout Report) throws -> Double {
        let arena = try Arena(lab, "t")
        let set = RuleSet.synthetic(Swapping.count)
        let generator = try arena.generator(set.dropped)
        for subject in ["steady", "replaced all the time"] {
            try arena.add(
                Bulkhead(executable: settings.bulkhead, rules: set.rules), [.xdp], section: Swapping.title,
                set: subject,
                rules: Swapping.count, generator: generator)
        }
        guard arena.entries.count == 2 else { throw Failure("\(arena.absences)") }
        var (outcomes, swaps) = try measureTraffic(arena, set, replaced: 1)
        let exchanged = try measureTraffic(arena, set, replaced: 0)
        outcomes[0].add(exchanged.outcomes[1])
        outcomes[1].add(exchanged.outcomes[0])
        swaps += exchanged.swaps
        var rows = arena.rows(outcomes, beside: outcomes[0], called: "steady")
        rows[rows.count - 1].note? += "; \(swaps) swaps"
        report.rows += rows
        return zip(outcomes[0].nanoseconds, outcomes[1].nanoseconds).map { $0 / $1 }.median
    }

    private func measureTraffic(
        _ arena: Arena, _ set: RuleSet, replaced: Int
    ) throws -> (outcomes: [Arena.Outcome], swaps: Int) {
        let place = arena.entries[replaced].place
        let own = Bulkhead(executable: settings.bulkhead, rules: [])
        // The same packets are dropped by both, of which one has a rule more.
        let files = try [set.rules, set.rules.dropLast()].enumerated().map { index, rules in
            try lab.file("\(place.namespace.name)-\(index).yaml", own.policy(at: [(place, .xdp)], Array(rules)).text)
        }
        let done = SwapCount()
        let swapper = Background { isStopped in
            while !isStopped() {
                try own.apply(files[done.value % 2], to: Bulkhead.instance(at: place))
                done.add()
            }
        }
        var outcomes = try arena.measure(rounds: settings.rounds, milliseconds: settings.burstMilliseconds)
        while done.value < 8, !swapper.isDone {
            let more = try arena.measure(rounds: settings.rounds, milliseconds: settings.burstMilliseconds)
            for index in outcomes.indices { outcomes[index].add(more[index]) }
        }
        let swaps = done.value
        try swapper.stop()
        return (outcomes, swaps)
    }
}

/// How often the policy was replaced.
private final class SwapCount: Sendable {
    private let count = Atomic(0)

    var value: Int { count.load(ordering: .relaxed) }
    func add() { count.add(1, ordering: .relaxed) }
}
