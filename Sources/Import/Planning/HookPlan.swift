// SPDX-License-Identifier: Apache-2.0
import Network

/// What one hook of one family does: rules in order, and what happens to the rest.
struct HookPlan {
    var items: [PlannedItem] = []
    var final = Step.Action.accept

    /// Whether a rule accepts something.
    var accepts: Bool {
        items.contains { item in
            if case .rule(let rule) = item { rule.action == .accept } else { false }
        }
    }

    private let hook: Hook
    private let family: AddressFamily
    private let untracked: BoxList

    /// - Parameters:
    ///   - steps: the steps of the hook.
    ///   - answers: those that its answers pass.
    init(_ hook: Hook, _ family: AddressFamily, _ steps: [Step], answers: [Step], untracked: [Match]) {
        self.hook = hook
        self.family = family
        self.untracked = BoxList(boxes: untracked.flatMap(\.over.boxes))
        let coverage = FlowCoverage(steps, answers: answers)
        var ports = Box(.all(family))
        ports.arriving = DeviceSet.loopback.complement
        ports.leaving = DeviceSet.loopback.complement
        for (index, step) in steps.enumerated() {
            noteWhatIsLost(step)
            guard var opening = Opening(step, family) else { continue }
            opening.boxes = opening.boxes.intersection(BoxList(boxes: [ports])) ?? .none
            if !step.states.contains(.new), step.isDrop, !matters(opening.boxes, to: steps[(index + 1)...]) {
                continue
            }
            let isLast = opening.boxes.contains(ports) && step.limit == nil
            if isLast, step.isDrop {
                final = step.action
                return
            }
            let isWhole = add(opening, coverage, index, isLast: isLast)
            if isLast {
                final = isWhole ? .accept : .drop
                return
            }
        }
    }

    /// Whether a later accept would take some of it. What connection tracking calls invalid is not accepted anyway, but
    /// for some ICMP.
    private func matters(_ boxes: BoxList, to later: ArraySlice<Step>) -> Bool {
        later.contains { step in
            guard step.action == .accept, let opening = Opening(step, family) else { return false }
            return opening.boxes.boxes.contains(where: boxes.intersects)
        }
    }

    private mutating func noteWhatIsLost(_ step: Step) {
        if case .none(let leftOut) = step.action {
            note(step, leftOut)
        } else if !step.unsaid.isEmpty, !step.states.intersection(.openings).isEmpty {
            let words = Array(Set(step.unsaid)).sorted().joined(separator: ", ")
            if step.isDrop {
                if !step.boxes.isEmpty {
                    note(step, "drops more than it should, because this cannot be said: \(words)")
                }
            } else {
                note(
                    step,
                    step.boxes.isEmpty ? "cannot say: \(words)" : "accepts less, because this cannot be said: \(words)")
            }
        }
    }

    private mutating func note(_ step: Step, _ words: String) {
        let origin = step.origins[0]
        let more = step.origins.count > 1 ? " (and \(step.origins.count - 1) more)" : ""
        items.append(
            .note(.init(kind: .leftOut, file: origin.file, line: origin.line, words: "\(origin.text)\(more): \(words)"))
        )
    }

    /// Whether nothing of it was left out. `isLast`: all that is not without a flow is the default's.
    private mutating func add(_ opening: Opening, _ coverage: FlowCoverage, _ index: Int, isLast: Bool) -> Bool {
        guard opening.step.action == .accept else {
            add(opening.step, opening.boxes, isStateless: false)
            return true
        }
        var (stateful, stateless, leftOut) = coverage.split(opening, at: index)
        if !untracked.isEmpty {
            let lost = stateful.intersection(untracked) ?? stateful
            stateful = stateful.subtracting(untracked) ?? .none
            if opening.step.states == .all { stateless.boxes += lost.boxes } else { leftOut.boxes += lost.boxes }
        }
        if leftOut.isEmpty {
            // What stands first takes its packets away, so that the rest need not be cut.
            if stateless.merged.boxes.count <= stateful.merged.boxes.count || stateless.isEmpty {
                add(opening.step, stateless, isStateless: true)
                if !isLast { add(opening.step, opening.boxes, isStateless: false) }
            } else {
                add(opening.step, stateful, isStateless: false)
                add(opening.step, opening.boxes, isStateless: true)
            }
            return true
        }
        add(opening.step, stateless, isStateless: true)
        note(opening.step, "some of what it lets in could not be answered, or not go on; that cannot be said")
        add(opening.step, stateful, isStateless: false)
        return false
    }

    private mutating func add(_ step: Step, _ boxes: BoxList, isStateless: Bool) {
        for box in boxes.merged.boxes {
            var rule = PlannedRule(box: box, hook: hook, action: step.action, isStateless: isStateless)
            // A limit that is split is two limits.
            if let limit = step.limit {
                guard boxes.boxes.count == 1 else {
                    note(step, "a limit over what must be said in several rules")
                    return
                }
                rule.limit = limit
            }
            if isStateless { rule.remarks.append("without a flow, because the original does not let the answers pass") }
            rule.comment = step.comment
            rule.path = step.path
            rule.origins = step.origins
            items.append(.rule(rule))
        }
    }
}
