// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import Policy

/// Which flow scopes the host entries of a new generation have.
package struct FlowScopeAllotment {
    /// By entry name; an entry that is not in it has one scope per device.
    package private(set) var scopes: [String: UInt16] = [:]
    /// Scopes that the old generation did not use: to be cleared before they are used.
    package private(set) var fresh: [UInt16] = []

    /// An entry keeps its scope as long as it keeps its name.
    ///
    /// - Parameter keepsAll: Whether the old generation's scopes stay its own.
    package init(entries: [String], old: [(name: String, scope: UInt16)], keepsAll: Bool = false) {
        let base = UInt32(BH_SCOPE_ENTRY)
        let slots = SlotAllotment(
            names: entries, old: old.map { ($0.name, UInt32($0.scope) &- base) }, capacity: Int(BH_DEVICES_MAX),
            keepsAll: keepsAll)
        for (name, slot) in zip(entries, slots.slots) where slot != BH_NONE { scopes[name] = UInt16(base + slot) }
        fresh = slots.fresh.map { UInt16(base + $0) }
    }
}

extension [PortBinding] {
    /// The names of the entries with a port that protects the host.
    var hostEntries: [String] {
        let hosts = filter { $0.port.protects == .host }.sorted { $0.entry < $1.entry }
        var seen: Set<String> = []
        return hosts.map(\.port.entry).filter { seen.insert($0).inserted }
    }
}
