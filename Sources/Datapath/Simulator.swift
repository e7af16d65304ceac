import CDatapathABI
import CLibbpf
import Compiler
import Glibc
import Libbpf
import Policy

/// Judges frames with the real programs, attached to nothing: the kernel runs them over private maps and a copy of a policy image.
/// Nothing in force is touched or counted. The copy of a policy in force is what the kernel holds at that moment, byte by byte; a
/// copy, because a frame is judged as at one port, and the image in force cannot be told of made-up ones.
///
/// Not for use by several threads at once.
public final class Simulator {
    /// A program to run. XDP drops only what tc would surely drop, and passes the rest on to it.
    public typealias Hook = HookName

    /// What a program said of a frame.
    public struct Outcome: Sendable, Hashable {
        public var verdict: Action
        /// nil: the XDP program passed the frame on to tc, without a word of its own.
        public var reason: Reason?
        /// Rank of the rule that decided, where one did.
        public var rule: Int?
        public var ruleName: String?
        /// The rule's line, the default's, or else the port's.
        public var source: SourceLocation?
        public var generation: UInt32
        public var direction: Direction
        /// What the program returned to the kernel.
        public var returned: UInt32
        /// What the parser made of the frame.
        public var packet: Packet
    }

    /// The image that judges.
    public let view: ImageView

    private let maps: InstanceMaps
    /// The programs that were asked for; each takes the verifier a while.
    private var programs: [Hook: Loaded] = [:]

    private final class Loaded {
        let program: Program

        init(_ program: consuming Program) { self.program = program }
    }

    private let mapping: Mapping
    private let devicePorts: Int
    private let scratch: PerCPUValues<bh_scratch>

    /// The one made-up device, which stands for whatever port is asked about.
    private static let device: UInt32 = 1

    /// More than this the kernel's test run of a tc program does not take.
    private static let frameLimit = 3_400

    /// The kernel refuses shorter frames, so they are lengthened for the run; the program heeds their true length.
    private static let frameMinimum = 64

    /// A simulator of a compiled policy.
    public convenience init(image: Image) throws(DatapathError) {
        try self.init(bytes: image.bytes, generation: 0xffff_ffff)
    }

    /// A simulator of the policy in force.
    public convenience init(policyInForceOf instance: Instance) throws(DatapathError) {
        let image = try instance.imageInForce(try instance.openMaps())
        try self.init(bytes: image.bytes, generation: image.generation)
    }

    private init(bytes: [UInt8], generation number: UInt32) throws(DatapathError) {
        try Preflight.check()
        let generation = try Generation(bytes, number: number, loadedAt: 0)
        devicePorts = generation.devicePorts
        maps = try InstanceMaps.make(
            pinnedIn: nil, entries: ["port_counters": 4, "rule_counters": 1, "buckets": 1])
        do throws(BPFError) {
            let map = try generation.load()
            try maps.slots.update(0, to: map)
            mapping = try Mapping(map, writable: true)
            scratch = try PerCPUValues(maps.scratch, repeating: bh_scratch())
        } catch {
            throw DatapathError("cannot prepare the test run", error)
        }
        do {
            view = try ImageView(bytes)
        } catch {
            throw DatapathError("cannot read the policy image: \(error.message)")
        }
    }

    /// Judges a frame at a port, in a direction, at the tc hook that sees that direction.
    public func judge(
        frame: [UInt8], originalLength: Int? = nil, portRecord: Int, direction: Direction
    ) throws(DatapathError) -> Outcome {
        let isHost = view.port(portRecord)?.protects == .host
        let hook: Hook = isHost == (direction == .in) ? .tcIngress : .tcEgress
        return try judge(frame: frame, originalLength: originalLength, portRecord: portRecord, hook: hook)
    }

    /// Judges a frame.
    ///
    /// - Parameters:
    ///   - frame: from the destination MAC address on; what exceeds the kernel's limit is cut.
    ///   - originalLength: bytes on the wire, where the frame was cut; nil: the frame's own.
    ///   - portRecord: see `Image.portRecord` and ``Status/Port/record``.
    ///   - segmentSize: payload bytes of a segment, where the frame is a super-packet; else 0. For tc only.
    ///   - segments: their number; 0: not counted, as of what a guest hands over.
    public func judge(
        frame: [UInt8], originalLength: Int? = nil, portRecord: Int, hook: Hook, segmentSize: UInt32 = 0,
        segments: UInt32 = 0
    ) throws(DatapathError) -> Outcome {
        guard let record = UInt16(exactly: portRecord + 1), portRecord >= 0, portRecord < view.portCount else {
            throw DatapathError("the policy has no port record \(portRecord)")
        }
        mapping.store(record, at: devicePorts + Int(Simulator.device) * MemoryLayout<UInt16>.size)
        var input = bh_scratch()
        input.device = Simulator.device
        input.frame_length = UInt32(clamping: originalLength ?? frame.count)
        // To tell the CPU that the program ran on.
        input.judgement.verdict = BH_NONE
        do throws(BPFError) {
            try scratch.store(input, in: maps.scratch, at: 0)
            let returned = try run(
                Simulator.fitted(frame), hook, Simulator.context(segmentSize, segments, hook: hook))
            try scratch.load(from: maps.scratch, at: 0)
            if let found = scratch.first(where: { $0.judgement.verdict != BH_NONE }) {
                return outcome(found, returned: returned)
            }
        } catch {
            throw DatapathError("cannot run the program", error)
        }
        throw DatapathError("the program said nothing of the frame")
    }

    private func run(_ frame: [UInt8], _ hook: Hook, _ context: [UInt8]) throws(BPFError) -> UInt32 {
        let loaded: Loaded
        if let known = programs[hook] {
            loaded = known
        } else {
            loaded = Loaded(try maps.loadProgram(hook))
            programs[hook] = loaded
        }
        return try loaded.program.testRun(frame: frame, context: context).result
    }

    private static func fitted(_ frame: [UInt8]) -> [UInt8] {
        if frame.count > frameLimit { return Array(frame.prefix(frameLimit)) }
        if frame.count < frameMinimum {
            return frame + [UInt8](repeating: 0, count: frameMinimum - frame.count)
        }
        return frame
    }

    /// A `__sk_buff` of a super-packet; empty where it is none.
    private static func context(_ size: UInt32, _ segments: UInt32, hook: Hook) -> [UInt8] {
        guard hook != .xdp, size > 0 || segments > 0 else { return [] }
        var context = unsafe __sk_buff()
        unsafe context.gso_size = size
        unsafe context.gso_segs = segments
        return unsafe withUnsafeBytes(of: context) { unsafe Array($0) }
    }

    private func outcome(_ scratch: bh_scratch, returned: UInt32) -> Outcome {
        let judgement = scratch.judgement
        let reason = Reason(judgement.reason)
        let direction: Direction = judgement.direction == BH_IN.rawValue ? .in : .out
        let place = view.source(of: judgement)
        return Outcome(
            verdict: Action(judgement.verdict) ?? .accept, reason: reason,
            rule: judgement.rule == BH_NONE ? nil : Int(judgement.rule), ruleName: place.rule, source: place.location,
            generation: judgement.generation, direction: direction, returned: returned,
            packet: Packet(scratch.packet))
    }
}

extension ImageView {
    /// The rule that decided, and the line to look at: the rule's, the default's, or else the port's.
    func source(of judgement: bh_judgement) -> (rule: String?, location: SourceLocation?) {
        if judgement.rule != BH_NONE, let rule = rule(Int(judgement.rule)) { return (rule.name, rule.location) }
        let record = port(Int(judgement.port))
        guard Reason(judgement.reason) == .default else { return (nil, record?.location) }
        return (nil, judgement.direction == BH_IN.rawValue ? record?.inLocation : record?.outLocation)
    }
}
