// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import Policy

/// Which device ids a new generation uses. Pure, so that it can be tested without a kernel.
package struct DeviceAllotment {
    /// What is to be enforced at one port.
    package struct Request: Hashable {
        package var identity: DeviceRecord.Identity
        package var record: Int
        package var isOfSeveral: Bool
        package var mode: PortEntry.Mode
        package var protects: Protects
        /// As the report calls it.
        package var port: String
    }

    /// Every request with its id, and with the record of the old generation where it had the same device.
    package private(set) var devices: [(request: Request, id: UInt16, old: DeviceRecord?)] = []

    /// Ids of devices that the old generation had are kept by them, and by no one else: their programs still run while
    /// the new generation is published.
    ///
    /// - Parameter replaced: ids of devices that are gone, though another has got their number.
    package init(_ requests: [Request], old: [DeviceRecord], replaced: Set<UInt16> = []) throws(DatapathError) {
        let kept = old.filter { !replaced.contains($0.id) }
        var known = Dictionary(kept.map { ($0.identity, $0) }) { first, _ in first }
        let used = Set(old.map(\.id))
        var next: UInt16 = 1
        for request in requests {
            if let device = known.removeValue(forKey: request.identity) {
                devices.append((request, device.id, device))
                continue
            }
            while used.contains(next) { next += 1 }
            guard next < UInt16(BH_DEVICES_MAX) else {
                throw DatapathError(
                    "this policy has \(requests.count) ports, \(used.count) are in force, and an instance holds "
                        + "\(BH_DEVICES_MAX - 1) of both together",
                    advice: "detach ports that are not needed any more, or split the policy over two instances")
            }
            devices.append((request, next, nil))
            next += 1
        }
    }
}

/// Which flow scopes the host entries of a new generation have.
package struct FlowScopeAllotment {
    /// By entry name; an entry that is missing here has a scope a device.
    package private(set) var scopes: [String: UInt16] = [:]
    /// Scopes that the old generation did not use: to be cleared before they are used.
    package private(set) var fresh: [UInt16] = []

    /// An entry keeps its scope by its name.
    package init(entries: [String], old: [(name: String, scope: UInt16)]) {
        let base = UInt32(BH_SCOPE_ENTRY)
        let slots = SlotAllotment(
            names: entries, old: old.map { ($0.name, UInt32($0.scope) &- base) }, capacity: Int(BH_DEVICES_MAX))
        for (name, slot) in zip(entries, slots.slots) where slot != BH_NONE { scopes[name] = UInt16(base + slot) }
        fresh = slots.fresh.map { UInt16(base + $0) }
    }
}

/// Which places of `limits` the rules of a new generation have.
package struct LimitAllotment {
    /// By condition.
    package private(set) var slots: [Int: UInt32] = [:]
    /// By rule name.
    package private(set) var named: [(name: String, slot: UInt32)] = []
    /// Places that no rule of the old generation had: to be zeroed before they are used.
    package private(set) var fresh: [UInt32] = []

    /// A rule keeps its place by its name.
    package init(_ rules: [(name: String, condition: Int)], old: [(name: String, slot: UInt32)]) {
        if rules.isEmpty { return }
        // A rule's terms share it, and stand one behind the other.
        let names = rules.indices.filter { $0 == 0 || rules[$0].name != rules[$0 - 1].name }.map { rules[$0].name }
        let allotment = SlotAllotment(names: names, old: old, capacity: Int(BH_LIMITS_MAX))
        named = Array(zip(names, allotment.slots))
        let byName = Dictionary(named.map { ($0.name, $0.slot) }) { first, _ in first }
        for rule in rules { slots[rule.condition] = byName[rule.name] }
        fresh = allotment.fresh
    }
}
