import CLibbpf
import Libbpf

/// The shared programs, loaded over one set of maps.
struct LoadedPrograms: ~Copyable {
    var maps: InstanceMaps
    var xdp: Program
    var tcIngress: Program
    var tcEgress: Program

    /// Loads the programs with the maps pinned in `folder`, making and pinning those that are missing there; with nil, over
    /// private maps that end with them.
    static func load(pinnedIn folder: PinFolder?) throws(DatapathError) -> LoadedPrograms {
        do {
            var tc = try Object(Programs.tc.bytes, name: Programs.tc.name)
            let missing = try reusePinned(folder, &tc)
            let loaded = try tc.load()
            if let folder {
                for name in InstanceMaps.names where missing.contains(name) {
                    try loaded.map(name).pin(at: folder / name)
                }
            }
            let maps = try InstanceMaps(of: loaded, state: state(folder))
            let xdp = try Object(Programs.xdp.bytes, name: Programs.xdp.name)
            try maps.share(with: xdp)
            let xdpProgram = try xdp.load().program(HookName.xdp.mainProgram.name)
            return LoadedPrograms(
                maps: maps, xdp: xdpProgram, tcIngress: try loaded.program(HookName.tcIngress.mainProgram.name),
                tcEgress: try loaded.program(HookName.tcEgress.mainProgram.name))
        } catch let error as BPFError {
            throw DatapathError("cannot load the programs", error)
        } catch let error as DatapathError {
            throw error
        } catch {
            throw DatapathError("cannot load the programs: \(error)")
        }
    }

    /// The maps, the programs being held elsewhere.
    consuming func takeMaps() -> InstanceMaps { maps }

    /// Puts the programs where the devices' entry programs find them. Each is replaced in one step.
    func publish() throws(BPFError) {
        try maps.xdpPrograms.update(HookName.xdp.mainProgram.index, to: xdp)
        try maps.tcPrograms.update(HookName.tcIngress.mainProgram.index, to: tcIngress)
        try maps.tcPrograms.update(HookName.tcEgress.mainProgram.index, to: tcEgress)
    }

    /// Gives the object what is pinned, and tells which maps are not.
    private static func reusePinned(
        _ folder: PinFolder?, _ object: inout Object
    ) throws -> Set<String> {
        guard let folder else { return Set(InstanceMaps.names) }
        var missing: Set<String> = []
        for definition in object.maps where !definition.isInternal {
            guard folder.holds(definition.name) else {
                missing.insert(definition.name)
                continue
            }
            let map = try Map(pinnedAt: folder / definition.name, name: definition.name)
            guard definition.matches(map.info) else {
                throw DatapathError(
                    "map '\(definition.name)' of this instance was laid out by another version of bulkhead",
                    advice:
                        "take that version's policy out of the kernel with 'bulkhead detach --all', then apply again")
            }
            try object.reuse(map, as: definition.name)
        }
        return missing
    }

    private static func state(_ folder: PinFolder?) throws(BPFError) -> Map {
        if let folder, folder.holds(InstanceMaps.stateName) {
            return try Map(pinnedAt: folder / InstanceMaps.stateName, name: InstanceMaps.stateName)
        }
        let map = try Map(
            type: BPF_MAP_TYPE_ARRAY, name: InstanceMaps.stateName,
            valueSize: UInt32(MemoryLayout<InstanceState>.size), maxEntries: 1)
        if let folder { try map.pin(at: folder / InstanceMaps.stateName) }
        return map
    }
}

extension InstanceMaps {
    fileprivate init(of object: borrowing LoadedObject, state: consuming Map) throws(BPFError) {
        self.init(
            slots: try object.map("slots"), scratch: try object.map("scratch"),
            portCounters: try object.map("port_counters"), ruleCounters: try object.map("rule_counters"),
            eventCounters: try object.map("event_counters"), rings: try object.map("rings"),
            readers: try object.map("readers"), buckets: try object.map("buckets"),
            tcPrograms: try object.map("tc_programs"), xdpPrograms: try object.map("xdp_programs"), instance: state)
    }
}

extension MapDefinition {
    fileprivate func matches(_ info: Map.Info) -> Bool {
        type == info.type && keySize == info.keySize && valueSize == info.valueSize && maxEntries == info.maxEntries
            && flags == info.flags
    }
}
