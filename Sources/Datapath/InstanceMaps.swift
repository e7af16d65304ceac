import CDatapathABI
import CLibbpf
import Crypto
import Libbpf

/// What the instance remembers besides the policy: value of its own pinned map `instance`, which no program reads.
struct InstanceState: BitwiseCopyable {
    /// The last generation number that was given out; none is used twice.
    var generation: UInt64 = 0
    /// SHA-256 of the objects whose programs are loaded.
    var programs: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
    var removed = RemovedPorts()
}

/// The maps of an instance, held open.
struct InstanceMaps: ~Copyable, Sendable {
    var slots: Map
    var scratch: Map
    var portCounters: Map
    var ruleCounters: Map
    var eventCounters: Map
    var rings: Map
    var readers: Map
    var buckets: Map
    var flows: Map
    var flowScopes: Map
    var flowTotals: Map
    var tcPrograms: Map
    var xdpPrograms: Map
    var instance: Map

    /// Names of the maps that the programs use, which are the names of their pins.
    static let names = [
        "slots", "scratch", "port_counters", "rule_counters", "event_counters", "rings", "readers", "buckets", "flows",
        "flow_scopes", "flow_totals", "tc_programs", "xdp_programs",
    ]
    static let stateName = "instance"

    /// Opens the pinned maps of an instance; nil where there is none, or only a part of one.
    static func open(_ folder: PinFolder) throws(DatapathError) -> InstanceMaps? {
        let present = Set(folder.names)
        guard (names + [stateName]).allSatisfy(present.contains) else { return nil }
        do {
            return InstanceMaps(
                slots: try pinned(folder, "slots"), scratch: try pinned(folder, "scratch"),
                portCounters: try pinned(folder, "port_counters"), ruleCounters: try pinned(folder, "rule_counters"),
                eventCounters: try pinned(folder, "event_counters"), rings: try pinned(folder, "rings"),
                readers: try pinned(folder, "readers"), buckets: try pinned(folder, "buckets"),
                flows: try pinned(folder, "flows"), flowScopes: try pinned(folder, "flow_scopes"),
                flowTotals: try pinned(folder, "flow_totals"),
                tcPrograms: try pinned(folder, "tc_programs"), xdpPrograms: try pinned(folder, "xdp_programs"),
                instance: try pinned(folder, stateName))
        } catch {
            throw DatapathError("cannot open the instance's maps", error)
        }
    }

    private static func pinned(_ folder: PinFolder, _ name: String) throws(BPFError) -> Map {
        try Map(pinnedAt: folder / name, name: name)
    }

    /// Bytes of kernel memory that the maps take, the policy image not among them.
    var memory: Int {
        slots.memory + scratch.memory + portCounters.memory + ruleCounters.memory + eventCounters.memory + rings.memory
            + readers.memory + buckets.memory + flows.memory + flowScopes.memory + flowTotals.memory + tcPrograms.memory
            + xdpPrograms.memory + instance.memory
    }

    func state() throws(BPFError) -> InstanceState {
        try instance.lookup(0, as: InstanceState.self) ?? InstanceState()
    }

    /// Lets an object that is about to be loaded use these maps.
    func share(with object: borrowing Object) throws(BPFError) {
        try object.reuse(slots, as: "slots")
        try object.reuse(scratch, as: "scratch")
        try object.reuse(portCounters, as: "port_counters")
        try object.reuse(ruleCounters, as: "rule_counters")
        try object.reuse(eventCounters, as: "event_counters")
        try object.reuse(rings, as: "rings")
        try object.reuse(readers, as: "readers")
        try object.reuse(buckets, as: "buckets")
        try object.reuse(flows, as: "flows")
        try object.reuse(flowScopes, as: "flow_scopes")
        try object.reuse(flowTotals, as: "flow_totals")
        try object.reuse(tcPrograms, as: "tc_programs")
        try object.reuse(xdpPrograms, as: "xdp_programs")
    }
}

/// The BPF objects of this build.
enum Programs {
    static let entry = EmbeddedObject.entry
    static let tc = EmbeddedObject.tc
    static let xdp = EmbeddedObject.xdp

    /// SHA-256 of all of them.
    static let hash: (UInt64, UInt64, UInt64, UInt64) = {
        var hash = SHA256()
        for object in [entry, tc, xdp] { hash.update(data: object.bytes) }
        return unsafe hash.finalize().withUnsafeBytes {
            unsafe $0.loadUnaligned(as: (UInt64, UInt64, UInt64, UInt64).self)
        }
    }()
}
