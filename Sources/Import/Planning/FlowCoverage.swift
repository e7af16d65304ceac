// SPDX-License-Identifier: Apache-2.0

/// Whether what a flow admits is what the rule set admits of an open connection.
///
/// A rule that accepts makes a flow, and the flow admits all that follows, both ways. The rule set asks its rules for
/// each of these packets too; most have a rule early on that accepts whatever is established. Where some of it would be
/// dropped, the rule must not make a flow.
struct FlowCoverage {
    /// What an accept takes: with a flow, without one, and what is left out because neither is right.
    struct Split {
        var stateful: BoxList
        var stateless: BoxList
        var leftOut: BoxList
        /// Whether some is without a flow only because its answers may belong to no connection.
        var hasStrays: Bool
    }

    /// Steps in order, with what tells cheaply that a step is not about some packets.
    private struct Way {
        let steps: [Step]
        /// Where they stand among all steps.
        let places: [Int]
        private let hulls: [BoxHull]

        init(_ all: [Step], where isMeant: (Step) -> Bool) {
            let kept = all.enumerated().filter { isMeant($0.element) }
            steps = kept.map(\.element)
            places = kept.map(\.offset)
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
    /// Those that drop some segments for their state or flags.
    private let partial: Way
    /// Those that see answers that belong to no connection.
    private let invalid: Way
    private let asksStrays: Bool

    /// - Parameters:
    ///   - answers: the steps that answers pass: those of the output for what comes in.
    ///   - asksStrays: whether packets that open no connection may come from anybody.
    init(_ steps: [Step], answers: [Step], asksStrays: Bool) {
        self.asksStrays = asksStrays
        partial = Way(steps) { $0.isDrop && $0.states != .all }
        answering = Way(answers) { $0.states.contains(.established) }
        invalid = Way(answers) { $0.states.contains(.invalid) }
        following = Way(steps) { step in
            step.states.contains(.established)
                && (!step.isDrop || !step.states.contains(.openings) || step.isConditional)
        }
    }

    func split(_ opening: Opening, at index: Int) -> Split {
        var (stateful, stateless, leftOut) = (BoxList.none, BoxList.none, BoxList.none)
        var hasStrays = false
        for box in opening.boxes.boxes {
            let strays = strays(opening.step, box)
            hasStrays = hasStrays || !strays.isEmpty
            let lost = uncovered(opening.step, box, at: index) + strays
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
        return Split(stateful: stateful, stateless: stateless, leftOut: leftOut, hasStrays: hasStrays)
    }

    /// Only some packets of SCTP and DCCP open a connection, and a policy cannot say which. What of `box` is one of the
    /// others may be accepted, but what answers it belongs to no connection.
    private func strays(_ step: Step, _ box: Box) -> [Box] {
        guard asksStrays, step.states.contains(.invalid),
            let odd = box.intersection(Box(protocols: NumberSet(numbers: [33, 132])))
        else { return [] }
        return FlowCoverage.dropped([odd.reversed], by: invalid).map(\.reversed)
    }

    /// Without a flow a rule judges every segment. So it must have asked for no state, and no rule before it may have
    /// dropped some segments for their state or flags.
    private func maySayStateless(_ step: Step, _ box: Box, before index: Int) -> Bool {
        guard step.states == .all else { return false }
        return !zip(partial.places, partial.steps).contains { $0 < index && $1.boxes.intersects(box) }
    }

    /// What of `box` could open a connection whose packets the rule set would drop later.
    private func uncovered(_ step: Step, _ box: Box, at index: Int) -> [Box] {
        var lost = FlowCoverage.dropped([box.reversed], by: answering).map(\.reversed)
        // What opened the connection is accepted here, and so is what follows, but for what is dropped before.
        let isSame = step.states.contains(.established) && !step.isConditional
        lost += FlowCoverage.dropped([box], by: following, before: isSame ? index : nil)
        return lost
    }

    /// More pieces than this are not worth following: all of it counts as dropped.
    private static let mostPieces = 48
    /// The same of steps that may be about them.
    private static let mostSteps = 64

    /// The packets of open connections, of those in `boxes`, that the steps may drop; `end`: a step that accepts what
    /// comes to it.
    private static func dropped(_ boxes: [Box], by way: Way, before end: Int? = nil) -> [Box] {
        var rest = BoxList(boxes: boxes)
        var lost: [Box] = []
        var (start, count) = (0, 0)
        while !rest.isEmpty, let index = way.next(from: start, about: rest.boxes) {
            if let end, way.places[index] >= end { return lost }
            let step = way.steps[index]
            start = index + 1
            count += 1
            if count > mostSteps { return boxes }
            if !step.isVerdict || step.action == .accept && step.isConditional { continue }
            if step.isDrop {
                lost += rest.boxes.flatMap { box in step.boxes.boxes.compactMap { $0.intersection(box) } }
            }
            guard let left = rest.subtracting(step.boxes), lost.count + left.boxes.count <= mostPieces else {
                return boxes
            }
            rest = left
        }
        return end == nil ? lost + rest.boxes : lost
    }
}
