// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import Glibc
import Host
import Libbpf

/// The word that says which policy is in force: map `stamp`, mapped.
package struct Stamp: ~Copyable {
    private let mapping: Mapping

    package init(_ maps: InstanceMaps) throws(BPFError) { mapping = try Mapping(maps[.stamp], writable: true) }

    private static let odd = UInt64(BH_STAMP_ODD.rawValue) << 32
    private static let readers = UInt64(BH_STAMP_READERS.rawValue) << 32
    private static let narrow = UInt64(BH_STAMP_NARROW.rawValue) << 32
    private static let closed = UInt64(BH_STAMP_CLOSED.rawValue) << 32
    private static let trial = UInt64(BH_STAMP_TRIAL.rawValue) << 32
    private static let expired = UInt64(BH_STAMP_EXPIRED.rawValue) << 32
    private static let shadow = UInt64(BH_STAMP_SHADOW.rawValue) << 32

    /// Puts the image of a slot in force: the one step of an apply.
    fileprivate func publish(_ slot: UInt32, onTrial: Bool = false) {
        mapping.change(at: 0) { word in
            let settled = word & ~(Stamp.odd | Stamp.closed | Stamp.trial | Stamp.expired)
            return Stamp.moved(
                settled | (slot == BH_SLOT_ODD.rawValue ? Stamp.odd : 0) | (onTrial ? Stamp.trial : 0))
        }
    }

    /// Turns the front off until a policy is put in force, because the programs are about to be replaced by others. The
    /// kernel waits meanwhile until every CPU has left the old ones, so nothing that they learnt is used.
    func close() { mapping.change(at: 0) { $0 | Stamp.closed } }

    /// Has the programs forget what they have learnt. To be called after the change that makes it wrong.
    package func noteChange() { mapping.change(at: 0, Stamp.moved) }

    /// Says whether somebody may want to read drops, and whether one of them wants some drops only.
    func setReaders(_ areThere: Bool, narrow: Bool = false) {
        let flags = (areThere ? Stamp.readers : 0) | (narrow ? Stamp.narrow : 0)
        mapping.change(at: 0) { $0 & ~(Stamp.readers | Stamp.narrow) | flags }
    }

    /// Says whether another policy is asked about each packet. The programs take it back where nobody waits for the
    /// answers.
    package func setShadow(_ isThere: Bool) {
        mapping.change(at: 0) { isThere ? $0 | Stamp.shadow : $0 & ~Stamp.shadow }
    }

    /// Whether another policy is asked about each packet.
    package var hasShadow: Bool { (mapping.load(\bh_stamp.word) ?? 0) & Stamp.shadow != 0 }

    /// The word with the next version, which is its lower half.
    private static func moved(_ word: UInt64) -> UInt64 {
        word & ~UInt64(UInt32.max) | UInt64(UInt32(truncatingIfNeeded: word) &+ 1)
    }

    // MARK: Trials

    /// Says which trial comes, and when it ends. To be called before its image is put into its slot: the kernel then
    /// waits until every CPU sees it.
    fileprivate func announce(trial generation: UInt32, base: UInt32, until: UInt64) {
        mapping.store(until, in: \bh_stamp.until)
        mapping.store(generation, in: \bh_stamp.trial)
        mapping.store(base, in: \bh_stamp.base)
    }

    /// Lets the trial stay, unless it has ended. The programs change the same word, so it is one or the other.
    func confirm() -> Bool {
        var isConfirmed = false
        mapping.change(at: 0) { word in
            isConfirmed = Stamp.isOpen(word)
            return isConfirmed ? word & ~Stamp.trial : word
        }
        return isConfirmed
    }

    /// Ends the trial now. A packet that comes meanwhile does the same.
    func end() {
        mapping.store(KernelClock.nanoseconds(CLOCK_BOOTTIME), in: \bh_stamp.until)
        endIfDue()
    }

    /// Ends the trial as the programs do, if its time has come.
    func endIfDue() {
        guard (mapping.load(\bh_stamp.until) ?? 0) <= KernelClock.nanoseconds(CLOCK_BOOTTIME) else { return }
        mapping.change(at: 0) { word in
            Stamp.isOpen(word) ? Stamp.moved(word ^ Stamp.odd) | Stamp.expired : word
        }
    }

    /// Forgets an ended trial, after all that it leaves was taken care of.
    func settle() {
        mapping.change(at: 0) { $0 & Stamp.expired == 0 ? $0 : $0 & ~(Stamp.trial | Stamp.expired) }
    }

    /// Whether a word says that a trial is in force, if its time has not come.
    private static func isOpen(_ word: UInt64) -> Bool { word & (trial | expired) == trial }

    /// What the stamp says, as the programs read it now.
    fileprivate static func reading(_ raw: bh_stamp) -> (slot: UInt32, trial: Trial?) {
        let isOdd = raw.word & odd != 0
        guard raw.word & trial != 0 else { return (slot(isOdd), nil) }
        // What no packet has seen yet is so all the same.
        let isDue = isOpen(raw.word) && raw.until <= KernelClock.nanoseconds(CLOCK_BOOTTIME)
        let standing = Trial(
            generation: raw.trial, base: raw.base, until: raw.until, hasEnded: isDue || raw.word & expired != 0)
        return (slot(isOdd != isDue), standing)
    }

    private static func slot(_ isOdd: Bool) -> UInt32 { isOdd ? BH_SLOT_ODD.rawValue : BH_SLOT_EVEN.rawValue }
}

/// A trial that is not settled: its policy and its base are both in the kernel.
package struct Trial: Sendable, Hashable {
    package var generation: UInt32
    /// The generation that is in force again after it; 0: none.
    package var base: UInt32
    /// Nanoseconds of CLOCK_BOOTTIME.
    package var until: UInt64
    /// Whether its base judges, or nothing does where it has none.
    package var hasEnded: Bool

    /// Nanoseconds that are left of it; 0: it has ended.
    package var left: UInt64 {
        let now = KernelClock.nanoseconds(CLOCK_BOOTTIME)
        return hasEnded || until <= now ? 0 : until - now
    }
}

extension InstanceMaps {
    private func readStamp() throws(BPFError) -> (slot: UInt32, trial: Trial?) {
        Stamp.reading(try self[.stamp].lookup(0, as: bh_stamp.self) ?? bh_stamp())
    }

    /// The slot of the image that judges now.
    package func slotInForce() throws(BPFError) -> UInt32 { try readStamp().slot }

    /// The other of the two slots: while a trial is not settled, that of its base, or of the trial after its end.
    package func otherSlot() throws(BPFError) -> UInt32 { InstanceMaps.other(than: try slotInForce()) }

    private static func other(than slot: UInt32) -> UInt32 {
        slot == BH_SLOT_EVEN.rawValue ? BH_SLOT_ODD.rawValue : BH_SLOT_EVEN.rawValue
    }

    /// The trial that is not settled; nil if there is none.
    package func trial() throws(BPFError) -> Trial? { try readStamp().trial }

    /// The generation that was on trial last, whatever became of it; 0: none.
    func lastTrial() throws(BPFError) -> UInt32 { try self[.stamp].lookup(0, as: bh_stamp.self)?.trial ?? 0 }

    /// Puts an image into the idle one of two slots, then in force by one word. The caller holds the publishing lock.
    package func putInForce(_ map: Map) throws(BPFError) {
        let old = try slotInForce()
        let new = InstanceMaps.other(than: old)
        let stamp = try Stamp(self)
        try setInner(.slots, new, to: map)
        stamp.publish(new)
        // Its memory is not held any longer than packets need it.
        try empty(old)
    }

    /// Puts an image on trial: its base stays in the other slot. The caller holds the publishing lock.
    ///
    /// - Parameters:
    ///   - base: The generation that is in force again after it; 0: none.
    ///   - until: Nanoseconds of CLOCK_BOOTTIME.
    package func putOnTrial(
        _ map: Map, _ generation: UInt32, base: UInt32, until: UInt64
    ) throws(BPFError) {
        let new = try otherSlot()
        let stamp = try Stamp(self)
        stamp.announce(trial: generation, base: base, until: until)
        try setInner(.slots, new, to: map)
        stamp.publish(new, onTrial: true)
    }

    /// Takes the image out of a slot.
    func empty(_ slot: UInt32) throws(BPFError) {
        if try self[.slots].lookup(slot, as: UInt32.self) != nil { try self[.slots].delete(slot) }
    }
}
