// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import Policy

/// How many conditional rules one packet may have to be tried against before one decides, at most: the programs try a
/// fixed number.
///
/// A packet is of one joint class and has one list in each partition, so the longest of each partition's together are a
/// bound.
struct Tries {
    /// By partition and joint class: the conditional rules of the list that has most of them there.
    private var most = [[Int: [UInt32]]](repeating: [:], count: Int(BH_PARTITIONS))

    /// - Parameter candidates: By joint class: conditional rules, ascending, then an unconditional one or `BH_NONE`.
    mutating func note(_ candidates: [Int: [UInt32]], partition: Int) {
        for (joint, ranks) in candidates where ranks.count - 1 > most[partition][joint]?.count ?? 0 {
            most[partition][joint] = Array(ranks.dropLast())
        }
    }

    /// Refuses what a packet could match too many conditional rules of.
    func check(_ ruleset: Ruleset) throws(CompileError) {
        var worst: [UInt32] = []
        for joint in Set(most.flatMap(\.keys)) {
            let ranks = Set(most.flatMap { $0[joint] ?? [] }).sorted()
            if ranks.count > worst.count || (ranks.count == worst.count && ranks.lexicographicallyPrecedes(worst)) {
                worst = ranks
            }
        }
        guard worst.count > Int(BH_TRIES_MAX) else { return }
        let last = ruleset.rules[Int(worst[Int(BH_TRIES_MAX)])]
        var names: [String] = []
        for rank in worst.prefix(20) where names.last != ruleset.rules[Int(rank)].name {
            names.append(ruleset.rules[Int(rank)].name)
        }
        throw CompileError(
            rule: last.name, location: last.location,
            message:
                "one packet could match \(worst.count) rules with a condition (\"limit\", \"expires\", a dynamic group) before one "
                + "decides, at most \(BH_TRIES_MAX): \(names.joined(separator: ", "))")
    }
}
