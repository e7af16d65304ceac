// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import CLibbpf
import Compiler
import Datapath
import Glibc
import Host
import Libbpf
import Network
import Policy
import Wire

/// Judges frames with the real programs, which are not attached: the kernel runs them with private maps and a copy of a
/// policy image. Nothing in force is touched or counted. The copy of a policy in force has the bytes that the kernel
/// holds at that moment. It must be a copy, because frames are judged at made-up devices, which the image in force must
/// not have.
///
/// It has its own tables of flows and fragments, empty at first, and all frames that it judges share them. Connections
/// that were there before are not adopted, unless asked for.
///
/// Not for use by several threads at once.
public final class Simulator {
    /// A program to run. XDP drops only what tc would surely drop, and passes the rest on to tc.
    public typealias Hook = HookName

    /// The image that judges.
    public private(set) var view: ImageView

    /// Whether the front judged the last frame, by what it knew of frames alike.
    package private(set) var wasAnswered = false
    /// Whether that was an answer to all packets that rules do not tell apart from it.
    package private(set) var wasAnsweredByClass = false
    /// Ranks of the policy's rules, by the slot of their counter, where the front is there: its answers name a rule by
    /// its counter alone.
    private var ranks: [UInt32: UInt32] = [:]
    /// Which counter each rule has. It follows the rule's name, as on a host: so do the flows that count for a rule.
    package private(set) var counters: [(name: String, slot: UInt32)] = []

    let maps: InstanceMaps
    /// The programs that were needed so far; verifying each takes a while.
    private var programs: [Hook: Loaded] = [:]
    /// The program that reads a frame, once it was needed.
    private var parser: Loaded?

    final class Loaded {
        let program: Program
        init(_ program: consuming Program) { self.program = program }
    }

    private(set) var mapping: Mapping
    private var devicePorts: Int
    private(set) var generation: UInt32
    /// Whether connections that were there before are adopted, from the next policy on.
    public var adopts: Bool
    /// Whether a judged packet's flow and datagram are kept for the next packet; else each is judged with empty tables.
    public var keepsFlows = true
    /// Whether what was left in the programs' room by the last frame is there when the next one comes, as on a host;
    /// else it is empty.
    package var keepsRoom = false
    /// Whether the room keeps how often the front was asked in vain; else it is always asked.
    package var keepsScore = false
    /// The programs' room as the last frame left it.
    private var room = bh_scratch()
    /// Buckets of the flow table that hold flows, or did.
    private var usedBuckets: Set<UInt32> = []
    /// Buckets of the table of fragments that hold something, or did.
    private var usedFragmentBuckets: Set<UInt32> = []
    private let scratch: PerCPUValues<bh_scratch>
    private var limits: LimitAllotment
    var groups: SimulatedGroups
    /// Sets of `sources` that hold something, or did.
    private var usedSources: Set<UInt32> = []
    private(set) var clock = SimulatedClock()
    /// The host's own addresses, for the programs; none at first.
    public private(set) var own: Set<Prefix> = []
    /// Whether ``forgetFlows()`` emptied the tables and nothing was judged since.
    private var isFresh = false
    /// The image's map.
    private var map: Map
    static let secret: UInt64 = 1
    /// The conditions with a limit per source or destination.
    private var limitsByEnd: [bh_condition] = []

    /// What the programs are loaded with; to be changed before the first frame is judged.
    package var settings = bh_settings.simulated

    /// The generation of a policy that is in force nowhere.
    private static let inForceNowhere: UInt32 = 0xffff_ffff

    /// A simulator of a compiled policy.
    ///
    /// - Parameters:
    ///   - adopts: whether connections that were there before are adopted, at any time.
    ///   - instance: the instance whose groups give their members to groups of the same names; nil: groups are empty at
    ///     first.
    public convenience init(
        image: Image, adopts: Bool = false, membersOf instance: Instance? = nil
    ) throws(DatapathError) {
        try self.init(
            bytes: image.bytes, generation: Simulator.inForceNowhere, adopts: adopts,
            groups: try SimulatedGroups(membersOf: instance))
    }

    /// A simulator whose programs have the front, with so many blocks of answers.
    package convenience init(image: Image, answerBlocks: UInt32) throws(DatapathError) {
        try self.init(
            bytes: image.bytes, generation: Simulator.inForceNowhere, adopts: false,
            groups: try SimulatedGroups(membersOf: nil), answerBlocks: answerBlocks)
    }

    /// A simulator of the policy in force.
    public convenience init(policyInForceOf instance: Instance) throws(DatapathError) {
        let image = try instance.imageInForce(try instance.openMaps())
        try self.init(
            bytes: image.bytes, generation: image.generation, adopts: false,
            groups: try SimulatedGroups(membersOf: instance))
    }

    private init(
        bytes: [UInt8], generation number: UInt32, adopts: Bool, groups: SimulatedGroups, answerBlocks: UInt32 = 0
    ) throws(DatapathError) {
        try Preflight.check()
        view = try ImageView(ofPolicy: bytes)
        var generation = Simulator.generation(bytes, view, number, adopts)
        let slots = SlotAllotment(names: view.ruleCounters.map(\.name), old: [], capacity: Int(BH_RULES_MAX)).slots
        generation.setCounters(slots)
        limits = LimitAllotment(view.limitedRules, old: [])
        limitsByEnd = view.limitsByEnd
        generation.setLimitSlots(limits.slots)
        self.groups = groups
        generation.setClock(secret: Simulator.secret, wallOffset: clock.wallOffset, bootOffset: clock.bootOffset)
        self.generation = number
        self.adopts = adopts
        devicePorts = generation.devicePorts
        maps = try InstanceMaps.make(
            pinnedIn: nil, inner: nil,
            entries: [
                MapName.verdicts.rawValue: AnswerTable.entries(blocks: answerBlocks), MapName.buckets.rawValue: 1,
            ])
        settings.answer_blocks = answerBlocks
        generation.setGroupSlots(try self.groups.use(view, in: maps))
        Simulator.bind(&generation, view, before: nil, isFirst: true)
        map = try Simulator.publish(generation, in: maps)
        mapping = try Simulator.mapping(of: map)
        do throws(BPFError) {
            scratch = try PerCPUValues(maps[.scratch], repeating: bh_scratch())
        } catch {
            throw DatapathError("cannot prepare the test run", error)
        }
        note(counters: slots)
    }

    /// Judges by another compiled policy from now on: the programs need not be verified again, and the flows are kept.
    public func use(_ image: Image) throws(DatapathError) {
        let before = (view: view, generation: self.generation)
        self.generation -= 1
        view = try ImageView(ofPolicy: image.bytes)
        var generation = Simulator.generation(image.bytes, view, self.generation, adopts)
        let slots = SlotAllotment(
            names: view.ruleCounters.map(\.name), old: counters, capacity: Int(BH_RULES_MAX)
        ).slots
        generation.setCounters(slots)
        note(counters: slots)
        Simulator.bind(&generation, view, before: isFresh ? nil : before, isFirst: isFresh)
        if !isFresh {
            try change { () throws(BPFError) in try maps[.slots].update(BH_SLOT_BEFORE.rawValue, to: map) }
        }
        limits = LimitAllotment(view.limitedRules, old: limits.named)
        limitsByEnd = view.limitsByEnd
        for slot in limits.fresh {
            try change { () throws(BPFError) in try maps[.limits].update(slot, to: bh_limit()) }
        }
        generation.setLimitSlots(limits.slots)
        generation.setClock(secret: Simulator.secret, wallOffset: clock.wallOffset, bootOffset: clock.bootOffset)
        generation.setGroupSlots(try groups.use(view, in: maps))
        devicePorts = generation.devicePorts
        map = try Simulator.publish(generation, in: maps)
        mapping = try Simulator.mapping(of: map)
    }

    private func note(counters slots: [UInt32]) {
        counters = Array(zip(view.ruleCounters.map(\.name), slots))
        guard settings.answer_blocks > 0 else { return }
        ranks = Dictionary(zip(slots, view.firstRanks)) { first, _ in first }
    }

    /// Binds a made-up device to each port. As on a host, only the first policy adopts TCP connections; a later one
    /// adopts what the policy before passed without a flow.
    private static func bind(
        _ generation: inout Generation, _ view: ImageView, before: (view: ImageView, generation: UInt32)?, isFirst: Bool
    ) {
        let now = KernelClock.nanoseconds()
        generation.setBefore(before?.generation ?? 0)
        for record in 0..<view.portCount {
            let wasUntracked = before?.view.port(record)?.passesUntracked == true
            generation.bind(
                device(record), toRecord: record, attachedAt: isFirst ? now : 0, untrackedAt: wasUntracked ? now : 0)
        }
    }

    /// The image with the host part of a simulator: each host entry has a flow scope, by its record.
    static func generation(
        _ bytes: [UInt8], _ view: ImageView, _ number: UInt32, _ adopts: Bool
    ) -> Generation {
        var generation = Generation(bytes, view, number: number, loadedAt: 0)
        for record in 0..<view.portCount {
            let isHost = view.port(record)?.protects == .host
            generation.setFlowScope(isHost ? flowScope(record, view) : 0, ofRecord: record)
        }
        generation.setAdopting(adopts)
        return generation
    }

    /// The made-up device that stands for a port: one per port, as long as there are enough.
    static func device(_ record: Int) -> UInt16 { UInt16(1 + record % (Int(BH_DEVICES_MAX) - 1)) }

    /// The scope of a port's flows: its device, or its host entry.
    private static func flowScope(_ record: Int, _ view: ImageView) -> UInt16 {
        view.port(record)?.protects == .host ? UInt16(BH_SCOPE_ENTRY) | device(record) : device(record)
    }

    private static func publish(
        _ generation: Generation, in maps: InstanceMaps
    ) throws(DatapathError) -> Map {
        do throws(BPFError) {
            let map = try generation.load()
            // No packet comes meanwhile.
            try maps[.slots].update(try maps.slotInForce(), to: map)
            try Stamp(maps).noteChange()
            return map
        } catch {
            throw DatapathError("cannot prepare the test run", error)
        }
    }

    private static func mapping(of map: Map) throws(DatapathError) -> Mapping {
        do throws(BPFError) {
            return try Mapping(map, writable: true)
        } catch {
            throw DatapathError("cannot prepare the test run", error)
        }
    }

    /// Sets the host's own addresses.
    public func setOwn(_ addresses: Set<Prefix>) throws(DatapathError) {
        guard addresses != own else { return }
        try change { () throws(BPFError) in try maps.setOwn(addresses) }
        own = addresses
    }

    /// Judges a frame at a port, in a direction, at the tc hook that sees that direction.
    public func judge(
        frame: [UInt8], originalLength: Int? = nil, portRecord: Int, device: UInt16? = nil, direction: Direction,
        isQuarantined: Bool = false, from origin: Origin = .elsewhere
    ) throws(DatapathError) -> Outcome {
        let isHost = view.port(portRecord)?.protects == .host
        let hook: Hook = isHost == (direction == .in) ? .tcIngress : .tcEgress
        return try judge(
            frame: frame, originalLength: originalLength, portRecord: portRecord, device: device, hook: hook,
            isQuarantined: isQuarantined, from: origin)
    }

    /// Judges a frame.
    ///
    /// - Parameters:
    ///   - frame: from the destination MAC address on; bytes beyond the kernel's limit are cut.
    ///   - originalLength: bytes on the wire, if the frame was cut; nil: the frame's own length.
    ///   - portRecord: see `Image.portRecord` and ``Status/PortStatus/record``.
    ///   - device: the device's id; nil: the record's made-up one.
    ///   - segmentSize: payload bytes per segment if the frame is a super-packet, else 0. For tc only.
    ///   - segments: their number; 0: not counted, as in what a guest hands over.
    ///   - isQuarantined: whether the port is cut off.
    ///   - origin: where it came from, if the host sends it.
    public func judge(
        frame: [UInt8], originalLength: Int? = nil, portRecord: Int, device: UInt16? = nil, hook: Hook,
        segmentSize: UInt32 = 0, segments: UInt32 = 0, isQuarantined: Bool = false, from origin: Origin = .elsewhere
    ) throws(DatapathError) -> Outcome {
        let fitted = TestFrame(frame, originalLength: originalLength ?? frame.count)
        let outcome = try judge(
            length: fitted.length, portRecord: portRecord, device: device, hook: hook, isQuarantined: isQuarantined,
            from: origin
        ) { () throws(BPFError) in
            try loaded(hook).program.testRun(
                frame: fitted.bytes, context: TestFrame.context(segmentSize, segments, hook: hook))
        }
        if let outcome { return outcome }
        throw DatapathError("the program said nothing of the frame")
    }

    /// Judges a frame that `run` gives to the program of a hook; nil if the program did not see it.
    func judge(
        length: Int, portRecord: Int, device: UInt16?, hook: Hook, isQuarantined: Bool,
        from origin: Origin = .elsewhere, _ run: () throws(BPFError) -> Program.Run
    ) throws(DatapathError) -> Outcome? {
        isFresh = false
        guard let record = UInt16(exactly: portRecord + 1), portRecord >= 0, portRecord < view.portCount else {
            throw DatapathError("the policy has no port record \(portRecord)")
        }
        let device = device ?? Simulator.device(portRecord)
        try bind(device, to: isQuarantined ? record | UInt16(BH_QUARANTINED) : record)
        var input = keepsRoom ? room : bh_scratch()
        if !keepsScore { input.scores = bh_scratch().scores }
        input.tries = 0
        input.front.answered = 0
        input.device = UInt32(device)
        input.frame_length = UInt32(clamping: length)
        input.now = clock.now
        input.came_from = hook == .tcEgress ? origin.number : BH_NONE
        // Tells which CPU the program ran on.
        input.judgement.verdict = BH_NONE
        do throws(BPFError) {
            try scratch.store(input, in: maps[.scratch], at: 0)
            let run = try run()
            try scratch.load(from: maps[.scratch], at: 0)
            guard var found = scratch.first(where: { $0.judgement.verdict != BH_NONE }) else { return nil }
            if keepsRoom { room = found }
            if hook != .xdp { try noteState(found) }
            noteSource(found.packet)
            wasAnswered = found.front.answered != 0
            wasAnsweredByClass = found.front.answered == 1 + BH_ANSWER_CLASS.rawValue
            if wasAnswered, found.judgement.reason == BH_REASON_RULE.rawValue {
                found.judgement.rule = ranks[found.judgement.counter] ?? BH_NONE
            }
            return Outcome(found, run, view)
        } catch {
            throw DatapathError("cannot run the program", error)
        }
    }

    /// Binds a made-up device, as an apply or a quarantine does.
    private func bind(_ device: UInt16, to port: UInt16) throws(DatapathError) {
        let place = devicePorts + Int(device) * MemoryLayout<UInt16>.size
        guard mapping.withBytes({ $0.load(UInt16.self, at: place) }) != port else { return }
        mapping.store(port, at: place)
        try forgetAnswers()
    }

    /// Has the front forget what it has learnt.
    private func forgetAnswers() throws(DatapathError) {
        try change { () throws(BPFError) in try Stamp(maps).noteChange() }
    }

    /// Reads a frame as the programs at the tc hooks do, and does not judge it.
    ///
    /// - Parameters:
    ///   - frame: From the destination MAC address on; bytes beyond the kernel's limit are cut.
    ///   - originalLength: Bytes on the wire, if the frame was cut; nil: the frame's own length.
    public func parse(frame: [UInt8], originalLength: Int? = nil) throws(DatapathError) -> Packet {
        let fitted = TestFrame(frame, originalLength: originalLength ?? frame.count)
        var input = bh_scratch()
        input.frame_length = UInt32(clamping: fitted.length)
        do throws(BPFError) {
            if parser == nil { parser = Loaded(try maps.loadParser()) }
            try scratch.store(input, in: maps[.scratch], at: 0)
            let cpu = try parser?.program.testRun(frame: fitted.bytes, context: []).result ?? 0
            try scratch.load(from: maps[.scratch], at: 0)
            return Packet(scratch[Int(cpu)].packet)
        } catch {
            throw DatapathError("cannot read the frame", error)
        }
    }

    // MARK: Flows and fragments

    /// Remembers which buckets the packet may have written to.
    private func noteState(_ scratch: bh_scratch) throws(BPFError) {
        if scratch.opens != 0 {
            usedBuckets.insert(scratch.hash & UInt32(BH_FLOW_BUCKETS - 1))
            usedBuckets.insert(UInt32(BH_FLOW_BUCKETS) + UInt32(scratch.scope))
        }
        let isFirst = scratch.packet.flags & BH_PACKET_FRAGMENT_FIRST.rawValue != 0
        if isFirst, scratch.judgement.verdict == BH_ACCEPT.rawValue {
            usedFragmentBuckets.insert(scratch.fragment.bucket)
        }
        if !keepsFlows { try clearState() }
    }

    private func noteSource(_ packet: bh_packet) {
        let isV6 = packet.flags & BH_PACKET_IPV6.rawValue != 0
        for limit in limitsByEnd {
            let isDestination = limit.flags & BH_CONDITION_BY_DESTINATION.rawValue != 0
            let high = isDestination ? packet.destination_high : packet.source_high
            let low = isDestination ? packet.destination_low : packet.source_low
            let subject =
                isV6
                ? bh_budget_of(Simulator.secret, high & limit.high_mask, low, limit.low_mask)
                : low & UInt64(limit.v4_mask)
            usedSources.insert(bh_source_set_of(Simulator.secret, subject, limit.identity | (isV6 ? 1 : 0)))
        }
    }

    /// Forgets all flows and datagrams, the use of limits, and the members of its own dynamic groups; resets the clock.
    public func forgetFlows() throws(DatapathError) {
        clock = SimulatedClock()
        time = clock.time
        isFresh = true
        mapping.store(0, in: \bh_image_header.before)
        try change { () throws(BPFError) in
            try clearState()
            for slot in Set(limits.named.map(\.slot)) { try maps[.limits].update(slot, to: bh_limit()) }
            for set in usedSources { try maps[.sources].update(set, to: bh_source_set()) }
            usedSources = []
            try groups.forget()
        }
        try forgetAnswers()
    }

    private func change(_ body: () throws(BPFError) -> Void) throws(DatapathError) {
        do throws(BPFError) {
            try body()
        } catch {
            throw DatapathError("cannot change what the programs remember", error)
        }
    }

    func clearState() throws(BPFError) {
        for bucket in usedFragmentBuckets { try maps[.fragments].update(bucket, to: bh_fragment_bucket()) }
        usedFragmentBuckets = []
        var scopes: Set<UInt16> = []
        for bucket in usedBuckets {
            guard let held = try maps[.flowBuckets].lookup(bucket, as: bh_flow_bucket.self) else { continue }
            scopes.formUnion(held.owners)
            try maps[.flowBuckets].update(bucket, to: bh_flow_bucket())
        }
        for scope in scopes { try maps[.flowScopes].update(UInt32(scope), to: bh_flow_scope()) }
        usedBuckets = []
    }

    /// The time for the programs: nanoseconds since 1970. It stands still unless it is set. If it is set forward, that
    /// much time passes for flows, datagrams and limits; if it is set back, none does.
    public var time: UInt64 {
        get { clock.time }
        set {
            clock.time = newValue
            mapping.store(clock.wallOffset, in: \bh_image_header.wall_offset)
        }
    }

    /// Lets time pass.
    public func pass(seconds: Int) { time += UInt64(clamping: seconds) * 1_000_000_000 }

    /// The flows that have not expired.
    public func flows() throws(DatapathError) -> [Flow] {
        do throws(BPFError) {
            return try maps.flows(inBuckets: usedBuckets.sorted(), at: clock.ticks)
        } catch {
            throw DatapathError("cannot read the flows", error)
        }
    }

    /// The flow table's figures since the programs were loaded. `used` counts the places of this port, or of all.
    public func flowTotals(portRecord: Int? = nil) throws(DatapathError) -> FlowTotals {
        let records = portRecord.map { $0..<$0 + 1 } ?? 0..<view.portCount
        do throws(BPFError) {
            return try maps.flowTotals(scopes: records.map { Simulator.flowScope($0, view) })
        } catch {
            throw DatapathError("cannot read the flow table's figures", error)
        }
    }

    /// The program of a hook; it is loaded when it is first needed.
    func loaded(_ hook: Hook) throws(BPFError) -> Loaded {
        if let known = programs[hook] { return known }
        let loaded = Loaded(try maps.loadProgram(hook, settings))
        programs[hook] = loaded
        return loaded
    }
}
