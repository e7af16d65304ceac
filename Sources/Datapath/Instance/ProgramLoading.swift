// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import CLibbpf
import Libbpf

extension InstanceMaps {
    /// Opens the maps pinned in `folder`, making and pinning those that are missing there; with nil, makes private ones
    /// that end with their holder. `inner`: where the maps are pinned that maps of maps hold. `entries`: maps that are
    /// to have another number of entries than the objects say.
    package static func make(
        pinnedIn folder: PinFolder?, inner: PinFolder?, entries: [String: UInt32] = [:]
    ) throws(DatapathError) -> InstanceMaps {
        try DatapathError.naming("cannot make the maps") {
            let object = try Object(Programs.tc.bytes, name: Programs.tc.name)
            object.select(programs: [])
            let usual = [MapName.verdicts.rawValue: AnswerTable.entries(blocks: AnswerTable.blocks)]
            for (map, count) in usual.merging(entries, uniquingKeysWith: { $1 }) {
                try object.setEntries(count, of: map)
            }
            let page = try RuleCounters.makePage()
            try object.setInner(page, of: MapName.ruleCounters.rawValue)
            let missing = try reusePinned(folder, object)
            let loaded = try object.load()
            withExtendedLifetime(page) {}
            if let folder {
                for name in missing { try loaded.map(name).pin(at: folder / name) }
            }
            return try InstanceMaps(innerFolder: inner) { name throws(BPFError) in
                switch name {
                case .instance:
                    try own(name, in: folder) { () throws(BPFError) in
                        try Map(
                            type: BPF_MAP_TYPE_ARRAY, name: name.rawValue,
                            valueSize: UInt32(MemoryLayout<InstanceState>.size), maxEntries: 1)
                    }
                case .quarantine:
                    try own(name, in: folder) { () throws(BPFError) in
                        try NameSet.makeMap(name.rawValue, capacity: 2 * UInt32(BH_DEVICES_MAX))
                    }
                default: try loaded.map(name.rawValue)
                }
            }
        }
    }

    /// Lets the object use the pinned maps; returns the names of maps that are not pinned.
    private static func reusePinned(_ folder: PinFolder?, _ object: borrowing Object) throws -> Set<String> {
        guard let folder else { return [] }
        var missing: Set<String> = []
        for definition in object.maps where MapName(rawValue: definition.name) != nil {
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

    /// Opens a map that no program uses, or makes and pins it.
    private static func own(
        _ name: MapName, in folder: PinFolder?, _ make: () throws(BPFError) -> Map
    ) throws(BPFError) -> Map {
        if let folder, folder.holds(name.rawValue) {
            return try Map(pinnedAt: folder / name.rawValue, name: name.rawValue)
        }
        let map = try make()
        if let folder { try map.pin(at: folder / name.rawValue) }
        return map
    }

    /// Loads the shared program of a hook, with these maps.
    package func loadProgram(_ hook: HookName, _ settings: bh_settings) throws(BPFError) -> Program {
        try loadProgram(hook.mainProgram, of: hook == .xdp ? Programs.xdp : Programs.tc, settings)
    }

    func loadPrograms(_ hooks: [HookName], _ settings: bh_settings) throws(BPFError) -> [LoadedProgram] {
        var loaded: [LoadedProgram] = []
        for hook in hooks { loaded.append(LoadedProgram(hook, try loadProgram(hook, settings))) }
        return loaded
    }

    func loadProgram(
        _ name: String, of embedded: EmbeddedObject, _ settings: bh_settings = .simulated
    ) throws(BPFError) -> Program {
        let object = try Object(embedded.bytes, name: embedded.name)
        object.select(programs: [name])
        try object.setReadOnlyData(settings)
        try share(with: object)
        return try object.load().program(name)
    }

    /// Loads the program that reads a frame and does not judge it.
    package func loadParser() throws(BPFError) -> Program { try loadProgram("bulkhead_parse", of: Programs.unattached) }

    /// The low half of the kernel's jiffies, by which flows age.
    package func jiffies() throws(BPFError) -> UInt32 {
        try SideProgram(try loadProgram("bulkhead_clock", of: Programs.unattached)).run(mark: 0)
    }

    /// Ends flows, each by its place and tag, and keeps each from being adopted for so many jiffies. Returns how many
    /// still were there.
    func endFlows(_ flows: [(place: UInt32, tag: UInt32, ticks: UInt32)]) throws(BPFError) -> Int {
        guard !flows.isEmpty else { return 0 }
        let program = SideProgram(try loadProgram("bulkhead_end_flow", of: Programs.unattached))
        var ended = 0
        for flow in flows { ended += Int(try program.run(mark: flow.place, words: (flow.tag, flow.ticks))) }
        return ended
    }

    /// Removes all flows and datagrams of these scopes, because other devices or entries get their numbers.
    package func clear(_ scopes: [UInt16]) throws(BPFError) {
        guard !scopes.isEmpty else { return }
        try clearFlows(of: scopes)
        let program = SideProgram(try loadProgram("bulkhead_clear_datagrams", of: Programs.unattached))
        for scope in scopes { _ = try program.run(mark: UInt32(scope)) }
    }

    /// A scope's count tells whether it has any flows.
    private func clearFlows(of scopes: [UInt16]) throws(BPFError) {
        var program: SideProgram?
        for scope in scopes {
            let state = try self[.flowScopes].lookup(UInt32(scope), as: bh_flow_scope.self)
            guard let state, state.flows != 0 else { continue }
            if program == nil {
                program = SideProgram(try loadProgram("bulkhead_clear_flows", of: Programs.unattached))
            }
            _ = try program?.run(mark: UInt32(scope))
            try self[.flowScopes].update(UInt32(scope), to: bh_flow_scope())
        }
    }
}

extension MapDefinition {
    fileprivate func matches(_ info: Map.Info) -> Bool {
        type == info.type && keySize == info.keySize && valueSize == info.valueSize && maxEntries == info.maxEntries
            && flags == info.flags
    }
}

/// The shared program of a hook, in the kernel but not in place.
final class LoadedProgram: Sendable {
    let hook: HookName
    let program: Program

    init(_ hook: HookName, _ program: consuming Program) {
        self.hook = hook
        self.program = program
    }
}

/// A program that is not attached, and is run now and then.
private final class SideProgram {
    private let program: Program

    init(_ program: consuming Program) { self.program = program }

    /// - Parameter words: The first two of the control buffer.
    func run(mark: UInt32, words: (UInt32, UInt32) = (0, 0)) throws(BPFError) -> UInt32 {
        var context = unsafe __sk_buff()
        unsafe context.mark = mark
        unsafe context.cb.0 = words.0
        unsafe context.cb.1 = words.1
        let bytes = unsafe withUnsafeBytes(of: context) { unsafe Array($0) }
        return try program.testRun(frame: [UInt8](repeating: 0, count: 64), context: bytes).result
    }
}
