// SPDX-License-Identifier: Apache-2.0
import CDatapathABI

/// Which places the dynamic groups of a new generation have.
package struct GroupAllotment {
    /// In the policy's order.
    package private(set) var slots: [UInt32]
    /// Places of groups that the old generation did not have.
    package private(set) var fresh: [UInt32]
    private let old: [UInt32]
    private let before: [UInt32]

    /// A group keeps its place, and so its members, as long as it keeps its name.
    ///
    /// - Parameter before: places of the policy before the old generation, because that policy is still asked.
    package init(
        _ names: [String], old: [(name: String, slot: UInt32)], before: [UInt32] = [], keepsAll: Bool = false
    ) {
        let allotment = SlotAllotment(
            names: names, old: old, reserved: before, capacity: Int(BH_GROUP_SLOTS), keepsAll: keepsAll)
        slots = allotment.slots
        fresh = allotment.fresh
        self.old = old.map(\.slot)
        self.before = before
    }

    /// Places that no policy asks for once the new generation is in force.
    ///
    /// - Parameter fate: what becomes of the policy before.
    func gone(_ fate: Instance.Before) -> [UInt32] {
        let asked: [UInt32] =
            switch fate {
            case .kept: slots + old
            case .same: slots + before
            case .gone: slots
            }
        return Set(old + before).subtracting(asked).sorted()
    }
}
