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
    /// The most that the search may cost for one part; what it does not find is looked for in order.
    private let effortOfSearch: Int
    /// Into more boxes what a part decides is not divided.
    private static let mostBoxes = 1000

    /// - Parameters:
    ///   - shadowed: The ranks of rules that can never match.
    ///   - search: The most that the search may cost for one part of a rule.
    init(_ list: DecisionList, _ universe: Universe, _ ruleset: Ruleset, shadowed: Set<Int>, search: Int) {
        effortOfSearch = search
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
            own.left -= list.parts.count / 8
            let box = list.parts[part].box
            let others = Others(
                earlier: list.meeting(box, in: 0..<range.lowerBound, onlySure: true),
                later: list.meeting(box, in: later))
            let most = min(own.left, effortOfSearch)
            var little = Effort(most)
            var found = answerBySearch(part, others, &little)
            own.left -= most - little.left
            if case .spent = found { found = answerInOrder(part, others, &own) }
            guard case .redundant(let by) = found else { return found }
            heirs.formUnion(by)
        }
        return .redundant(by: heirs)
    }

    /// What meets a part: of the rules before its own, what is sure; of those after it, and the defaults, all.
    private struct Others {
        var earlier: [Int]
        var later: [Int]
    }

    /// Asks about each later part that decides otherwise whether anything of the part comes to it.
    private func answerBySearch(_ part: Int, _ others: Others, _ effort: inout Effort) -> Answer {
        let box = list.parts[part].box
        var heirs: Set<Int> = []
        for (place, other) in others.later.enumerated() {
            if effects[other] == effects[part] {
                if isThere[other], let heir = list.parts[other].rank { heirs.insert(heir) }
                continue
            }
            let common = box.intersection(list.parts[other].box)
            effort.left -= (others.earlier.count + place) / 8
            let before =
                list.meeting(common, of: others.earlier[...])
                + list.meeting(common, of: others.later[..<place]) { isThere[$0] && list.parts[$0].isSure }
            switch universe.search(common, under: before.map { list.parts[$0].box }, &effort) {
            case .open: return .needed
            case .spent: return .spent
            case .covered: break
            }
        }
        return .redundant(by: heirs)
    }

    /// Takes what the part decides itself, and has the later parts take it over in order, until nothing of it is left.
    private func answerInOrder(_ part: Int, _ others: Others, _ effort: inout Effort) -> Answer {
        let before = others.earlier.map { list.parts[$0].box }
        let own = CoverSearch.rest(of: list.parts[part].box, without: before, atMost: Redundancy.mostBoxes, &effort)
        guard var left = own else { return .spent }
        var heirs: Set<Int> = []
        for other in others.later where !left.isEmpty {
            let (box, isSame) = (list.parts[other].box, effects[other] == effects[part])
            let taken = left.filter { $0.intersects(box) }
            effort.left -= left.count
            if taken.isEmpty { continue }
            for piece in taken where !isSame {
                switch universe.search(piece.intersection(box), under: [], &effort) {
                case .open: return .needed
                case .spent: return .spent
                case .covered: break
                }
            }
            guard isThere[other] else { continue }
            if isSame, let heir = list.parts[other].rank { heirs.insert(heir) }
            guard list.parts[other].isSure else { continue }
            left = left.flatMap { $0.subtracting(box) }
            if left.count > Redundancy.mostBoxes { return .spent }
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
