// SPDX-License-Identifier: Apache-2.0
import Policy
import Wire

/// Whether a rule that can match changes any verdict, in one universe.
struct Redundancy: Sendable {
    enum Answer: Sendable {
        /// Some packet would be judged otherwise without it.
        case needed
        /// What comes after it decides the same: these rules, by rank; the defaults decide the rest.
        case redundant(by: Set<Int>)
        case spent
    }

    /// What a rule does with what it matches, as far as anybody but its counter notices.
    private struct Effect: Hashable, Sendable {
        var action: Action
        var isStateless = false
        var isLogged: Bool
    }

    private let list: DecisionList
    private let universe: Universe
    private let effects: [Effect]
    /// By part: whether its rule takes anything over. One that can never match may go as well.
    private let isThere: [Bool]
    private static let effortOfRule = 20_000_000

    /// - Parameter shadowed: The ranks of rules that can never match.
    init(_ list: DecisionList, _ universe: Universe, _ ruleset: Ruleset, shadowed: Set<Int>) {
        self.list = list
        self.universe = universe
        isThere = list.parts.map { part in part.rank.map { !shadowed.contains($0) } ?? true }
        effects = list.parts.map { part in
            guard let rank = part.rank else { return Effect(action: part.action, isLogged: part.action != .accept) }
            let rule = ruleset.rules[rank]
            return Effect(action: rule.action, isStateless: rule.isStateless, isLogged: rule.log)
        }
    }

    /// - Parameter open: What no earlier rule matches, of one part of the rule.
    func answer(_ rank: Int, open: Box?, _ effort: inout Effort) -> Answer {
        let range = list.ofRule[rank]
        guard let first = range.first else { return .redundant(by: []) }
        let effect = effects[first]
        let later = range.upperBound..<list.parts.count
        if isLoggedLater(rank) { return .needed }
        if let open, changes(universe.possible(open.first, in: open), later, effect) { return .needed }
        var own = Effort(min(effort.left, Redundancy.effortOfRule))
        let start = own.left
        defer { effort.left -= start - own.left }
        var heirs: Set<Int> = []
        for part in range {
            let box = list.parts[part].box
            own.left -= later.count / 8
            for other in list.meeting(box, in: later) {
                if effects[other] == effect {
                    if isThere[other], let heir = list.parts[other].rank { heirs.insert(heir) }
                    continue
                }
                let common = box.intersection(list.parts[other].box)
                own.left -= other / 8
                let before =
                    list.meeting(common, in: 0..<range.lowerBound, onlySure: true)
                    + list.meeting(common, in: range.upperBound..<other, onlySure: true).filter { isThere[$0] }
                switch universe.search(common, under: before.map { list.parts[$0].box }, &own) {
                case .open: return .needed
                case .spent: return .spent
                case .covered: break
                }
            }
        }
        return .redundant(by: heirs)
    }

    /// Whether a later rule would log what this one keeps from it.
    private func isLoggedLater(_ rank: Int) -> Bool {
        let boxes = list.ofRule[rank].map { list.parts[$0].box }
        return list.undeciding.contains { later, parts in
            later > rank && parts.contains { part in part.action == .log && boxes.contains { part.box.intersects($0) } }
        }
    }

    /// Whether some later part may decide a packet otherwise.
    private func changes(_ point: Point, _ later: Range<Int>, _ effect: Effect) -> Bool {
        list.candidates(point, in: later).contains { effects[$0] != effect }
    }
}
