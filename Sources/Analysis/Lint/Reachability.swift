// SPDX-License-Identifier: Apache-2.0
import Policy

/// Whether rules can match, in one universe.
struct Reachability: Sendable {
    enum Answer: Sendable {
        /// No packet of this universe has what the rule asks for.
        case nothing
        /// Earlier rules match all of it: these, by rank.
        case covered(by: Set<Int>)
        /// This part of it is matched by no earlier rule.
        case open(Box)
        case spent
    }

    let list: DecisionList
    private let universe: Universe
    private let rarest: RarestClasses
    /// The most that one rule may cost.
    private static let effortOfRule = 20_000_000

    init(_ list: DecisionList, _ universe: Universe) {
        self.list = list
        self.universe = universe
        rarest = RarestClasses(list.parts, universe)
    }

    func answer(_ rank: Int, _ effort: inout Effort) -> Answer {
        let boxes = list.boxes(of: rank)
        if boxes.isEmpty { return .nothing }
        var covers: Set<Int> = []
        let earlier = 0..<list.ofRule[rank].lowerBound
        let kept = list.keptInLayer[list.keptFrom[rank]]
        for box in boxes {
            effort.left -= earlier.count / 8 + kept.count
            let point = universe.possible(rarest.point(of: box), in: box)
            if !kept.contains(where: { $0.box.contains(point) }),
                !list.hasPart(at: point, in: earlier, where: { $0.isSure && $0.box.crossing.contains(point.crossing) })
            {
                return .open(Box(point))
            }
            let found =
                list.meeting(box, in: earlier, onlySure: true).map { list.parts[$0] }
                + kept.filter { $0.box.intersects(box) }
            switch search(box, found, &effort) {
            case .covered(let parts): covers.formUnion(parts.compactMap { found[$0].rank })
            case .open(let rest): return .open(rest)
            case .spent: return .spent
            }
        }
        return .covered(by: covers)
    }

    /// The same as ``Universe/search(_:under:_:)``, over parts, with no more of them than it takes.
    private func search(_ box: Box, _ parts: [DecisionPart], _ effort: inout Effort) -> CoverSearch.Outcome {
        var own = Effort(min(effort.left, Reachability.effortOfRule))
        let start = own.left
        defer { effort.left -= start - own.left }
        let outcome = universe.search(box, under: parts.map(\.box), &own)
        guard case .covered(var needed) = outcome else { return outcome }
        for candidate in needed.reversed() where needed.count > 1 && needed.count <= 24 {
            let fewer = needed.filter { $0 != candidate }
            var small = Effort(100_000)
            if case .covered = universe.search(box, under: fewer.map { parts[$0].box }, &small) {
                needed = fewer
            }
        }
        return .covered(by: needed)
    }
}

extension Box {
    init(_ point: Point) {
        self.init(
            source: ClassSet(point.source), destination: ClassSet(point.destination), service: ClassSet(point.service),
            crossing: ClassSet(point.crossing), next: ClassSet(point.next))
    }
}

/// In each set of classes the one that the fewest rules name. A packet of such classes is the likeliest to be matched
/// by no other rule.
private struct RarestClasses: Sendable {
    private let counts: [[Int32]]
    private var known: [[ClassSet: UInt32]]

    init(_ parts: [DecisionPart], _ universe: Universe) {
        let all = universe.all
        counts = (0..<4).map { axis in
            var steps = [Int32](repeating: 0, count: Int(all[axis].hull.upper) + 2)
            for part in parts where part.isSure {
                for run in part.box[axis].runs {
                    steps[Int(run.lower)] += 1
                    steps[Int(run.upper) + 1] -= 1
                }
            }
            var count: Int32 = 0
            return steps.map {
                count += $0
                return count
            }
        }
        known = [[ClassSet: UInt32]](repeating: [:], count: 4)
        for part in parts {
            for axis in 0..<4 where known[axis][part.box[axis]] == nil {
                known[axis][part.box[axis]] = rarest(axis, part.box[axis])
            }
        }
    }

    private func rarest(_ axis: Int, _ set: ClassSet) -> UInt32 {
        var best = set.hull.lower
        for run in set.runs {
            for number in run.lower...run.upper where counts[axis][Int(number)] < counts[axis][Int(best)] {
                best = number
            }
        }
        return best
    }

    /// A point of the box of a part.
    func point(of box: Box) -> Point {
        func number(_ axis: Int) -> UInt32 { known[axis][box[axis]] ?? box[axis].hull.lower }
        return Point(source: number(0), destination: number(1), service: number(2), crossing: number(3))
    }
}
