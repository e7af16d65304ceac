// SPDX-License-Identifier: Apache-2.0

/// Counts of how many classes sets would consist of, were they divided into levels so or so, without making the
/// classes.
struct ClassCounter {
    /// One side's sets, divided.
    struct Levels {
        /// By set: whether some rule names it on this side.
        var isUsed: [Bool]
        /// By set: its level.
        var isFine: [Bool]
        /// By set: the classes it consists of.
        var counts: [Int]

        /// The classes that a set consists of; nil is any address.
        func count(_ set: UInt32?) -> Int { set.map { counts[Int($0)] } ?? 1 }
    }

    let atoms: AddressAtoms
    private let atomsOfSet: ListTable
    /// By set: what it adds to the hash of an atom's sets.
    private let keys: [UInt64]

    init(_ atoms: AddressAtoms) {
        self.atoms = atoms
        atomsOfSet = ListTable(inverting: atoms.members, count: atoms.setCount)
        keys = (0..<atoms.setCount).map { set in
            var key = (UInt64(set) &+ 1) &* 0x9e37_79b9_7f4a_7c15
            key = (key ^ key >> 30) &* 0xbf58_476d_1ce4_e5b9
            key = (key ^ key >> 27) &* 0x94d0_49bb_1331_11eb
            return key ^ key >> 31
        }
    }

    /// The sets of at most `cut` atoms are fine.
    func levels(_ isUsed: [Bool], cut: Int) -> Levels {
        let isFine = (0..<atoms.setCount).map { atomsOfSet.count($0) <= cut }
        return Levels(isUsed: isUsed, isFine: isFine, counts: counts(isUsed, isFine))
    }

    /// The cuts that are worth a try.
    func candidates(_ isUsed: [Bool]) -> [Levels] {
        var widest = 0
        for set in isUsed.indices where isUsed[set] { widest = max(widest, atomsOfSet.count(set)) }
        var result: [Levels] = []
        var cut = 1
        while cut < widest {
            result.append(levels(isUsed, cut: cut))
            cut *= 4
        }
        result.append(levels(isUsed, cut: widest))
        return result
    }

    /// Single sets moved; nil where they overlap in too many ways to look at.
    ///
    /// - Parameter costs: By set: how many classes rules pair it with, all rules together.
    func searched(_ levels: Levels, costs: [Int]) -> Levels? {
        guard let search = LevelSearch(atoms, atomsOfSet, isUsed: levels.isUsed, costs: costs) else { return nil }
        let isFine = search.levels(from: levels.isFine)
        return Levels(isUsed: levels.isUsed, isFine: isFine, counts: counts(levels.isUsed, isFine))
    }

    /// By set: how many different atoms it has, as its level tells them apart.
    private func counts(_ isUsed: [Bool], _ isFine: [Bool]) -> [Int] {
        var coarse = HashNumbers(capacity: atoms.members.count)
        var fine = HashNumbers(capacity: atoms.members.count)
        var coarseClasses: [UInt32] = []
        var fineClasses: [UInt32] = []
        coarseClasses.reserveCapacity(atoms.members.count)
        fineClasses.reserveCapacity(atoms.members.count)
        for atom in 0..<atoms.members.count {
            var hashes: (coarse: UInt64, fine: UInt64) = (0, 0)
            for index in atoms.members.range(atom) {
                let set = Int(atoms.members.elements[index])
                guard isUsed[set] else { continue }
                if isFine[set] { hashes.fine ^= keys[set] } else { hashes.coarse ^= keys[set] }
            }
            coarseClasses.append(coarse.number(hashes.coarse))
            fineClasses.append(fine.number(hashes.fine))
        }
        var lastSet = [Int](repeating: -1, count: atoms.members.count * 2)
        return isUsed.indices.map { set in
            guard isUsed[set] else { return 0 }
            var count = 0
            for atom in atomsOfSet[set] {
                let number = isFine[set] ? fineClasses[Int(atom)] << 1 | 1 : coarseClasses[Int(atom)] << 1
                if lastSet[Int(number)] != set {
                    lastSet[Int(number)] = set
                    count += 1
                }
            }
            return count
        }
    }
}

/// Gives equal hashes the same number, counted from 0.
private struct HashNumbers {
    private var hashes: [UInt64]
    /// Number + 1, or 0 where free.
    private var slots: [UInt32]
    private var count: UInt32 = 0

    init(capacity: Int) {
        var size = 64
        while size < capacity * 2 { size *= 2 }
        hashes = [UInt64](repeating: 0, count: size)
        slots = [UInt32](repeating: 0, count: size)
    }

    mutating func number(_ hash: UInt64) -> UInt32 {
        var slot = Int(truncatingIfNeeded: hash) & (slots.count - 1)
        while slots[slot] != 0 {
            if hashes[slot] == hash { return slots[slot] - 1 }
            slot = (slot + 1) & (slots.count - 1)
        }
        hashes[slot] = hash
        count += 1
        slots[slot] = count
        return count - 1
    }
}
