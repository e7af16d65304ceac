// SPDX-License-Identifier: Apache-2.0
import Network
import Policy
import TestSupport

/// What it costs to let a packet pass at tc: without a flow, by a flow, by a rule of many; beside no filter and an
/// empty chain. What passes is not for the receiver, whose stack forgets it at once.
struct Paths: Section {
    static let name = "paths"
    private static let title = "Accepted packets at tc, one CPU for sender and receiver"

    let settings: Settings
    let lab: Lab

    func run(_ report: inout Report) throws {
        settings.say("paths: accepted packets")
        let arena = try Arena(lab)
        let set = RuleSet.synthetic(10_000)
        let frames = set.accepted.map { Frame(bytes: [2, 0, 0, 0, 0, 9] + $0.bytes.dropFirst(6)) }
        let generator = try arena.generator(frames)
        let stateless = set.rules.map { rule in
            var rule = rule
            rule.isStateless = true
            return rule
        }
        let contenders: [(subject: String, rules: Int?, contender: any Contender)] = [
            ("nothing", nil, Unfiltered()), ("an empty chain", nil, NFT(form: .accepting, rules: [])),
            ("a concatenated set", 10_000, NFT(form: .set, rules: set.rules)),
        ]
        for (subject, rules, contender) in contenders {
            try arena.add(contender, section: Paths.title, set: subject, rules: rules, generator: generator)
        }
        for (subject, rules) in [("a stateless rule", stateless), ("an established flow", set.rules)] {
            try arena.add(
                Bulkhead(executable: settings.bulkhead, rules: rules, extra: ", maxFlows: 262144"), [.tc],
                section: Paths.title, set: subject, rules: 10_000, generator: generator)
        }
        let outcomes = try arena.measure(rounds: settings.rounds, milliseconds: settings.burstMilliseconds)
        report.rows += arena.rows(outcomes, beside: outcomes.first { $0.label.set == "nothing" }, called: "no filter")
    }
}

/// Nobody.
struct Unfiltered: Contender {
    let name = "no filter"
    let hook = "none"
    let receivesPackets = true

    func install(at place: Place, of lab: Lab) throws {}
}
