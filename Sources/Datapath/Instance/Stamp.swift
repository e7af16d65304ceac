// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import Libbpf

/// The word that says which policy is in force: map `stamp`, mapped.
package struct Stamp: ~Copyable {
    private let mapping: Mapping

    package init(_ maps: InstanceMaps) throws(BPFError) { mapping = try Mapping(maps[.stamp], writable: true) }

    private static let odd = UInt64(BH_STAMP_ODD.rawValue) << 32
    private static let readers = UInt64(BH_STAMP_READERS.rawValue) << 32
    private static let closed = UInt64(BH_STAMP_CLOSED.rawValue) << 32

    /// Puts the image of a slot in force: the one step of an apply.
    fileprivate func publish(_ slot: UInt32) {
        mapping.change(at: 0) { word in
            Stamp.moved(slot == BH_SLOT_ODD.rawValue ? word | Stamp.odd : word & ~Stamp.odd) & ~Stamp.closed
        }
    }

    /// Turns the front off until a policy is put in force, because the programs are about to be replaced by others. The
    /// kernel waits meanwhile until every CPU has left the old ones, so nothing that they learnt is used.
    func close() { mapping.change(at: 0) { $0 | Stamp.closed } }

    /// Has the programs forget what they have learnt. To be called after the change that makes it wrong.
    package func noteChange() { mapping.change(at: 0, Stamp.moved) }

    /// Says whether somebody may want to read drops.
    func setReaders(_ areThere: Bool) {
        mapping.change(at: 0) { areThere ? $0 | Stamp.readers : $0 & ~Stamp.readers }
    }

    /// The word with the next version, which is its lower half.
    private static func moved(_ word: UInt64) -> UInt64 {
        word & ~UInt64(UInt32.max) | UInt64(UInt32(truncatingIfNeeded: word) &+ 1)
    }

    /// The slot that a word says is in force.
    fileprivate static func slot(_ word: UInt64) -> UInt32 {
        word & odd != 0 ? BH_SLOT_ODD.rawValue : BH_SLOT_EVEN.rawValue
    }
}

extension InstanceMaps {
    /// The slot of the image in force.
    package func slotInForce() throws(BPFError) -> UInt32 {
        Stamp.slot(try self[.stamp].lookup(0, as: bh_stamp.self)?.word ?? 0)
    }

    /// Puts an image into the idle one of two slots, then in force by one word. The caller holds the publishing lock.
    package func putInForce(_ map: Map) throws(BPFError) {
        let old = try slotInForce()
        let new = old == BH_SLOT_EVEN.rawValue ? BH_SLOT_ODD.rawValue : BH_SLOT_EVEN.rawValue
        let stamp = try Stamp(self)
        try setInner(.slots, new, to: map)
        stamp.publish(new)
        // Its memory is not held any longer than packets need it.
        if try self[.slots].lookup(old, as: UInt32.self) != nil { try self[.slots].delete(old) }
    }
}
