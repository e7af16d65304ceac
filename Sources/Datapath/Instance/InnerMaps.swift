// SPDX-License-Identifier: Apache-2.0
import Libbpf

/// What the maps of maps of an instance hold: images, members of dynamic groups and counters. The kernel tells their
/// ids, but opens a map by its id only for CAP_SYS_ADMIN. So each is also pinned, by its id.
package struct InnerMaps: Sendable {
    private let folder: PinFolder

    init(_ folder: PinFolder) { self.folder = folder }

    /// Pins a map that is about to be put into a map of maps.
    func keep(_ map: Map) throws(BPFError) {
        let name = "\(map.info.id)"
        if !folder.holds(name) { try map.pin(at: folder / name) }
    }

    /// The map of an id.
    ///
    /// - Throws: ENOENT where it is gone.
    func open(_ id: UInt32, name: String) throws(BPFError) -> Map {
        do throws(BPFError) {
            return try Map(id: id, name: name)
        } catch {
            guard error.errno == .notPermitted else { throw error }
            return try Map(pinnedAt: folder / "\(id)", name: name)
        }
    }

    func remove(_ id: UInt32) throws(DatapathError) { try folder.unpin("\(id)") }

    /// Removes the pins of all maps but these.
    func removeAll(except ids: Set<UInt32>) throws(DatapathError) {
        for name in try folder.names where !(UInt32(name).map(ids.contains) ?? true) { try folder.unpin(name) }
    }
}

extension InstanceMaps {
    /// The map at an index of a map of maps; nil if there is none.
    package func inner(_ outer: MapName, _ index: UInt32, name: String) throws(BPFError) -> Map? {
        guard let id = try self[outer].lookup(index, as: UInt32.self) else { return nil }
        guard let innerMaps else { return try Map(id: id, name: name) }
        return try innerMaps.open(id, name: name)
    }

    /// The maps at all indices of a map of maps.
    func allInner(_ outer: MapName) throws(BPFError) -> [UInt32: Map] {
        var found: [UInt32: Map] = [:]
        for index in 0..<self[outer].info.maxEntries {
            if let map = try inner(outer, index, name: outer.rawValue) { found[index] = map }
        }
        return found
    }

    /// Puts a map into a map of maps.
    package func setInner(_ outer: MapName, _ index: UInt32, to map: Map) throws(BPFError) {
        try innerMaps?.keep(map)
        try self[outer].update(index, to: map)
    }

    /// Makes the maps at these indices of a map of maps, where there are none.
    func provideInner(
        _ outer: MapName, _ indices: Set<UInt32>, _ make: () throws(BPFError) -> Map
    ) throws(BPFError) {
        for index in indices.sorted() {
            guard try self[outer].lookup(index, as: UInt32.self) == nil else { continue }
            try setInner(outer, index, to: try make())
        }
    }

    /// Puts a map in the place of another, which goes.
    func replaceInner(_ outer: MapName, _ index: UInt32, by map: Map) throws {
        let old = try self[outer].lookup(index, as: UInt32.self)
        try setInner(outer, index, to: map)
        if let old { try innerMaps?.remove(old) }
    }

    /// The ids of all maps that are held.
    var innerIDs: Set<UInt32> {
        get throws(BPFError) {
            var ids: Set<UInt32> = []
            for outer in [MapName.slots, .groups, .portCounters, .ruleCounters] {
                for index in 0..<self[outer].info.maxEntries {
                    if let id = try self[outer].lookup(index, as: UInt32.self) { ids.insert(id) }
                }
            }
            return ids
        }
    }
}
