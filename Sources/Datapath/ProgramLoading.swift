import CLibbpf
import Libbpf

extension InstanceMaps {
    /// Opens the maps pinned in `folder`, making and pinning those that are missing there; with nil, makes private ones that end with
    /// their holder. `entries`: maps that are to have another number of entries than the objects say.
    static func make(pinnedIn folder: PinFolder?, entries: [String: UInt32] = [:]) throws(DatapathError) -> InstanceMaps
    {
        do {
            let object = try Object(Programs.tc.bytes, name: Programs.tc.name)
            object.select(programs: [])
            for (map, count) in entries { try object.setEntries(count, of: map) }
            let missing = try reusePinned(folder, object)
            let loaded = try object.load()
            if let folder {
                for name in names where missing.contains(name) { try loaded.map(name).pin(at: folder / name) }
            }
            return try InstanceMaps(of: loaded, state: try state(folder))
        } catch let error as BPFError {
            throw DatapathError("cannot make the maps", error)
        } catch let error as DatapathError {
            throw error
        } catch {
            throw DatapathError("cannot make the maps: \(error)")
        }
    }

    /// Gives the object what is pinned, and tells which maps are not.
    private static func reusePinned(_ folder: PinFolder?, _ object: borrowing Object) throws -> Set<String> {
        guard let folder else { return [] }
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
        if let folder, folder.holds(stateName) {
            return try Map(pinnedAt: folder / stateName, name: stateName)
        }
        let map = try Map(
            type: BPF_MAP_TYPE_ARRAY, name: stateName, valueSize: UInt32(MemoryLayout<InstanceState>.size),
            maxEntries: 1)
        if let folder { try map.pin(at: folder / stateName) }
        return map
    }

    private init(of object: borrowing LoadedObject, state: consuming Map) throws(BPFError) {
        self.init(
            slots: try object.map("slots"), scratch: try object.map("scratch"),
            portCounters: try object.map("port_counters"), ruleCounters: try object.map("rule_counters"),
            eventCounters: try object.map("event_counters"), rings: try object.map("rings"),
            readers: try object.map("readers"), buckets: try object.map("buckets"),
            tcPrograms: try object.map("tc_programs"), xdpPrograms: try object.map("xdp_programs"), instance: state)
    }

    /// Loads the shared program of a hook over these maps.
    func loadProgram(_ hook: HookName) throws(BPFError) -> Program {
        let embedded = hook == .xdp ? Programs.xdp : Programs.tc
        let object = try Object(embedded.bytes, name: embedded.name)
        object.select(programs: [hook.mainProgram])
        try share(with: object)
        return try object.load().program(hook.mainProgram)
    }

    /// Puts a shared program where the devices' entry programs find it; what was there is replaced in one step.
    func publish(_ program: borrowing Program, at hook: HookName) throws(BPFError) {
        if hook == .xdp {
            try xdpPrograms.update(hook.number, to: program)
        } else {
            try tcPrograms.update(hook.number, to: program)
        }
    }
}

extension MapDefinition {
    fileprivate func matches(_ info: Map.Info) -> Bool {
        type == info.type && keySize == info.keySize && valueSize == info.valueSize && maxEntries == info.maxEntries
            && flags == info.flags
    }
}
