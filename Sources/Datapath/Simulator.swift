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
    public private(set) var view: ImageView

    private let maps: InstanceMaps
    /// The programs that were asked for; each takes the verifier a while.
    private var programs: [Hook: Loaded] = [:]

    private final class Loaded {
        let program: Program

        init(_ program: consuming Program) { self.program = program }
    }

    private var mapping: Mapping
    private var devicePorts: Int
    private let scratch: PerCPUValues<bh_scratch>

    /// The one made-up device, which stands for whatever port is asked about.
    private static let device: UInt32 = 1

    /// More than this the kernel's test run of a tc program does not take.
    private static let frameLimit = 3_400

    /// The generation of a policy that is in force nowhere.
    private static let inForceNowhere: UInt32 = 0xffff_ffff

    /// A simulator of a compiled policy.
    public convenience init(image: Image) throws(DatapathError) {
        try self.init(bytes: image.bytes, generation: Simulator.inForceNowhere)
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
        view = try Simulator.view(bytes)
        mapping = try Simulator.publish(generation, in: maps)
        do throws(BPFError) {
            scratch = try PerCPUValues(maps.scratch, repeating: bh_scratch())
        } catch {
            throw DatapathError("cannot prepare the test run", error)
        }
    }

    /// Judges by another compiled policy from now on: the programs need not be verified again.
    public func use(_ image: Image) throws(DatapathError) {
        let generation = try Generation(image.bytes, number: Simulator.inForceNowhere, loadedAt: 0)
        view = try Simulator.view(image.bytes)
        devicePorts = generation.devicePorts
        mapping = try Simulator.publish(generation, in: maps)
    }

    private static func view(_ bytes: [UInt8]) throws(DatapathError) -> ImageView {
        do {
            return try ImageView(bytes)
        } catch {
            throw DatapathError("cannot read the policy image: \(error.message)")
        }
    }

    private static func publish(
        _ generation: Generation, in maps: borrowing InstanceMaps
    ) throws(DatapathError) -> Mapping {
        do throws(BPFError) {
            let map = try generation.load()
            try maps.slots.update(0, to: map)
            return try Mapping(map, writable: true)
        } catch {
            throw DatapathError("cannot prepare the test run", error)
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
        let fitted = Simulator.fitted(frame, originalLength: originalLength ?? frame.count)
        input.frame_length = UInt32(clamping: fitted.length)
        // To tell the CPU that the program ran on.
        input.judgement.verdict = BH_NONE
        do throws(BPFError) {
            try scratch.store(input, in: maps.scratch, at: 0)
            let returned = try run(
                fitted.frame, hook, Simulator.context(segmentSize, segments, hook: hook))
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

    /// The frame as the kernel takes it, and the length that the program is to heed. A frame that does not hold its Ethernet and IP
    /// headers is refused by the kernel: it is lengthened, and the program told where it ends, so that it never reads what was made up.
    private static func fitted(_ frame: [UInt8], originalLength: Int) -> (frame: [UInt8], length: Int) {
        let minimum =
            switch frame.dropFirst(12).prefix(2) {
            case [0x08, 0x00]: 14 + 20
            case [0x86, 0xdd]: 14 + 40
            default: frame.count < 14 ? 64 : 14
            }
        if frame.count < minimum {
            let filling = [UInt8](repeating: 0, count: minimum - frame.count)
            return (frame + filling, min(frame.count, originalLength))
        }
        return (Array(frame.prefix(frameLimit)), originalLength)
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
