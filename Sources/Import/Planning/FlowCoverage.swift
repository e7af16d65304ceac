// SPDX-License-Identifier: Apache-2.0

/// Whether what a flow admits is what the rule set admits of an open connection.
///
/// A rule that accepts makes a flow, and the flow admits all that follows, both ways. The rule set asks its rules for
/// each of these packets too; most have a rule early on that accepts whatever is established. Where some of it would be
/// dropped, the rule must not make a flow.
struct FlowCoverage {
    /// Steps in order, with what tells cheaply that a step is not about some packets.
    private struct Way {
        let steps: [Step]
        private let hulls: [BoxHull]

        init(_ steps: [Step]) {
            self.steps = steps
            hulls = steps.map { BoxHull($0.boxes.boxes) }
        }

        /// The places of the steps that may be about some of `boxes`, from `start` on.
        func next(from start: Int, about boxes: [Box]) -> Int? {
            let hull = BoxHull(boxes)
            return hulls[start...].firstIndex { $0.overlaps(hull) }
        }
    }

    /// The steps that see packets of open connections, after the rule that opened it, and of those the other way.
    private let following: Way
    private let answering: Way
    /// Those that drop such packets but not what opens a connection.
    private let ownDrops: [Step]
    private let all: [Step]

    /// - Parameter answers: the steps that answers pass: those of the output for what comes in.
    init(_ steps: [Step], answers: [Step]) {
        all = steps
        let mine = steps.filter { $0.states.contains(.established) }
        answering = Way(answers.filter { $0.states.contains(.established) })
        following = Way(mine.filter { !$0.isDrop || !$0.states.contains(.openings) })
        ownDrops = mine.filter { $0.isDrop && !$0.states.contains(.openings) }
    }

    /// Splits what an accept takes: with a flow, without one, and what is left out because neither is right.
    func split(_ opening: Opening, at index: Int) -> (stateful: BoxList, stateless: BoxList, leftOut: BoxList) {
        var (stateful, stateless, leftOut) = (BoxList.none, BoxList.none, BoxList.none)
        for box in opening.boxes.boxes {
            let lost = uncovered(opening.step, box)
            if lost.isEmpty {
                stateful.boxes.append(box)
                continue
            }
            let pieces = lost.compactMap { box.intersection($0) }
            guard let kept = BoxList(boxes: [box]).subtracting(BoxList(boxes: pieces)) else {
                leftOut.boxes.append(box)
                continue
            }
            stateful.boxes += kept.boxes
            for piece in BoxList(boxes: pieces).merged.boxes {
                if maySayStateless(opening.step, piece, before: index) {
                    stateless.boxes.append(piece)
                } else {
                    leftOut.boxes.append(piece)
                }
            }
        }
        return (stateful, stateless, leftOut)
    }

    /// Without a flow a rule judges every segment. So it must have asked for no state, and no rule before it may have
    /// dropped some segments for their state or flags.
    private func maySayStateless(_ step: Step, _ box: Box, before index: Int) -> Bool {
        guard step.states == .all, step.limit == nil else { return false }
        return !all[..<index].contains { $0.isDrop && $0.states != .all && $0.boxes.intersects(box) }
    }

    /// What of `box` could open a connection whose packets the rule set would drop later.
    private func uncovered(_ step: Step, _ box: Box) -> [Box] {
        var lost = FlowCoverage.dropped([box.reversed], by: answering).map(\.reversed)
        if step.states.contains(.established) {
            for drop in ownDrops { lost += drop.boxes.boxes.compactMap { $0.intersection(box) } }
        } else {
            lost += FlowCoverage.dropped([box], by: following)
        }
        return lost
    }

    /// More pieces than this are not worth following: all of it counts as dropped.
    private static let mostPieces = 48

    /// The packets of open connections, of those in `boxes`, that the steps may drop.
    private static func dropped(_ boxes: [Box], by way: Way) -> [Box] {
        var rest = BoxList(boxes: boxes)
        var lost: [Box] = []
        var start = 0
        while !rest.isEmpty, let index = way.next(from: start, about: rest.boxes) {
            let step = way.steps[index]
            start = index + 1
            if case .none = step.action { continue }
            if step.action == .accept, step.limit != nil { continue }
            if step.isDrop {
                lost += rest.boxes.flatMap { box in step.boxes.boxes.compactMap { $0.intersection(box) } }
            }
            guard let left = rest.subtracting(step.boxes), lost.count + left.boxes.count <= mostPieces else {
                return boxes
            }
            rest = left
        }
        return lost + rest.boxes
    }
}

extension Step {
    var isDrop: Bool { action == .drop || action == .reject }
}
