// SPDX-License-Identifier: Apache-2.0
import Compiler
import Datapath
import Fuzzing
import Network
import Policy
import Reference
import Simulation
import Synchronization
import TestSupport
import Testing
import Wire

/// The kernel's programs, loaded once, because verifying them takes a while and exchanging the policy does not.
private enum Programs {
    private static let loaded = Mutex<(simulator: Simulator, serial: Int)?>(nil)
    private static let serial = Mutex(0)

    static func nextSerial() -> Int {
        serial.withLock { serial in
            serial += 1
            return serial
        }
    }

    /// Runs `body` while the programs judge by this image; `serial` identifies the image.
    static func judging<Result: Sendable>(
        by image: Image, _ serial: Int, _ body: (Simulator) throws -> Result
    ) throws -> Result {
        try loaded.withLock { loaded in
            if let held = loaded {
                if held.serial != serial {
                    try held.simulator.forgetFlows()
                    try held.simulator.setOwn([])
                    try held.simulator.use(image)
                }
                loaded = (held.simulator, serial)
                return try body(held.simulator)
            }
            let simulator = try Simulator(image: image, answerBlocks: Front.blocks)
            // Each row of a table is judged by itself.
            simulator.keepsFlows = false
            loaded = (simulator, serial)
            return try body(simulator)
        }
    }
}

/// A policy in the kernel's own programs, attached to nothing.
struct Simulation: Sendable {
    /// A port at which a frame is judged.
    struct Port: Sendable {
        var record: Int
        var protects: Protects
    }

    /// A frame to judge.
    struct Probe: Sendable {
        var frame: Frame
        var direction: Direction
        var originalLength: Int?
        var segments: Int
        /// Whether the port is in quarantine.
        var isQuarantined = false
        /// Where it came from, if the host sends it.
        var origin = Simulator.Origin.elsewhere

        init(_ frame: Frame, _ direction: Direction, originalLength: Int? = nil, segments: Int = 1) {
            self.frame = frame
            self.direction = direction
            self.originalLength = originalLength
            self.segments = segments
        }

        init(_ row: PacketRow, _ direction: Direction) {
            self.init(row.frame, direction, originalLength: row.originalLength, segments: row.segments)
        }
    }

    private let image: Image
    private let bindings: [String: PortBinding]
    private let serial: Int

    /// A policy's text, resolved against a host that has every device of the tables' policies.
    init(policy text: String) throws {
        let (loaded, ruleset) = try Self.load(text)
        image = try Compiler().compile(ruleset)
        bindings = Dictionary(loaded.bindings.map { ($0.port.name, $0) }) { first, _ in first }
        serial = Programs.nextSerial()
    }

    static func ruleset(_ text: String) throws -> Ruleset { try load(text).ruleset }

    private static func load(_ text: String) throws -> (loaded: LoadedPolicy, ruleset: Ruleset) {
        let loaded = PolicyLoader(files: MemoryFiles(["policy.yaml": text])).load("policy.yaml") { _ in Self.host }
        let errors = loaded.diagnostics.filter { $0.severity == .error }.map(\.description)
        return (loaded, try #require(loaded.ruleset, "\(errors.joined(separator: "\n"))"))
    }

    init(_ ruleset: Ruleset, compiler: Compiler = Compiler()) throws {
        image = try compiler.compile(ruleset)
        bindings = [:]
        serial = Programs.nextSerial()
    }

    private static let host = HostInventory(namespaces: [
        nil: NamespaceInventory(
            inode: 1,
            interfaces: ["nic0", "nic1", "tap0", "tap1", "tap2", "br0", "stray0", "tap3"].enumerated().map {
                index, name in
                HostInterface(
                    name: name, index: UInt32(index + 2),
                    kind: name == "br0" ? .bridge : name.hasPrefix("tap") || name == "stray0" ? .tap : .other,
                    bridge: name == "stray0" ? "br0" : nil)
            })
    ])

    /// Prefixes become members of a dynamic group, for a time or until they are deleted.
    func add(_ prefixes: [Prefix], to group: String, seconds: Int?) throws {
        try Programs.judging(by: image, serial) { try $0.add(prefixes, to: group, seconds: seconds) }
    }

    func delete(_ prefixes: [Prefix], from group: String) throws {
        try Programs.judging(by: image, serial) { try $0.delete(prefixes, from: group) }
    }

    /// From now on these are the host's own addresses.
    func setOwn(_ addresses: Set<Prefix>) throws {
        try Programs.judging(by: image, serial) { try $0.setOwn(addresses) }
    }

    /// Sets the clock on the wall.
    func set(_ time: Timestamp) throws { try Programs.judging(by: image, serial) { $0.time = time.nanoseconds } }

    func pass(seconds: Int) throws { try Programs.judging(by: image, serial) { $0.pass(seconds: seconds) } }

    /// The port of that name in the policy.
    func binding(_ name: String) -> Port? {
        bindings[name].map {
            port(entry: $0.entry, protects: $0.port.protects, isUnknownToDrop: $0.isUnknownToDrop)
        }
    }

    func port(entry: Int, protects: Protects, isUnknownToDrop: Bool = false) -> Port {
        Port(
            record: image.portRecord(entry: entry, protects: protects, unknownToDrop: isUnknownToDrop),
            protects: protects)
    }

    func origin(_ origin: ReferenceOrigin) -> Simulator.Origin { Simulator.Origin(origin, in: image) }

    /// tc's verdict, and the value that it returns to the kernel.
    func judge(_ probe: Probe, at port: Port) throws -> PacketRow.Expectation {
        try judgeAndParse(probe, at: port).said
    }

    /// The same, with what the program's parser read from the frame; nil if the front judged it, which reads no more
    /// than it needs.
    func judgeAndParse(_ probe: Probe, at port: Port) throws -> (said: PacketRow.Expectation, packet: Packet?) {
        let isIngress = (port.protects == .host) == (probe.direction == .in)
        let (outcome, wasAnswered) = try Programs.judging(by: image, serial) { simulator in
            let outcome = try simulator.judge(
                frame: probe.frame.bytes, originalLength: probe.originalLength, portRecord: port.record,
                hook: isIngress ? .tcIngress : .tcEgress, segmentSize: probe.segments > 1 ? 1000 : 0,
                segments: probe.segments > 1 ? UInt32(probe.segments) : 0, isQuarantined: probe.isQuarantined,
                from: probe.origin)
            return (outcome, simulator.wasAnswered)
        }
        let reason = try #require(outcome.reason, "tc gave no reason: \(probe.frame)")
        // TC_ACT_UNSPEC continues with the next program, TC_ACT_SHOT drops, TC_ACT_REDIRECT sends the answer.
        #expect(outcome.returned == (outcome.verdict == .accept ? UInt32.max : outcome.answer == nil ? 2 : 7))
        try checkAnswer(outcome, to: probe.frame)
        #expect(outcome.direction == probe.direction)
        #expect(outcome.packet.segments == probe.segments)
        let said = PacketRow.Expectation(verdict: outcome.verdict, reason: reason, rule: outcome.ruleName)
        return (said, wasAnswered ? nil : outcome.packet)
    }

    /// A rejected packet's answer must be the reference's; the rest of longer headers may follow it.
    private func checkAnswer(_ outcome: Simulator.Outcome, to frame: Frame) throws {
        guard outcome.verdict == .reject else { return #expect(outcome.answer == nil) }
        let packet = PacketParser.parse(frame.bytes, frameLength: frame.bytes.count)
        // Nothing can be said about a frame that a capture cut short.
        guard packet.refusal == nil else { return }
        let expected = ReferenceAnswer.make(frame.bytes, packet)
        let count = expected.map { max($0.count, packet.ipProtocol == 6 ? packet.l4Offset : 0) }
        #expect(outcome.answer?.count == count, "\(frame)")
        #expect((outcome.answer?.prefix(expected?.count ?? 0)).map { Array($0) } == expected, "\(frame)")
    }

    /// XDP's drop; nil if it leaves the packet to tc.
    func judgeEarly(_ probe: Probe, at port: Port) throws -> PacketRow.Expectation? {
        let outcome = try Programs.judging(by: image, serial) {
            try $0.judge(
                frame: probe.frame.bytes, originalLength: probe.originalLength, portRecord: port.record, hook: .xdp,
                isQuarantined: probe.isQuarantined)
        }
        // XDP_DROP or XDP_PASS.
        #expect(outcome.returned == (outcome.reason == nil ? 2 : 1))
        return outcome.reason.map {
            PacketRow.Expectation(verdict: outcome.verdict, reason: $0, rule: outcome.ruleName)
        }
    }
}
