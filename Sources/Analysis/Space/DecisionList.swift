// SPDX-License-Identifier: Apache-2.0
import Network
import Policy
import Wire

/// What one policy decides in a universe: its parts in the order in which they are asked. The first that matches
/// decides. The last ones are the defaults, and one of them matches.
struct DecisionList: Sendable {
    private(set) var parts: [DecisionPart] = []
    /// By rank of a rule: its parts. A rule that logs or passes on has its place here, but decides nothing.
    private(set) var ofRule: [Range<Int>] = []
    /// By rank of a rule that logs or passes on: what it matches.
    private(set) var undeciding: [Int: [DecisionPart]] = [:]
    /// By rank of a rule from which an earlier rule of its layer takes packets: all that it asks for.
    private var asked: [Int: [Box]] = [:]
    /// Of layers in which a rule passes packets on: what never comes to later rules of the same layer, because a rule
    /// decides it or passes it on, if no rule before it passes it on. In the order of the ranks.
    private(set) var keptInLayer: [DecisionPart] = []
    /// By rank: which of these concern it.
    private(set) var keptFrom: [Range<Int>] = []
    private let hulls: Hulls

    init(_ ruleset: Ruleset, in universe: Universe, _ options: DecisionOptions = DecisionOptions()) {
        if options.guards != .none {
            parts += GuardParts(ruleset, universe, options.policy, options.guards).parts
        }
        let maker = RuleParts(ruleset, universe, options)
        var passed = PassedParts(takesDecided: options.takesDecided)
        for rank in ruleset.rules.indices {
            let start = parts.count
            let (action, layer) = (ruleset.rules[rank].action, ruleset.rules[rank].layer)
            let isFirst = rank == 0 || layer != ruleset.rules[rank - 1].layer
            keptFrom.append((isFirst ? keptInLayer.count : keptFrom[rank - 1].lowerBound)..<keptInLayer.count)
            let own = maker.parts(of: rank)
            let met = passed.rest(of: own, layer: layer)
            if met != own { asked[rank] = own.map(\.box) }
            if action.isVerdict { parts += met } else { undeciding[rank] = met }
            if action == .pass { passed.add(own.compactMap { options.settled($0) }, layer: layer) }
            if action != .log, !passed.isEmpty { keptInLayer += own.filter(\.isSure) }
            ofRule.append(start..<parts.count)
        }
        parts += DecisionList.defaults(ruleset, universe, options.policy)
        hulls = Hulls(parts)
    }

    private static func defaults(_ ruleset: Ruleset, _ universe: Universe, _ policy: Int) -> [DecisionPart] {
        var crossings: [Action: [ClassSet]] = [:]
        let tags = ClassSet(below: universe.crossings.tags.count)
        for (number, station) in universe.stations.stations.enumerated() {
            guard let entry = station.entries[policy].first else { continue }
            let defaults = ruleset.entries[entry].defaults
            for direction in Direction.allCases {
                let action = universe.family == nil ? .drop : direction == .in ? defaults.in : defaults.out
                crossings[action, default: []].append(
                    universe.crossings.classes([direction], at: [number], tags: tags))
            }
        }
        return Action.allCases.compactMap { action in
            guard let sets = crossings[action] else { return nil }
            var box = universe.all
            box.crossing = ClassSet(unionOf: sets)
            return DecisionPart(box: box, cause: .default, action: action, isSure: true)
        }
    }

    /// The boxes of a rule, whether it decides or not, and whether an earlier rule passes on what is in them or not.
    func boxes(of rank: Int) -> [Box] {
        asked[rank] ?? undeciding[rank].map { $0.map(\.box) } ?? ofRule[rank].map { parts[$0].box }
    }

    // MARK: Finding

    /// The parts of a range that meet a box, ascending.
    func meeting(_ box: Box, in range: Range<Int>, where isMeant: (DecisionPart) -> Bool) -> [Int] {
        hulls.meeting(box, in: range, parts) { isMeant(parts[$0]) }
    }

    /// The same of all parts, or of those that are sure: without a copy of any.
    func meeting(_ box: Box, in range: Range<Int>, onlySure: Bool = false) -> [Int] {
        hulls.meeting(box, in: range, parts) { !onlySure || hulls.isSure[$0] }
    }

    /// Of some parts those that meet a box.
    func meeting(_ box: Box, of indices: ArraySlice<Int>, where isMeant: (Int) -> Bool = { _ in true }) -> [Int] {
        hulls.meeting(box, in: indices, parts, where: isMeant)
    }

    /// The parts that may decide a packet, in order: those that may, up to the first that must.
    func candidates(_ point: Point, in range: Range<Int>? = nil) -> [Int] {
        var found: [Int] = []
        _ = hulls.contains(point, in: range ?? 0..<parts.count) { index in
            guard parts[index].box.contains(point) else { return false }
            found.append(index)
            return parts[index].isSure
        }
        return found
    }

    /// Whether a part of a range that is meant contains a point.
    func hasPart(at point: Point, in range: Range<Int>, where isMeant: (DecisionPart) -> Bool) -> Bool {
        hulls.contains(point, in: range) { isMeant(parts[$0]) && parts[$0].box.contains(point) }
    }
}

/// The outlines of all parts, side by side: most parts are ruled out by these alone.
private struct Hulls: Sendable {
    private let outlines: [Outline]
    let isSure: [Bool]

    init(_ parts: [DecisionPart]) {
        outlines = parts.map { Outline($0.box) }
        isSure = parts.map(\.isSure)
    }

    /// Of some parts those that are meant and meet a box, in their order.
    func meeting(
        _ box: Box, in indices: some Sequence<Int>, _ parts: [DecisionPart], where isMeant: (Int) -> Bool
    ) -> [Int] {
        let outline = Outline(box)
        var found: [Int] = []
        for index in indices where outlines[index].meets(outline) && isMeant(index) {
            if outlines[index].isExact(with: outline) || parts[index].box.intersects(box) { found.append(index) }
        }
        return found
    }

    func contains(_ point: Point, in range: Range<Int>, _ isMeant: (Int) -> Bool) -> Bool {
        for index in range where outlines[index].meets(point) && isMeant(index) { return true }
        return false
    }
}
