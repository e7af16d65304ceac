import CDatapathABI

/// Which slots of a table the rules, groups or entries of a new generation have. Pure, so that it can be tested without a kernel.
struct SlotAllotment {
    /// By the order of the names; `BH_NONE` where the table has no room.
    private(set) var slots: [UInt32] = []
    /// Slots that the old generation did not use: to be zeroed before they are used.
    private(set) var fresh: [UInt32] = []

    /// What was there before keeps its slot by its name. Others get one that the old generation does not use, so that no packet that is still
    /// judged by it counts for something of the new; only where the table has no room left is such a slot taken.
    init(names: [String], old: [(name: String, slot: UInt32)], capacity: Int) {
        let known = Dictionary(old.map { ($0.name, $0.slot) }) { first, _ in first }
        var used = [Bool](repeating: false, count: capacity)
        for (_, slot) in old where Int(slot) < capacity { used[Int(slot)] = true }
        var kept = [Bool](repeating: false, count: capacity)
        for name in names {
            if let slot = known[name], Int(slot) < capacity { kept[Int(slot)] = true }
        }
        var free = (0..<capacity).filter { !used[$0] }[...]
        var overflow = (0..<capacity).filter { used[$0] && !kept[$0] }[...]
        for name in names {
            if let slot = known[name], Int(slot) < capacity {
                slots.append(slot)
            } else if let slot = free.popFirst() ?? overflow.popFirst() {
                slots.append(UInt32(slot))
                fresh.append(UInt32(slot))
            } else {
                slots.append(BH_NONE)
            }
        }
    }
}
