// SPDX-License-Identifier: Apache-2.0
import Compiler
import Policy
import Simulation
import TestSupport
import Wire

/// A policy at a guest's port, judged by test runs of the programs at tc, without the front: nothing is sent, and all
/// that they need is in the first caches.
struct TestRuns {
    private static let repetitions: UInt32 = 20_000

    let simulator: Simulator
    let image: Image
    private let record: Int

    /// Rules for the packets of ``packets``.
    static let rules = """
          - { name: plain, service: udp/53, action: accept, stateless: true }
          - { name: kept, service: udp/5000, action: accept }
          - { name: denied, service: udp/5001, action: drop }

        """

    /// - Parameter more: Rules that match none of the packets.
    init(andRules more: String = "") throws {
        let text = """
            version: 1
            ports:
              guest: { interface: tap0, protects: workload, guard: off }
            groups: { banned: { dynamic: {} } }
            defaults: { in: drop, out: drop }
            rules:

            """ + Self.rules + more
        let loaded = PolicyLoader(files: MemoryFiles(["policy.yaml": text]))
            .load("policy.yaml", requiresDevices: false) { _ in .empty }
        guard let ruleset = loaded.ruleset else { throw Failure("\(loaded.diagnostics)") }
        image = try Compiler().compile(ruleset)
        simulator = try Simulator(image: image)
        record = image.portRecord(entry: 0, protects: .workload)
        let opened = try simulator.judge(frame: Self.frame(5000).bytes, portRecord: record, direction: .out)
        guard opened.verdict == .accept else { throw Failure("no flow: \(opened)") }
    }

    /// A packet, and what decides about it.
    struct Subject {
        let name: String
        let frame: Frame
        let reason: Reason
    }

    /// A packet that a rule accepts without a flow, one that a rule drops, and one of a flow.
    static let subjects = [
        Subject(name: "a stateless rule", frame: frame(53), reason: .rule),
        Subject(name: "a rule that drops", frame: frame(5001), reason: .rule),
        Subject(name: "a flow of UDP", frame: frame(5000), reason: .established),
    ]

    private static func frame(_ port: UInt16) -> Frame {
        Frame(Datagram("198.51.100.1", "203.0.113.1", .udp(40000, port, payload: [UInt8](repeating: 1, count: 10))))
    }

    /// Nanoseconds that a verdict takes.
    func measure(_ subject: Subject) throws -> Double {
        let found = try simulator.measure(
            frame: subject.frame.bytes, portRecord: record, hook: .tcIngress, repetitions: Self.repetitions)
        guard found.outcome?.reason == subject.reason else {
            throw Failure("\(subject.frame): \(String(describing: found))")
        }
        return Double(found.nanoseconds)
    }
}

extension Report {
    /// Measures two ways of judging in turn, because a machine gets slower and faster.
    ///
    /// - Parameter ways: Each with its name; the second is compared with the first, round by round.
    mutating func compare(_ section: String, rounds: Int, _ ways: [(name: String, runs: TestRuns)]) throws {
        for subject in TestRuns.subjects {
            var figures: [[Double]] = [[], []]
            for round in 0..<rounds {
                for which in round % 2 == 0 ? [0, 1] : [1, 0] {
                    figures[which].append(try ways[which].runs.measure(subject))
                }
            }
            for (way, mine) in zip(ways, figures) {
                rows.append(
                    Row(
                        section: section, subject: "\(subject.name), \(way.name)", filter: "bulkhead", hook: "tc",
                        value: mine.median, unit: "ns", ratio: zip(mine, figures[0]).map { $0 / $1 }.median,
                        against: ways[0].name))
            }
        }
    }
}
