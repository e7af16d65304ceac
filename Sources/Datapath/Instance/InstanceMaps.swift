// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import Libbpf

/// The maps of an instance, held open.
package struct InstanceMaps: Sendable {
    private let maps: [MapName: Map]
    /// nil of private maps.
    let innerMaps: InnerMaps?

    /// - Parameters:
    ///   - innerFolder: where the maps are pinned that maps of maps hold.
    ///   - open: Called for each map once.
    package init(innerFolder: PinFolder?, _ open: (MapName) throws(BPFError) -> Map) throws(BPFError) {
        innerMaps = innerFolder.map { InnerMaps($0) }
        var maps: [MapName: Map] = [:]
        for name in MapName.allCases { maps[name] = try open(name) }
        self.maps = maps
    }

    package subscript(name: MapName) -> Map {
        guard let map = maps[name] else { preconditionFailure("map '\(name.rawValue)' was never opened") }
        return map
    }

    /// Opens the pinned maps of an instance; nil if they are not all there.
    package static func open(_ folder: PinFolder, inner: PinFolder) throws(DatapathError) -> InstanceMaps? {
        let present = Set(try folder.names)
        guard MapName.allCases.allSatisfy({ present.contains($0.rawValue) }) else { return nil }
        do {
            return try InstanceMaps(innerFolder: inner) { name throws(BPFError) in
                try Map(pinnedAt: folder / name.rawValue, name: name.rawValue)
            }
        } catch {
            throw DatapathError("cannot open the instance's maps", error)
        }
    }

    /// Bytes of kernel memory that the maps take, without the policy image.
    package var memory: Int {
        let ports = (try? allInner(.portCounters)) ?? [:]
        let rules = (try? allInner(.ruleCounters)) ?? [:]
        return [Array(maps.values), Array(ports.values), Array(rules.values)].joined().reduce(0) { $0 + $1.memory }
    }

    package func state() throws(BPFError) -> InstanceState {
        try self[.instance].lookup(0, as: InstanceState.self) ?? InstanceState()
    }

    /// The settings that the instance's programs are loaded with. Its secrets are drawn at the first call.
    package func settings() throws(BPFError) -> bh_settings {
        var state = try state()
        if state.answerMark == 0 {
            state.flowSecret = (.random(in: 0 ... .max), .random(in: 0 ... .max))
            state.answerMark = .random(in: 1 ... .max)
            try self[.instance].update(0, to: state)
        }
        return bh_settings(state)
    }

    /// The names of ports that are cut off.
    package var quarantine: NameSet { NameSet(self[.quarantine]) }

    /// Lets an object that is about to be loaded use these maps.
    package func share(with object: borrowing Object) throws(BPFError) {
        for name in MapName.ofPrograms { try object.reuse(self[name], as: name.rawValue) }
    }
}
