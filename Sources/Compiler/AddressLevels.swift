/// A rule's ends as numbers of address sets; nil is any address.
struct EndPair: Hashable {
    var from: UInt32?
    var to: UInt32?
}

/// Decides which address sets are coarse and which are fine.
///
/// A cell stands for every pair of classes that a rule's two sets share with any other set of their levels, so one wide set
/// among many narrow ones multiplies. Each side is cut at one breadth, the number of atoms in a set; the pair of cuts that
/// makes the fewest cells is taken.
struct AddressLevels {
    let from: AddressSide
    let to: AddressSide
    /// An upper bound of the cells, over all partitions.
    let cells: Int

    init(_ atoms: AddressAtoms, pairs: [EndPair]) {
        var fromUsed = [Bool](repeating: false, count: atoms.setCount)
        var toUsed = fromUsed
        for pair in pairs {
            if let from = pair.from { fromUsed[Int(from)] = true }
            if let to = pair.to { toUsed[Int(to)] = true }
        }
        let breadths = AddressLevels.breadths(atoms)
        let fromSides = AddressLevels.candidates(atoms, breadths: breadths, isUsed: fromUsed)
        let toSides = AddressLevels.candidates(atoms, breadths: breadths, isUsed: toUsed)
        var best = (from: fromSides[0], to: toSides[0], cells: Int.max)
        for from in fromSides {
            for to in toSides {
                let cells = AddressLevels.cells(from, to, pairs: pairs, atMost: best.cells)
                if cells < best.cells { best = (from, to, cells) }
            }
        }
        (from, to, cells) = best
    }

    /// By set: the number of atoms in it.
    private static func breadths(_ atoms: AddressAtoms) -> [Int] {
        var breadths = [Int](repeating: 0, count: atoms.setCount)
        for set in atoms.members.elements { breadths[Int(set)] += 1 }
        return breadths
    }

    /// One side under each cut that is worth a try.
    private static func candidates(_ atoms: AddressAtoms, breadths: [Int], isUsed: [Bool]) -> [AddressSide] {
        var widest = 0
        for (set, breadth) in breadths.enumerated() where isUsed[set] { widest = max(widest, breadth) }
        var cuts = [widest]
        var cut = 1
        while cut < widest {
            cuts.append(cut)
            cut *= 4
        }
        return cuts.map { cut in AddressSide(atoms, isUsed: isUsed, isFine: breadths.map { $0 <= cut }) }
    }

    /// The cells, counting twice those that two pairs share; stops beyond `limit`.
    private static func cells(_ from: AddressSide, _ to: AddressSide, pairs: [EndPair], atMost limit: Int) -> Int {
        var cells = 0
        for pair in pairs {
            cells += from.classCount(pair.from) * to.classCount(pair.to)
            if cells >= limit { return limit }
        }
        return cells
    }
}
