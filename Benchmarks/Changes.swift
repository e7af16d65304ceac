// SPDX-License-Identifier: Apache-2.0
import Foundation
import Policy
import TestSupport
import Wire

/// What it takes until the change of one rule is in force: whole commands, beside `nft -f` of the whole set and of one
/// element.
struct Changes: Section {
    static let name = "changes"
    private static let title = "One rule changed, from the command to being in force"

    let settings: Settings
    let lab: Lab

    /// A way to make a change and to take it back.
    private struct Way {
        var filter: String
        var subject: String
        var commands: [[String]]
        var milliseconds: [Double] = []
    }

    func run(_ report: inout Report) throws {
        var held: [Bool] = []
        var words: [String] = []
        for (count, limit) in [(10_000, 15.0), (100_000, 200.0)] {
            settings.say("changes: one rule of \(count)")
            var ways = try ownWays(count) + nftWays(count)
            for round in 0..<2 * settings.rounds + 1 {
                for index in ways.indices { try measure(&ways[index], round) }
            }
            report.rows += ways.map { way in
                Report.Row(
                    section: Changes.title, subject: way.subject, rules: count, filter: way.filter, hook: "",
                    value: way.milliseconds.median, unit: "ms")
            }
            held.append(ways[0].milliseconds.median <= limit)
            words += ways.prefix(2).map { "\(count) rules, \($0.subject): \(Report.number($0.milliseconds.median)) ms" }
        }
        report.conclude(12, measured: words.joined(separator: "; "), held: !held.contains(false))
    }

    /// The first round puts in place what the others change.
    private func measure(_ way: inout Way, _ round: Int) throws {
        try Interruption.check()
        let words = way.commands[round % 2]
        let clock = ContinuousClock()
        let start = clock.now
        let result = try Shell.run(words, seconds: 120)
        guard result.status == 0 else { throw Failure("\(words): \(result.errors)") }
        if round > 0 { way.milliseconds.append((clock.now - start) / .milliseconds(1)) }
    }

    private func ownWays(_ count: Int) throws -> [Way] {
        let arena = try Arena(lab, "o\(count)")
        let rules = RuleSet.synthetic(count).rules
        var (verdict, ports) = (rules, rules)
        verdict[count / 2].action = .drop
        ports[count / 2].services = [.ports(protocol: 6, destination: [7...7], source: [0...UInt16.max])]
        return try [("its verdict", verdict), ("its ports", ports)].enumerated().map { index, changed in
            let place = try arena.place()
            let contender = Bulkhead(executable: settings.bulkhead, rules: [])
            let instance = Bulkhead.instance(at: place)
            contender.detachAtEnd(instance, of: lab)
            // One path for both texts: a policy's name is part of it.
            let path = try lab.file("\(instance).yaml", "")
            let texts = try [rules, changed.1].enumerated().map { number, rules in
                try lab.file("\(instance)-\(number).yaml", contender.policy(at: [(place, .xdp)], rules).text)
            }
            return Way(
                filter: "bulkhead apply", subject: changed.0,
                commands: texts.map { text in
                    let apply = "\(settings.bulkhead) apply \(path) --instance \(instance)"
                    return ["sh", "-c", "cp \(text) \(path) && exec \(apply)"]
                })
        }
    }

    private func nftWays(_ count: Int) throws -> [Way] {
        let arena = try Arena(lab, "n\(count)")
        let rules = RuleSet.synthetic(count).rules
        let whole = try arena.place()
        let scripts = try [rules, Array(rules.dropLast())].enumerated().map { index, rules in
            try lab.file(
                "\(whole.namespace.name)-\(index).nft",
                "table netdev bench { }\ndelete table netdev bench\n" + NFT(form: .set, rules: rules).script)
        }
        let single = try arena.place()
        try NFT(form: .set, rules: Array(rules.dropLast())).install(at: single, of: lab)
        let element = NFT(form: .set, rules: rules).element(rules[count - 1])
        let edits = try ["add", "delete"].map { verb in
            try lab.file("\(single.namespace.name)-\(verb).nft", "\(verb) element netdev bench s { \(element) }\n")
        }
        return [
            Way(
                filter: "nft -f", subject: "the whole set",
                commands: scripts.map { whole.namespace.command(["nft", "-f", $0]) }),
            Way(
                filter: "nft -f", subject: "one element",
                commands: edits.map { single.namespace.command(["nft", "-f", $0]) }),
        ]
    }
}
