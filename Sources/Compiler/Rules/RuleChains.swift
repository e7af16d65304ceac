// SPDX-License-Identifier: Apache-2.0
import CDatapathABI

/// By joint class, the rules of a list that a packet may have to try one after the other: those with a condition up to
/// the first that surely decides, or up to `BH_NONE`. A joint class whose first match surely decides has none.
///
/// It is made once and filled for each list, because the lists of one policy may have tens of thousands of chains.
struct RuleChains {
    /// The joint classes with a chain, ascending.
    private(set) var joints: [Int] = []
    /// By joint class: ranks, ascending, and the end.
    private var chains: [[UInt32]]
    /// Bits by joint class: where a rule has surely decided; where nothing more of the layer at hand is tried; where
    /// there is a chain.
    private var decided: [UInt64]
    private var closed: [UInt64]
    private var chained: [UInt64]

    private let joint: JointClasses
    private let isConditional: [Bool]
    private let layers: RuleLayers

    init(_ joint: JointClasses, isConditional: [Bool], layers: RuleLayers) {
        self.joint = joint
        self.isConditional = isConditional
        self.layers = layers
        chains = [[UInt32]](repeating: [], count: joint.jointCount)
        decided = [UInt64](repeating: 0, count: joint.rowWidth)
        closed = decided
        chained = decided
    }

    subscript(joint: Int) -> [UInt32] { chains[joint] }

    /// How many rules of a chain have a condition.
    func conditionalCount(_ joint: Int) -> Int {
        chains[joint].dropLast().reduce(0) { $0 + (isConditional[Int($1)] ? 1 : 0) }
    }

    /// The rules of a chain that have a condition.
    func conditional(_ joint: Int) -> [UInt32] { chains[joint].dropLast().filter { isConditional[Int($0)] } }

    /// Fills it for a list of ranks, ascending. An unconditional rule that another rule may pass over ends its own
    /// layer alone.
    mutating func fill(_ ranks: [UInt32]) {
        empty()
        guard ranks.contains(where: { isConditional[Int($0)] || layers.isOvertaken($0) }) else { return }
        var layer = 0
        for rank in ranks {
            if layers.number(rank) != layer { forget(&closed) }
            layer = layers.number(rank)
            add(rank)
        }
        for number in chained.indices where chained[number] != 0 {
            JointClasses.forEachJoint(of: chained[number], number) { index in
                joints.append(index)
                if decided[number] >> UInt64(index & 63) & 1 == 0 { chains[index].append(BH_NONE) }
            }
        }
    }

    private mutating func empty() {
        for index in joints { chains[index].removeAll(keepingCapacity: true) }
        joints.removeAll(keepingCapacity: true)
        forget(&decided)
        forget(&closed)
        forget(&chained)
    }

    private func forget(_ bits: inout [UInt64]) {
        for index in bits.indices { bits[index] = 0 }
    }

    private mutating func add(_ rank: UInt32) {
        // A copy, because the closure changes `self`.
        let joint = joint
        let beginsChain = isConditional[Int(rank)] || layers.isOvertaken(rank)
        joint.forEachWord(ofRule: rank) { number, word in
            let tried = word & ~decided[number] & ~closed[number]
            if beginsChain { chained[number] |= tried }
            JointClasses.forEachJoint(of: tried & chained[number], number) { chains[$0].append(rank) }
            guard !isConditional[Int(rank)] else { return }
            if beginsChain { closed[number] |= tried } else { decided[number] |= tried }
        }
    }
}
