// SPDX-License-Identifier: Apache-2.0

/// A rule's ends as numbers of address sets; nil is any address.
struct EndPair: Hashable {
    var from: UInt32?
    var to: UInt32?

    /// One round of hashing for both.
    func hash(into hasher: inout Hasher) {
        let (from, to) = (from.map { UInt64($0) + 1 } ?? 0, to.map { UInt64($0) + 1 } ?? 0)
        hasher.combine(from << 32 ^ to)
    }
}

/// Decides which address sets are coarse and which are fine.
///
/// A cell stands for a pair of classes, and a set has a class for each way in which other sets of its level cut it. So
/// one wide set among many narrow ones multiplies the cells. On each side the sets are divided by their breadth, the
/// number of atoms in a set; of the tried pairs of cuts the one with the fewest cells is taken. If there are still many
/// more cells than pairs of sets, single sets are moved to the other level.
struct AddressLevels {
    let from: AddressSide
    let to: AddressSide
    /// An upper bound of the number of cells in all partitions.
    let cells: Int

    init(_ atoms: AddressAtoms, pairs: [EndPair]) {
        let counter = ClassCounter(atoms)
        let fromSets = AddressLevels.used(pairs.lazy.map(\.from), of: atoms.setCount)
        let toSets = AddressLevels.used(pairs.lazy.map(\.to), of: atoms.setCount)
        var best = Division(
            from: counter.levels(fromSets, cut: .max), to: counter.levels(toSets, cut: .max), pairs: pairs)
        if best.isWide(pairs) {
            let (fromLevels, toLevels) = together({ counter.candidates(fromSets) }, { counter.candidates(toSets) })
            for from in fromLevels {
                for to in toLevels {
                    let division = Division(from: from, to: to, pairs: pairs)
                    if division.cells < best.cells { best = division }
                }
            }
        }
        if best.isWide(pairs) { best = best.searched(counter, pairs) }
        let (fromIsFine, toIsFine) = (best.from.isFine, best.to.isFine)
        (from, to) = together(
            { AddressSide(atoms, isUsed: fromSets, isFine: fromIsFine) },
            { AddressSide(atoms, isUsed: toSets, isFine: toIsFine) })
        cells = best.cells
    }

    private static func used(_ sets: some Sequence<UInt32?>, of count: Int) -> [Bool] {
        var isUsed = [Bool](repeating: false, count: count)
        for set in sets { if let set { isUsed[Int(set)] = true } }
        return isUsed
    }
}

/// One way to divide the sets of both sides into levels.
private struct Division {
    var from: ClassCounter.Levels
    var to: ClassCounter.Levels
    /// The number of cells; cells that two pairs share count twice.
    var cells: Int

    init(from: ClassCounter.Levels, to: ClassCounter.Levels, pairs: [EndPair]) {
        self.from = from
        self.to = to
        cells = pairs.reduce(0) { $0 + from.count($1.from) * to.count($1.to) }
    }

    /// Whether a better division is worth a search.
    func isWide(_ pairs: [EndPair]) -> Bool { cells > pairs.count * 3 / 2 }

    /// The better of this division and one with single sets moved.
    func searched(_ counter: ClassCounter, _ pairs: [EndPair]) -> Division {
        var result = self
        let (fromUsed, toUsed) = (from.isUsed, to.isUsed)
        let (fromSearch, toSearch) = together({ counter.search(fromUsed) }, { counter.search(toUsed) })
        if let fromSearch {
            var costs = [Int](repeating: 0, count: counter.atoms.setCount)
            for pair in pairs { if let set = pair.from { costs[Int(set)] += to.count(pair.to) } }
            let levels = counter.searched(result.from, fromSearch, costs: costs)
            let division = Division(from: levels, to: to, pairs: pairs)
            if division.cells < result.cells { result = division }
        }
        if let toSearch {
            var costs = [Int](repeating: 0, count: counter.atoms.setCount)
            for pair in pairs { if let set = pair.to { costs[Int(set)] += result.from.count(pair.from) } }
            let levels = counter.searched(result.to, toSearch, costs: costs)
            let division = Division(from: result.from, to: levels, pairs: pairs)
            if division.cells < result.cells { result = division }
        }
        return result
    }
}
