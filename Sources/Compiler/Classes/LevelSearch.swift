// SPDX-License-Identifier: Apache-2.0

/// Moves single address sets to the other level if that makes fewer cells.
///
/// A set that contains part of another set, but not all of it, cuts that set in two if both have the same level. A cut
/// costs as many cells as the rules pair the cut set with. So the sets form a graph whose edges have these costs, and
/// the search looks for a division into two parts with little cost inside each: set by set, until no set is better off
/// on the other side.
struct LevelSearch {
    /// Two sets that share an atom, and which of them the other cuts.
    private struct Edge {
        private let bits: UInt32

        init(other: Int, isCut: Bool, cutsOther: Bool) {
            bits = UInt32(other) << 2 | (isCut ? 2 : 0) | (cutsOther ? 1 : 0)
        }

        var other: Int { Int(bits >> 2) }
        var isCut: Bool { bits & 2 != 0 }
        var cutsOther: Bool { bits & 1 != 0 }
    }

    /// The edges of each set, one after the other.
    private var edges: [Edge] = []
    private var starts = [0]

    /// The most pairs of sets that share an atom, counted once per atom; more would take too long.
    private static let overlapLimit = 1 << 26
    private static let rounds = 8

    /// - Parameter isUsed: By set: whether some rule names it on this side.
    init?(_ atoms: AddressAtoms, _ atomsOfSet: ListTable, isUsed: [Bool]) {
        guard LevelSearch.overlaps(atoms, isUsed) <= LevelSearch.overlapLimit else { return nil }
        // By set: the number of atoms that it shares with the current set.
        var shared = [UInt32](repeating: 0, count: atoms.setCount)
        var others: [Int] = []
        for set in 0..<atoms.setCount {
            if isUsed[set] {
                for atom in atomsOfSet[set] {
                    for index in atoms.members.range(Int(atom)) {
                        let other = Int(atoms.members.elements[index])
                        guard isUsed[other], other != set else { continue }
                        if shared[other] == 0 { others.append(other) }
                        shared[other] += 1
                    }
                }
            }
            for other in others {
                let isCut = Int(shared[other]) < atomsOfSet.count(set)
                let cutsOther = Int(shared[other]) < atomsOfSet.count(other)
                if isCut || cutsOther { edges.append(Edge(other: other, isCut: isCut, cutsOther: cutsOther)) }
                shared[other] = 0
            }
            others.removeAll(keepingCapacity: true)
            starts.append(edges.count)
        }
    }

    /// The number of pairs of sets that share an atom, counted once per atom.
    private static func overlaps(_ atoms: AddressAtoms, _ isUsed: [Bool]) -> Int {
        (0..<atoms.members.count).reduce(0) { sum, atom in
            let count = atoms.members.range(atom).count { isUsed[Int(atoms.members.elements[$0])] }
            return sum + count * count
        }
    }

    /// - Parameters:
    ///   - isFine: By set: whether it starts as fine.
    ///   - costs: By set: the number of classes that rules pair it with, over all rules.
    func levels(from isFine: [Bool], costs: [Int]) -> [Bool] {
        var isFine = isFine
        for _ in 0..<LevelSearch.rounds {
            var isChanged = false
            for set in isFine.indices {
                var gain = 0
                for index in starts[set]..<starts[set + 1] {
                    let edge = edges[index]
                    let cost = (edge.isCut ? costs[set] : 0) + (edge.cutsOther ? costs[edge.other] : 0)
                    gain += isFine[edge.other] == isFine[set] ? cost : -cost
                }
                guard gain > 0 else { continue }
                isFine[set].toggle()
                isChanged = true
            }
            if !isChanged { break }
        }
        return isFine
    }
}
