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
        let generator = try arena.generator(Paths.strayed(set.accepted))
        let stateless = set.rules.map { rule in
            var rule = rule
            rule.isStateless = true
            return rule
        }
        let contenders: [(subject: String, rules: Int?, contender: any Contender)] = [
            ("nothing", nil, Unfiltered()), ("a bare program", nil, Bare(receivesPackets: true, passes: true)),
            ("an empty chain", nil, NFT(form: .accepting, rules: [])),
            ("a concatenated set", 10_000, NFT(form: .set, rules: set.rules)),
        ]
        for (subject, rules, contender) in contenders {
            try arena.add(contender, section: Paths.title, set: subject, rules: rules, generator: generator)
        }
        try arena.add(
            Bulkhead(executable: settings.bulkhead, rules: stateless), [.tc], section: Paths.title,
            set: "a stateless rule", rules: 10_000, generator: generator)
        for (subject, frames) in [
            ("an established flow, UDP", set.accepted), ("an established flow, TCP", set.segments),
        ] {
            let frames = Paths.strayed(frames)
            try arena.add(
                Bulkhead(executable: settings.bulkhead, rules: set.rules, extra: ", maxFlows: 262144", adopt: "1d"),
                [.tc], section: Paths.title, set: subject, rules: 10_000, generator: try arena.generator(frames))
            try Paths.establish(frames, arena)
        }
        let outcomes = try arena.measure(rounds: settings.rounds, milliseconds: settings.burstMilliseconds)
        report.rows += arena.rows(outcomes, beside: outcomes.first { $0.label.set == "nothing" }, called: "no filter")
        conclude(outcomes, &report)
    }

    /// Has the flows of frames established at the place that was added last: opened, answered, and gone on with. TCP's
    /// are connections from before the port was attached, and so adopted.
    private static func establish(_ frames: [Frame], _ arena: Arena) throws {
        guard let entry = arena.entries.last else { return }
        _ = try entry.generator.send(Trace.length, to: entry.place)
        let receiver = try PacketSocket(entry.place.namespace, Place.device)
        for frame in frames { try receiver.send(answer(to: frame)) }
        _ = try entry.generator.send(Trace.length, to: entry.place)
    }

    /// The same between the same ends the other way round; all checksums stay right.
    private static func answer(to frame: Frame) -> Frame {
        var bytes = frame.bytes
        // The addresses of IPv4, then the ports.
        for (first, second, size) in [(26, 30, 4), (34, 36, 2)] {
            for index in 0..<size { bytes.swapAt(first + index, second + index) }
        }
        return Frame(bytes: bytes)
    }

    /// Frames that are not for the receiver.
    private static func strayed(_ frames: [Frame]) -> [Frame] {
        frames.map { Frame(bytes: [2, 0, 0, 0, 0, 9] + $0.bytes.dropFirst(6)) }
    }

    private func conclude(_ outcomes: [Arena.Outcome], _ report: inout Report) {
        func figures(_ set: String) -> [Double]? { outcomes.first { $0.label.set == set }?.nanoseconds }
        guard let bare = figures("a bare program"), let udp = figures("an established flow, UDP"),
            let tcp = figures("an established flow, TCP")
        else { return }
        let added = [udp, tcp].map { zip($0, bare).map { $0 - $1 }.median }
        report.conclude(
            11, measured: "flows at tc: UDP +\(Report.number(added[0])), TCP +\(Report.number(added[1])) ns",
            held: added[0] <= 80 && added[1] <= 110)
    }
}

/// Nobody.
struct Unfiltered: Contender {
    let name = "no filter"
    let hook = "none"
    let receivesPackets = true

    func install(at place: Place, of lab: Lab) throws {}
}
