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

    /// The division with single sets moved; nil if the sets overlap too much to search.
    ///
    /// - Parameter costs: By set: the number of classes that rules pair it with, over all rules.
    func searched(_ levels: Levels, costs: [Int]) -> Levels? {
        guard let search = LevelSearch(atoms, atomsOfSet, isUsed: levels.isUsed, costs: costs) else { return nil }
        let isFine = search.levels(from: levels.isFine)
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

/// Gives equal hashes the same number, from 0.
private struct HashNumbers {
    private var hashes: [UInt64]
    /// Number + 1; 0 if free.
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
