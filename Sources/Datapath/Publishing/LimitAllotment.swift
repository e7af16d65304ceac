// SPDX-License-Identifier: Apache-2.0
import CDatapathABI

/// Which places of `limits` the rules of a new generation have.
package struct LimitAllotment {
    /// By condition.
    package private(set) var slots: [Int: UInt32] = [:]
    /// By rule name.
    package private(set) var named: [(name: String, slot: UInt32)] = []
    /// Places that no rule of the old generation had: to be zeroed before they are used.
    package private(set) var fresh: [UInt32] = []

    /// A rule keeps its place as long as it keeps its name.
    ///
    /// - Parameter keepsAll: Whether the old generation's places stay its own.
    package init(
        _ rules: [(name: String, condition: Int)], old: [(name: String, slot: UInt32)], keepsAll: Bool = false
    ) {
        if rules.isEmpty { return }
        // A rule's terms share its place, and follow each other.
        let names = rules.indices.filter { $0 == 0 || rules[$0].name != rules[$0 - 1].name }.map { rules[$0].name }
        let allotment = SlotAllotment(names: names, old: old, capacity: Int(BH_LIMITS_MAX), keepsAll: keepsAll)
        named = Array(zip(names, allotment.slots))
        let byName = Dictionary(named.map { ($0.name, $0.slot) }) { first, _ in first }
        for rule in rules { slots[rule.condition] = byName[rule.name] }
        fresh = allotment.fresh
    }
}
