// SPDX-License-Identifier: Apache-2.0
import Compiler
import Datapath
import Network
import Policy
import Reference
import Simulation
import TestSupport
import Wire

/// Mutants of a corpus, judged by the kernel's programs and by the references: the parser, the evaluator, the models of
/// flows, fragments and limits.
public struct Fuzzer {
    /// Whether the programs read a packet as the reference does. The front reads no more than it needs.
    func isRead(_ found: Packet, as packet: Packet) -> Bool {
        guard simulator.wasAnswered else { return found == packet }
        return found.segments == packet.segments && found.wireBytes == packet.wireBytes
    }

    /// A packet that they do not agree about.
    public struct Difference: Sendable, CustomStringConvertible {
        /// Of the run, from 0.
        public var number: Int
        public var description: String
    }

    /// Verdicts and reasons, and how often each was found.
    public internal(set) var counts: [String: Int] = [:]
    public private(set) var droppedEarly = 0
    /// Of those that a guest sent with a vnet header: how many the programs judged, and how many frames came of them.
    public internal(set) var sent = 0
    public internal(set) var arrived = 0

    private let corpus: Corpus
    private var mutator: Mutator
    var random: RandomNumbers
    let simulator: Simulator
    private(set) var image: Image
    private(set) var ruleset: Ruleset
    var reference: ReferenceWorlds
    /// Where the burst is judged.
    private(set) var port: (entry: Int, protects: Protects) = (0, .host)
    private(set) var direction = Direction.in
    private let taps: FuzzTaps?
    /// What happened since the tables were emptied.
    private var history: [String] = []

    private static let ports: [(entry: Int, protects: Protects)] = [(0, .host), (1, .workload), (2, .workload)]
    /// More than this the kernel's test run of a tc program does not take.
    private static let frameLimit = 3_400
    /// Packets after which the tables are emptied: few enough that no bucket is ever full.
    private static let tableSpan = 32
    /// Packets after which another policy comes into force, and the tables are emptied as well.
    private static let policySpan = 312 * tableSpan

    /// - Parameter offloads: Whether a tap sends some mutants with vnet headers. A seed gives other mutants then.
    public init(_ corpus: Corpus, seed: UInt64, offloads: Bool = false) throws {
        self.corpus = corpus
        random = RandomNumbers(seed: seed)
        mutator = Mutator(corpus)
        ruleset = FuzzPolicy.ruleset(for: corpus, &random)
        image = try Compiler().compile(ruleset)
        simulator = try Simulator(image: image, answerBlocks: 64)
        taps = offloads ? try FuzzTaps(simulator) : nil
        reference = ReferenceWorlds(ReferenceFlows(ruleset, start: FuzzPolicy.start))
        try empty()
    }

    /// Begins anew: nothing is left in any table, and no time has passed.
    private mutating func empty() throws {
        try simulator.forgetFlows()
        simulator.time = FuzzPolicy.start.nanoseconds
        reference = ReferenceWorlds(ReferenceFlows(ruleset, start: FuzzPolicy.start))
        history = []
    }

    /// Judges `count` mutants; ends at the first difference, for what comes behind it may be due to it.
    public mutating func run(_ count: Int) throws -> Difference? {
        for number in 0..<count {
            if number % Self.policySpan == Self.policySpan - 1 {
                ruleset = FuzzPolicy.ruleset(for: corpus, &random)
                image = try Compiler().compile(ruleset)
                try simulator.use(image)
            }
            if number % Self.tableSpan == Self.tableSpan - 1 { try empty() }
            if random.once(in: 40) {
                let seconds = random.pick([21, 47, 93])
                simulator.pass(seconds: seconds)
                reference.pass(seconds: seconds)
                history.append("\(seconds) s pass")
            }
            if random.once(in: 40) { try changeMembers() }
            if let text = try judge(mutator.next(&random)) {
                let rules = ruleset.rules.map { "\($0)" }
                let story = ["since the tables were empty:"] + history + ["rules:"] + rules
                return Difference(number: number, description: text + story.joined(separator: "\n  "))
            }
        }
        return nil
    }

    /// Somebody joins a dynamic group by command, or leaves it.
    private mutating func changeMembers() throws {
        let group = random.pick(FuzzPolicy.groups)
        let packet = random.pick(corpus.members).packet
        guard let address = packet.source else { return }
        let prefix = Prefix(address, length: address.family.bits - random.pick([0, 0, 1, 8]))
        if random.once(in: 3) {
            history.append("\(prefix) leaves \(group)")
            try simulator.delete([prefix], from: group)
            reference.change(group) { $0.delete(prefix) }
        } else {
            let seconds = random.pick([nil, 10, 35, 130])
            history.append("\(prefix) joins \(group) for \(seconds ?? 0) s")
            try simulator.add([prefix], to: group, seconds: seconds)
            reference.change(group) { $0.add(prefix, seconds: seconds) }
        }
    }

    /// Where a packet came from; nil if the host does not send it.
    private mutating func origin(_ protects: Protects) -> ReferenceOrigin? {
        guard (protects == .host) == (direction == .out) else { return nil }
        return random.pick([.elsewhere, .host] + ruleset.entries.indices.map { .entry($0) })
    }

    /// What the kernel and the references say otherwise; nil where they agree.
    private mutating func judge(_ mutant: Mutator.Mutant) throws -> String? {
        if mutant.startsBurst || random.once(in: 10) {
            port = random.pick(Self.ports)
            direction = random.pick([.in, .out])
        }
        let (entry, protects) = port
        let bytes = Array(mutant.frame.prefix(Self.frameLimit))
        if let taps, entry == 1, direction == .out, bytes.count >= 14, bytes.count == mutant.originalLength,
            !random.once(in: 4)
        {
            return try judge(bytes, sentBy: taps)
        }
        var (length, segments) = (mutant.originalLength, 1)
        var packet = PacketParser.parse(bytes, frameLength: length)
        if random.once(in: 16), packet.hasL4, [6, 17].contains(packet.ipProtocol), packet.fragment == .whole {
            segments = random.number(2...40)
            length += 1000 * segments
            packet = PacketParser.parse(bytes, frameLength: length, segments: segments)
        }
        let record = image.portRecord(entry: entry, protects: protects)
        let origin = self.origin(protects)
        let isIngress = (protects == .host) == (direction == .in)
        func run(_ hook: HookName) throws -> Simulator.Outcome {
            try simulator.judge(
                frame: bytes, originalLength: length, portRecord: record, hook: hook,
                segmentSize: segments > 1 ? 1000 : 0, segments: segments > 1 ? UInt32(segments) : 0,
                from: Simulator.Origin(origin, in: image))
        }
        // XDP first, for what it creates would be seen behind it.
        let early = isIngress && segments == 1 && random.once(in: 3) ? try run(.xdp) : nil
        let found = try run(isIngress ? .tcIngress : .tcEgress)
        reference.mark(PacketMarks(of: packet, in: bytes))
        let expected = reference.judge(
            packet, quoting: PacketParser.quotation(in: bytes, of: packet), claiming: packet.claim(in: bytes),
            at: .init(scope: entry, entry: entry, protects: protects, origin: origin), direction: direction
        ) { $0.verdict == found.verdict && $0.reason == found.reason && $0.rule == found.rule }
        let said = "\(found.verdict.rawValue) \(found.reason?.rawValue ?? "-")"
        history.append(
            "\(ruleset.entries[entry].name) \(direction.rawValue) from \(origin.map { "\($0)" } ?? "-"): "
                + "\(packet.ends) \(packet.length) bytes: \(said) #\(found.rule ?? -1)")
        counts[said, default: 0] += 1
        var isSame = found.verdict == expected.verdict && found.reason == expected.reason && found.rule == expected.rule
        if packet.refusal == nil { isSame = isSame && isRead(found.packet, as: packet) }
        if let early, let reason = early.reason {
            droppedEarly += 1
            isSame = isSame && early.verdict == .drop && reason == expected.reason && early.rule == expected.rule
        }
        if isSame { return nil }
        return """
            at \(ruleset.entries[entry].name) \(direction.rawValue), \(segments) segments, \(length) bytes on the wire:
              \(Frame(bytes: bytes))
              kernel: \(said) #\(found.rule ?? -1), XDP \(early?.reason?.rawValue ?? "-")
              reference: \(expected)
              kernel: \(found.packet)
              reference: \(packet)
            """
    }
}

extension Packet {
    /// Who sends it to whom.
    fileprivate var ends: String {
        let (source, destination) = (source.map { "\($0)" } ?? "-", destination.map { "\($0)" } ?? "-")
        let detail = [1, 58].contains(ipProtocol) ? "\(type)/\(code) \(echo)" : "\(sourcePort)->\(destinationPort)"
        return "protocol \(ipProtocol) \(source) \(destination) \(detail) \(fragment)"
    }
}
