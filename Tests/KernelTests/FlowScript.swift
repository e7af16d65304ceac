// SPDX-License-Identifier: Apache-2.0
import Compiler
import Datapath
import Foundation
import Network
import Policy
import Simulation
import Synchronization
import TestSupport
import Testing
import Wire

/// A sequence of events at the ports of a policy, with the expected outcome for each packet.
struct FlowScript: Sendable, CustomTestStringConvertible {
    enum Step: Sendable {
        /// A frame at a port, with its verdict and reason, such as `accept established`.
        case frame(Frame, at: String, Direction, String)
        /// The same while the port is in quarantine.
        case cutOff(Frame, at: String, Direction, String)
        /// Another policy comes into force.
        case swap(String)
        case pass(seconds: Int)
        /// Addresses and prefixes become members of a dynamic group, for a time or until they are deleted.
        case add([String], to: String, seconds: Int? = nil)
        case delete([String], from: String)
        /// From now on these are the host's own addresses.
        case own([String])
        /// The states of all flows, in alphabetical order.
        case flows([FlowState])
    }

    var testDescription: String
    var policy: String
    var adopts = false
    var steps: [Step]

    init(_ description: String, under policy: String = FlowScript.closed, adopts: Bool = false, _ steps: [Step]) {
        testDescription = description
        self.policy = policy
        self.adopts = adopts
        self.steps = steps
    }

    static func policy(_ rules: String, ports: String = "", defaults: String = "in: drop, out: drop") -> String {
        """
        version: 1
        ports:
          nic: { interface: nic0, protects: host }
          web: { interface: tap0, protects: workload, vlans: any }
          db: { interface: tap1, protects: workload }
        \(ports)
        defaults: { \(defaults) }
        rules:
        \(rules)
        """
    }

    /// A few services are accepted toward what the port protects, and nothing else.
    static let closed = policy(
        """
          - { name: services, service: [tcp/80, udp/53, sctp/3868, ping, proto/47], direction: in, action: accept }
        """)

    /// Nothing is accepted.
    static let shut = policy("  - { name: nothing, action: drop }")

    /// The same is accepted, but by another rule.
    static let renamed = policy("  - { name: all, direction: in, action: accept }")

    /// Everything is accepted from within.
    static let outward = policy("  - { name: out, direction: out, action: accept }")

    static let stateless = policy(
        "  - { name: free, service: [tcp/80, udp/53], direction: in, action: accept, stateless: true }")

    /// One flow at a time for the web guest.
    static let narrow = closed.replacingOccurrences(of: "vlans: any", with: "vlans: any, maxFlows: 1")

    func run(sourceLocation: Testing.SourceLocation = #_sourceLocation) throws {
        var records: [String: Int] = [:]
        try FlowSimulator.use(Self.compile(policy, &records), adopts: adopts) { simulator in
            for (number, step) in steps.enumerated() {
                switch step {
                case .frame(let frame, let port, let direction, let expected),
                    .cutOff(let frame, let port, let direction, let expected):
                    var isCutOff = false
                    if case .cutOff = step { isCutOff = true }
                    let record = try #require(records[port])
                    let outcome = try simulator.judge(
                        frame: frame.bytes, portRecord: record, direction: direction, isQuarantined: isCutOff)
                    let said = "\(outcome.verdict.rawValue) \(outcome.reason?.rawValue ?? "-")"
                    #expect(
                        said == expected, "\(testDescription), step \(number + 1): \(frame)",
                        sourceLocation: sourceLocation)
                case .swap(let text):
                    try simulator.use(Self.compile(text, &records))
                case .pass(let seconds): simulator.pass(seconds: seconds)
                case .add(let words, let group, let seconds):
                    try simulator.add(words.map { try Prefix(parsing: $0) }, to: group, seconds: seconds)
                case .delete(let words, let group):
                    try simulator.delete(words.map { try Prefix(parsing: $0) }, from: group)
                case .own(let words): try simulator.setOwn(Set(words.map { try Prefix(parsing: $0) }))
                case .flows(let states):
                    let found = try simulator.flows().map(\.state.rawValue).sorted()
                    #expect(
                        found == states.map(\.rawValue), "\(testDescription), step \(number + 1)",
                        sourceLocation: sourceLocation)
                }
            }
        }
    }

    /// Compiles a policy, and records its ports by name: `nic` is the host's, the others are guests'.
    static func compile(_ text: String, _ records: inout [String: Int]) throws -> Image {
        let ruleset = try Simulation.ruleset(text)
        let image = try Compiler().compile(ruleset)
        for (number, entry) in ruleset.entries.enumerated() {
            records[entry.name] = image.portRecord(entry: number, protects: entry.name == "nic" ? .host : .workload)
        }
        return image
    }
}

/// Whether the tests' programs have the front. Without it, which BULKHEAD_FRONT=0 asks for, all packets go the general
/// way, and every verdict must be the same.
enum Front {
    static let blocks: UInt32 = ProcessInfo.processInfo.environment["BULKHEAD_FRONT"] == "0" ? 0 : 64
}

/// The programs, loaded once, with a flow table that is cleared before each use.
enum FlowSimulator {
    private static let loaded = Mutex<Simulator?>(nil)

    static func use(_ image: Image, adopts: Bool, _ body: (Simulator) throws -> Void) throws {
        try loaded.withLock { loaded in
            let simulator = try loaded ?? Simulator(image: image, answerBlocks: Front.blocks)
            loaded = simulator
            try simulator.forgetFlows()
            try simulator.setOwn([])
            simulator.adopts = adopts
            try simulator.use(image)
            try body(simulator)
        }
    }
}
