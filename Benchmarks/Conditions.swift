// SPDX-License-Identifier: Apache-2.0
import Compiler
import Policy
import Simulation
import TestSupport
import Wire

/// What conditions cost a packet that no rule with a condition matches: the same rules, with such rules of other
/// services among them and without. By test runs, without the front, in the same rounds.
struct Conditions: Section {
    static let name = "conditions"
    private static let title = "Rules with conditions that are not asked, by test runs"
    private static let repetitions: UInt32 = 20_000

    let settings: Settings
    let lab: Lab

    private struct Port {
        var simulator: Simulator
        var record: Int
    }

    func run(_ report: inout Report) throws {
        settings.say("conditions: rules that are not asked")
        let ports = try [Self.port(Self.plain), Self.port(Self.plain + Self.conditions)]
        for (what, frame, reason) in try Self.packets(ports) {
            var figures: [[Double]] = [[], []]
            for round in 0..<settings.rounds {
                // In turn, because a machine gets slower and faster.
                for which in round % 2 == 0 ? [0, 1] : [1, 0] {
                    figures[which].append(try measure(frame, reason, ports[which]))
                }
            }
            for (which, subject) in ["without", "with"].enumerated() {
                report.rows.append(
                    Report.Row(
                        section: Self.title, subject: "\(what), \(subject)", filter: "bulkhead", hook: "tc",
                        value: figures[which].median, unit: "ns",
                        ratio: zip(figures[which], figures[0]).map { $0 / $1 }.median, against: "without"))
            }
        }
    }

    private func measure(_ frame: Frame, _ reason: Reason, _ port: Port) throws -> Double {
        let found = try port.simulator.measure(
            frame: frame.bytes, portRecord: port.record, hook: .tcIngress, repetitions: Self.repetitions)
        guard found.outcome?.reason == reason else { throw Failure("\(frame): \(String(describing: found))") }
        return Double(found.nanoseconds)
    }

    // MARK: The policies

    private static let plain = """
          - { name: plain, service: udp/53, action: accept, stateless: true }
          - { name: kept, service: udp/5000, action: accept }
          - { name: denied, service: udp/5001, action: drop }

        """

    private static let conditions = """
          - { name: limited, service: tcp/22, action: accept, limit: { rate: 10/s, per: source } }
          - { name: bytes, service: tcp/23, action: accept, limit: { rate: 10MB/s } }
          - { name: counted, service: tcp/25, action: accept, connections: { max: 20, per: source } }
          - { name: bait, service: tcp/24, action: drop, add: { group: banned } }
          - { name: banned, from: banned, service: tcp/26, action: drop }
          - { name: logged, service: tcp/27, action: log }
          - { name: fields, service: tcp/28, action: accept, match: { tcpFlags: S/SAFR, dscp: ef } }
          - { name: later, service: tcp/29, action: accept, starts: 2020-01-01T00:00:00Z }
          - { name: evenings, service: tcp/30, action: accept, times: { from: "18:00", to: "22:00" } }

        """

    private static func port(_ rules: String) throws -> Port {
        let text = """
            version: 1
            ports:
              guest: { interface: tap0, protects: workload, guard: off }
            groups: { banned: { dynamic: {} } }
            defaults: { in: drop, out: drop }
            rules:

            """ + rules
        let loaded = PolicyLoader(files: MemoryFiles(["policy.yaml": text]))
            .load("policy.yaml", requiresDevices: false) { _ in .empty }
        guard let ruleset = loaded.ruleset else { throw Failure("\(loaded.diagnostics)") }
        let image = try Compiler().compile(ruleset)
        return Port(
            simulator: try Simulator(image: image), record: image.portRecord(entry: 0, protects: .workload))
    }

    /// A packet that a rule accepts without a flow, one that a rule drops, and one of a flow.
    private static func packets(_ ports: [Port]) throws -> [(String, Frame, Reason)] {
        func frame(_ port: UInt16) -> Frame {
            Frame(Datagram("198.51.100.1", "203.0.113.1", .udp(40000, port, payload: [UInt8](repeating: 1, count: 10))))
        }
        for port in ports {
            let outcome = try port.simulator.judge(
                frame: frame(5000).bytes, portRecord: port.record, direction: .out)
            guard outcome.verdict == .accept else { throw Failure("no flow: \(outcome)") }
        }
        return [
            ("a stateless rule", frame(53), .rule), ("a rule that drops", frame(5001), .rule),
            ("a flow of UDP", frame(5000), .established),
        ]
    }
}
