// SPDX-License-Identifier: Apache-2.0
import CDatapathABI

/// Decides which pairs of address sets become bits of bitmaps, because they would need too many cells.
///
/// A pair of sets needs a cell for each pair of their classes. If addresses are in many groups each, nearly every
/// address is a class of its own, and one pair of groups can need a hundred thousand cells. In bitmaps it takes one bit
/// per source and one per destination.
struct WidePairs {
    /// By pair: whether it is in bitmaps.
    let isWide: [Bool]
    /// The other pairs, and their levels.
    let narrow: [Int]
    let levels: AddressLevels

    init(_ atoms: AddressAtoms, pairs: [EndPair], rulesOfPair: ListTable, _ limits: Limits) {
        var levels = AddressLevels(atoms, pairs: pairs)
        var chosen: Set<Int> = []
        if levels.cells > limits.cellsBeforeBitmaps {
            chosen = WidePairs.widest(levels, pairs, rulesOfPair, limits)
        }
        let narrow = pairs.indices.filter { !chosen.contains($0) }
        if !chosen.isEmpty { levels = AddressLevels(atoms, pairs: narrow.map { pairs[$0] }) }
        isWide = pairs.indices.map { chosen.contains($0) }
        self.narrow = narrow
        self.levels = levels
    }

    /// The widest pairs, as few as leave no more cells than should be.
    private static func widest(
        _ levels: AddressLevels, _ pairs: [EndPair], _ rulesOfPair: ListTable, _ limits: Limits
    ) -> Set<Int> {
        let cells = pairs.map { levels.from.classCount($0.from) * levels.to.classCount($0.to) }
        // A pair with any address on a side needs no more cells than the other side has classes.
        let candidates = pairs.indices.filter { pairs[$0].from != nil && pairs[$0].to != nil }
        var chosen: Set<Int> = []
        var items = 0
        var rest = cells.reduce(0, +)
        for pair in candidates.sorted(by: { (cells[$1], $0) < (cells[$0], $1) }) {
            guard rest > limits.cellsBeforeBitmaps else { break }
            let count = rulesOfPair.count(pair)
            guard items + count <= limits.bitmapItems else { continue }
            chosen.insert(pair)
            items += count
            rest -= cells[pair]
        }
        return chosen
    }
}
