// SPDX-License-Identifier: Apache-2.0

/// Counts how many classes sets would consist of under a division into levels, without making the classes.
struct ClassCounter {
    /// The sets of one side, divided into levels.
    struct Levels {
        /// By set: whether some rule names it on this side.
        var isUsed: [Bool]
        /// By set: whether its level is fine.
        var isFine: [Bool]
        /// By set: the number of its classes.
        var counts: [Int]

        /// The number of classes of a set; 1 for nil, which is any address.
        func count(_ set: UInt32?) -> Int { set.map { counts[Int($0)] } ?? 1 }
    }

    let atoms: AddressAtoms
    private let atomsOfSet: ListTable
    /// By set: its contribution to the hash of an atom's sets.
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

    /// The division in which the sets of at most `cut` atoms are fine.
    func levels(_ isUsed: [Bool], cut: Int) -> Levels {
        let isFine = (0..<atoms.setCount).map { atomsOfSet.count($0) <= cut }
        return Levels(isUsed: isUsed, isFine: isFine, counts: counts(isUsed, isFine))
    }

    /// The divisions that are worth trying.
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

    /// How the sets of a side cut each other; nil if they overlap too much to search.
    func search(_ isUsed: [Bool]) -> LevelSearch? { LevelSearch(atoms, atomsOfSet, isUsed: isUsed) }

    /// The division with single sets moved.
    ///
    /// - Parameter costs: By set: the number of classes that rules pair it with, over all rules.
    func searched(_ levels: Levels, _ search: LevelSearch, costs: [Int]) -> Levels {
        let isFine = search.levels(from: levels.isFine, costs: costs)
        return Levels(isUsed: levels.isUsed, isFine: isFine, counts: counts(levels.isUsed, isFine))
    }

    /// By set: the number of its atoms that its level tells apart.
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
        var lastSet = [Int32](repeating: -1, count: atoms.members.count * 2)
        return isUsed.indices.map { set in
            guard isUsed[set] else { return 0 }
            var count = 0
            for atom in atomsOfSet[set] {
                let number = isFine[set] ? fineClasses[Int(atom)] << 1 | 1 : coarseClasses[Int(atom)] << 1
                if lastSet[Int(number)] != Int32(set) {
                    lastSet[Int(number)] = Int32(set)
                    count += 1
                }
            }
            return count
        }
    }
}

/// Gives equal hashes the same number, from 0.
private struct HashNumbers {
    /// A hash and its number + 1, which is 0 where the slot is free; side by side, because a look-up needs both.
    private struct Slot {
        var hash: UInt64 = 0
        var number: UInt32 = 0
    }

    private var slots: [Slot]
    private var count: UInt32 = 0

    init(capacity: Int) {
        var size = 64
        while size < capacity * 2 { size *= 2 }
        slots = [Slot](repeating: Slot(), count: size)
    }

    mutating func number(_ hash: UInt64) -> UInt32 {
        var index = Int(truncatingIfNeeded: hash) & (slots.count - 1)
        while slots[index].number != 0 {
            if slots[index].hash == hash { return slots[index].number - 1 }
            index = (index + 1) & (slots.count - 1)
        }
        count += 1
        slots[index] = Slot(hash: hash, number: count)
        return count - 1
    }
}
