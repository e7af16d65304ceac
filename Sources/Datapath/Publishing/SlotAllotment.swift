// SPDX-License-Identifier: Apache-2.0
import CDatapathABI

/// Which slots of a table the rules, groups or entries of a new generation have. Pure, so that it can be tested without
/// a kernel.
package struct SlotAllotment {
    /// In the order of the names; `BH_NONE` if the table has no room.
    package private(set) var slots: [UInt32] = []
    /// Slots that the old generation did not use: to be zeroed before they are used.
    private(set) var fresh: [UInt32] = []

    /// Whether some name has no slot.
    var isShort: Bool { slots.contains(BH_NONE) }

    /// A name that was there before keeps its slot. A new name gets a slot that the old generation does not use, so
    /// that packets which the old one still judges do not count for the new. Only if the table is full, a slot of a
    /// name that is gone is taken.
    ///
    /// - Parameters:
    ///   - reserved: slots that are in use for something else.
    ///   - keepsAll: whether all slots of the old generation stay its own, because it may judge again.
    package init(
        names: [String], old: [(name: String, slot: UInt32)], reserved: [UInt32] = [], capacity: Int,
        keepsAll: Bool = false
    ) {
        slots = SlotAllotment.known(names, old).map { Int($0) < capacity ? $0 : BH_NONE }
        guard slots.contains(BH_NONE) else { return }
        var used = [Bool](repeating: false, count: capacity)
        for slot in old.map(\.slot) + reserved where Int(slot) < capacity { used[Int(slot)] = true }
        var kept = [Bool](repeating: false, count: capacity)
        for slot in slots where slot != BH_NONE { kept[Int(slot)] = true }
        var free = (0..<capacity).lazy.filter { !used[$0] }.makeIterator()
        var overflow = (0..<capacity).lazy.filter { !keepsAll && used[$0] && !kept[$0] }.makeIterator()
        for index in slots.indices where slots[index] == BH_NONE {
            guard let slot = free.next() ?? overflow.next() else { break }
            slots[index] = UInt32(slot)
            fresh.append(UInt32(slot))
        }
    }

    /// The slots that the old generation has for these names; `BH_NONE` if it has none. Most names come in the same
    /// order as before, and need no look-up.
    private static func known(_ names: [String], _ old: [(name: String, slot: UInt32)]) -> [UInt32] {
        var indices: [String: Int]?
        var next = 0
        return names.map { name in
            if next < old.count, old[next].name == name {
                next += 1
                return old[next - 1].slot
            }
            if indices == nil {
                indices = Dictionary(old.indices.map { (old[$0].name, $0) }) { first, _ in first }
            }
            guard let index = indices?[name] else { return BH_NONE }
            next = index + 1
            return old[index].slot
        }
    }
}
