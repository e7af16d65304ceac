// SPDX-License-Identifier: Apache-2.0
import Policy

/// The layers of rules, and which rules an earlier one of their layer may pass over.
struct RuleLayers {
    /// Whether some rule passes on to the next layer.
    let canPass: Bool
    /// By rank; empty where no rule passes.
    private let layers: [Int]
    private let overtaken: [Bool]

    init(_ ruleset: Ruleset) {
        canPass = ruleset.rules.indices.contains { ruleset.rules[$0].action == .pass }
        guard canPass else {
            layers = []
            overtaken = []
            return
        }
        var passing: Int?
        layers = ruleset.rules.indices.map { ruleset.rules[$0].layer }
        overtaken = ruleset.rules.indices.map { rank in
            let layer = ruleset.rules[rank].layer
            defer { if ruleset.rules[rank].action == .pass { passing = layer } }
            return passing == layer
        }
    }

    /// 0 for all ranks where no rule passes, because the layers then make no difference.
    func number(_ rank: UInt32) -> Int { canPass ? layers[Int(rank)] : 0 }

    /// Whether an earlier rule of the same layer may pass over the rank.
    func isOvertaken(_ rank: UInt32) -> Bool { canPass && overtaken[Int(rank)] }
}
