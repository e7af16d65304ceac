// SPDX-License-Identifier: Apache-2.0
import Compiler
import Libbpf
import Network
import Policy
import Simulation
import TestSupport
import Wire

/// What parts of a verdict cost: the hash of a flow's key, a flow, the windows of TCP. The programs judge one frame
/// again and again by test runs, so nothing is sent and all that they need is in the caches.
struct Costs: Section {
    static let name = "costs"
    private static let title = "Parts of a verdict at tc, by test runs"
    private static let base = "a stateless rule"
    /// As many hashes one run of a program makes.
    private static let hashes = 256.0
    private static let repetitions: UInt32 = 20_000

    let settings: Settings
    let lab: Lab

    /// One of the things that are measured in turn.
    private struct Probe {
        var subject: String
        /// Nanoseconds of one.
        var measure: () throws -> Double
    }

    /// A guest's port of a policy that is in force nowhere.
    private struct Port {
        var simulator: Simulator
        var record: Int
    }

    func run(_ report: inout Report) throws {
        settings.say("costs: parts of a verdict")
        let image = try Costs.image()
        let port = Port(
            simulator: try Simulator(image: image), record: image.portRecord(entry: 0, protects: .workload))
        let probes = try hashing() + AddressFamily.allCases.flatMap { try verdicts($0, port) }
        var rounds: [String: [Double]] = [:]
        for _ in 0..<settings.rounds {
            for probe in probes { rounds[probe.subject, default: []].append(try probe.measure()) }
        }
        let base = rounds["\(Costs.base), v4", default: []]
        for probe in probes {
            let figures = rounds[probe.subject, default: []]
            report.rows.append(
                Report.Row(
                    section: Costs.title, subject: probe.subject, filter: "bulkhead", hook: "tc",
                    value: figures.median, unit: "ns", ratio: zip(figures, base).map { $0 / $1 }.median,
                    against: Costs.base))
        }
    }

    // MARK: The hash

    private func hashing() throws -> [Probe] {
        let object = try Object(EmbeddedObject.hash.bytes, name: EmbeddedObject.hash.name)
        let loaded = try object.load()
        let frame = Costs.frame(.v4, .udp(40000, 53)).bytes
        let none = HashProgram(try loaded.program("hash_none"), frame)
        return try [("v4", "hash_v4"), ("v6", "hash_v6")].map { family, name in
            let program = HashProgram(try loaded.program(name), frame)
            return Probe(subject: "the hash of a key, \(family)") { try program.run() - none.run() }
        }
    }

    /// A program that makes many hashes.
    private final class HashProgram {
        private let program: Program
        private let frame: [UInt8]

        init(_ program: consuming Program, _ frame: [UInt8]) {
            self.program = program
            self.frame = frame
        }

        /// Nanoseconds of one hash.
        func run() throws -> Double {
            Double(try program.testRun(frame: frame, repetitions: 1000).duration) / Costs.hashes
        }
    }

    // MARK: Verdicts

    private static let policy = """
        version: 1
        ports:
          guest: { interface: tap0, protects: workload, guard: off }
        defaults: { in: drop, out: drop }
        rules:
          - { name: plain, service: udp/53, action: accept, stateless: true }
          - { name: kept, service: [udp/5000, tcp/80], action: accept }
        """

    private static func image() throws -> Image {
        let loaded = PolicyLoader(files: MemoryFiles(["policy.yaml": policy]))
            .load("policy.yaml", requiresDevices: false) { _ in .empty }
        guard let ruleset = loaded.ruleset else { throw Failure("\(loaded.diagnostics)") }
        return try Compiler().compile(ruleset)
    }

    private static func frame(_ family: AddressFamily, _ segment: Segment, isAnswer: Bool = false) -> Frame {
        let (guest, server): (IPAddress, IPAddress) =
            family == .v4 ? ("198.51.100.1", "203.0.113.1") : ("2001:db8:1::1", "2001:db8:9::1")
        return Frame(Datagram(isAnswer ? server : guest, isAnswer ? guest : server, segment))
    }

    private func verdicts(_ family: AddressFamily, _ port: Port) throws -> [Probe] {
        let payload = [UInt8](repeating: 1, count: 10)
        let (syn, ack, push): (UInt8, UInt8, UInt8) = (2, 16, 24)
        let datagram = Costs.frame(family, .udp(40000, 5000, payload: payload))
        let data = Costs.frame(
            family, .tcp(40000, 80, flags: push, sequence: 1001, acknowledgement: 5001, payload: payload))
        func say(_ segment: Segment, _ direction: Direction) throws {
            let frame = Costs.frame(family, segment, isAnswer: direction == .in)
            let outcome = try port.simulator.judge(
                frame: frame.bytes, portRecord: port.record, direction: direction)
            guard outcome.verdict == .accept else { throw Failure("\(frame) is not accepted: \(outcome)") }
        }
        try say(.udp(40000, 5000, payload: payload), .out)
        try say(.udp(5000, 40000, payload: payload), .in)
        try say(.tcp(40000, 80, flags: syn, sequence: 1000), .out)
        try say(.tcp(80, 40000, flags: syn | ack, sequence: 5000, acknowledgement: 1001), .in)
        try say(.tcp(40000, 80, flags: ack, sequence: 1001, acknowledgement: 5001), .out)
        let plain = Costs.frame(family, .udp(40000, 53, payload: payload))
        return [
            probe("\(Costs.base), \(family)", plain, .rule, port),
            probe("a flow of UDP, \(family)", datagram, .established, port),
            probe("a flow of TCP with its windows, \(family)", data, .established, port),
        ]
    }

    private func probe(_ subject: String, _ frame: Frame, _ reason: Reason, _ port: Port) -> Probe {
        Probe(subject: subject) {
            let found = try port.simulator.measure(
                frame: frame.bytes, portRecord: port.record, hook: .tcIngress, repetitions: Costs.repetitions)
            guard found.outcome?.reason == reason else { throw Failure("\(subject): \(String(describing: found))") }
            return Double(found.nanoseconds)
        }
    }
}
