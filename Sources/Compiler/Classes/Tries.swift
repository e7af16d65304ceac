// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import Policy

/// Limits how many conditional rules one packet may have to try before a rule decides: the programs try a fixed number.
///
/// A packet has one joint class, at most one list in each partition, and one bitmap of its source. So the longest lists
/// of all partitions and the fullest bitmap together, for that joint class, are a bound.
struct Tries {
    /// By partition, then of bitmaps, and by joint class: the conditional rules of the list that has the most of them.
    private var most: [[[UInt32]]]
    /// The longest chain of ranks that may decide.
    private var longest: [UInt32] = []

    /// - Parameter joints: How many joint classes there are.
    init(joints: Int) {
        most = [[[UInt32]]](
            repeating: [[UInt32]](repeating: [], count: joints), count: Int(BH_PARTITIONS) + 1)
    }

    /// Notes the chains of a list that cells of a partition have, or that bitmaps have, after the partitions.
    mutating func note(_ chains: RuleChains, partition: Int) {
        for joint in chains.joints {
            if chains[joint].count > longest.count { longest = chains[joint] }
            if chains.conditionalCount(joint) > most[partition][joint].count {
                most[partition][joint] = chains.conditional(joint)
            }
        }
    }

    /// Throws if a packet could match too many conditional rules.
    func check(_ ruleset: Ruleset) throws(CompileError) {
        var worst: [UInt32] = []
        for joint in most[0].indices where most.contains(where: { !$0[joint].isEmpty }) {
            let ranks = Set(most.flatMap { $0[joint] }).sorted()
            if ranks.count > worst.count || (ranks.count == worst.count && ranks.lexicographicallyPrecedes(worst)) {
                worst = ranks
            }
        }
        if worst.count <= Int(BH_TRIES_MAX) { try checkLongest(ruleset) }
        guard worst.count > Int(BH_TRIES_MAX) else { return }
        let last = ruleset.rules[Int(worst[Int(BH_TRIES_MAX)])]
        var names: [String] = []
        for rank in worst.prefix(20) where names.last != ruleset.rules[Int(rank)].name {
            names.append(ruleset.rules[Int(rank)].name)
        }
        throw CompileError(
            rule: last.name, location: last.location,
            message:
                "one packet could match \(worst.count) rules with a condition "
                + "(\"limit\", \"connections\", \"starts\", \"expires\", \"match\", a MAC address, a dynamic group, "
                + "\"log\", \"pass\") before a rule decides, "
                + "at most \(BH_TRIES_MAX) are allowed: \(names.joined(separator: ", "))")
    }

    /// Throws if more rules may decide about one packet than a chain holds, because layers are passed over.
    private func checkLongest(_ ruleset: Ruleset) throws(CompileError) {
        guard longest.count > Int(BH_TRIES_MAX) + 1 else { return }
        let rule = ruleset.rules[Int(longest[Int(BH_TRIES_MAX)])]
        throw CompileError(
            rule: rule.name, location: rule.location,
            message: "\(longest.count) rules with conditions, and rules of layers that \"pass\" leaves, may decide "
                + "about one packet, at most \(BH_TRIES_MAX + 1) are allowed; put fewer rules behind \"pass\"")
    }
}
