// SPDX-License-Identifier: Apache-2.0
import Network

/// What one hook of one family does: rules in order, and what happens to the rest.
struct HookPlan {
    var items: [PlannedItem] = []
    var final = Step.Action.accept

    /// The most steps that pass, of those that one packet may meet before a rule decides.
    private static let mostPasses = 3

    private let hook: Hook
    private let family: AddressFamily
    private let untracked: BoxList
    /// Whether what returns from chains is said by rules that pass.
    private let passes: Bool
    private var conditions = ConditionCount()

    /// Whether a rule accepts something.
    var accepts: Bool {
        items.contains { item in
            if case .rule(let rule) = item { rule.action == .accept } else { false }
        }
    }

    /// Whether it has layers.
    var hasLayers: Bool {
        items.contains { item in
            if case .layerEnd = item { true } else { false }
        }
    }

    /// - Parameters:
    ///   - steps: the steps of the hook.
    ///   - answers: those that its answers pass.
    init(_ hook: Hook, _ family: AddressFamily, _ steps: [Step], answers: [Step], untracked: [Match]) {
        self.hook = hook
        self.family = family
        self.untracked = BoxList(boxes: untracked.flatMap(\.over.boxes))
        let passing = steps.filter { $0.action == .pass }.count
        passes =
            (1...HookPlan.mostPasses).contains(passing)
            && steps.allSatisfy { $0.action != .pass || HookPlan.canSay($0, hook) }
        let coverage = FlowCoverage(steps, answers: answers, asksStrays: hook == .input)
        var ports = Box(.all(family))
        ports.arriving = DeviceSet.loopback.complement
        ports.leaving = DeviceSet.loopback.complement
        for (index, step) in steps.enumerated() {
            if case .layerEnd(let name) = step.action {
                if passes { items.append(.layerEnd(name)) }
                continue
            }
            noteWhatIsLost(step)
            addStrays(step, ports, later: steps[(index + 1)...])
            guard var opening = Opening(step, family) else { continue }
            opening.boxes = opening.boxes.intersection(BoxList(boxes: [ports])) ?? .none
            if !step.states.contains(.new), step.isDrop, !matters(opening.boxes, to: steps[(index + 1)...]) {
                continue
            }
            let isLast = opening.boxes.contains(ports) && !step.isConditional && step.isVerdict && !step.isLogged
            if isLast, step.isDrop {
                noteUnreached(step, later: steps[(index + 1)...])
                final = step.action
                return
            }
            if passes { opening = written(opening, ports) }
            let isWhole = add(opening, coverage, index, isLast: isLast)
            if isLast {
                final = isWhole ? .accept : .drop
                return
            }
        }
    }

    /// Whether a rule takes just the packets of a step, and no more.
    private static func canSay(_ step: Step, _ hook: Hook) -> Bool {
        let ports = DeviceSet.loopback.complement
        return step.boxes.boxes.allSatisfy { box in
            let count = box.protocols.ranges.reduce(0) { $0 + Int($1.upperBound - $1.lowerBound) + 1 }
            let isPlain = box.protocols == Box.allProtocols && box.sourcePorts.isAll && box.destinationPorts.isAll
            return (count <= 16 || isPlain) && (hook != .forward || ports.isSubset(of: box.leaving))
        }
    }

    /// Drops SCTP and DCCP wholly where some of it is dropped, and a later rule would accept it.
    private mutating func addStrays(_ step: Step, _ ports: Box, later: ArraySlice<Step>) {
        let strays = Opening.strays(step).intersection(BoxList(boxes: [ports])) ?? .none
        guard !strays.isEmpty, matters(strays, to: later) else { return }
        note(step, "drops more than it should: SCTP and DCCP wholly, because what opens a connection cannot be told")
        add(step, strays, isStateless: false)
    }

    /// The opening as it is written behind rules that pass: they have taken away what returned.
    private func written(_ opening: Opening, _ ports: Box) -> Opening {
        var step = opening.step
        step.boxes = step.unpassed
        guard opening.step.boxes != step.boxes, var wider = Opening(step, family),
            let boxes = wider.boxes.intersection(BoxList(boxes: [ports]))
        else { return opening }
        wider.boxes = boxes
        return wider
    }

    /// Whether a later accept would take some of it. What connection tracking calls invalid is not accepted anyway, but
    /// for some ICMP.
    private func matters(_ boxes: BoxList, to later: ArraySlice<Step>) -> Bool {
        later.contains { step in
            guard step.action == .accept, let opening = Opening(step, family) else { return false }
            return opening.boxes.boxes.contains(where: boxes.intersects)
        }
    }

    // MARK: What is lost

    private mutating func noteWhatIsLost(_ step: Step) {
        if case .none(let leftOut) = step.action { return note(step, leftOut) }
        if step.action == .pass { return }
        if step.action == .log, step.states.isDisjoint(with: .openings) {
            return note(step, "logs what open connections carry")
        }
        let unsaid = passes ? step.unpassedUnsaid : step.unsaid
        guard !unsaid.isEmpty, !step.states.isDisjoint(with: .openings) else { return }
        let boxes = passes ? step.unpassed : step.boxes
        let words = Array(Set(unsaid)).sorted().joined(separator: ", ")
        if step.action == .log {
            note(step, "logs more than it should, because this cannot be said: \(words)")
        } else if step.isDrop {
            if !boxes.isEmpty { note(step, "drops more than it should, because this cannot be said: \(words)") }
        } else {
            note(step, boxes.isEmpty ? "cannot say: \(words)" : "accepts less, because this cannot be said: \(words)")
        }
    }

    /// Says of a drop that was widened to everything that no rule behind it is left.
    private mutating func noteUnreached(_ step: Step, later: ArraySlice<Step>) {
        let count = later.count {
            $0.action == .accept && !$0.boxes.isEmpty && !$0.states.isDisjoint(with: .openings)
        }
        if step.unsaid.isEmpty || count == 0 { return }
        note(step, "so everything is dropped here, and nothing is left of the \(count) behind it that accept")
    }

    private mutating func note(_ step: Step, _ words: String) {
        let origin = step.origins[0]
        let more = step.origins.count > 1 ? " (and \(step.origins.count - 1) more)" : ""
        items.append(
            .note(
                .init(kind: .leftOut, file: origin.file, line: origin.line, words: "\(origin.shown)\(more): \(words)"))
        )
    }

    // MARK: Rules

    /// Whether nothing of it was left out. `isLast`: all that is not without a flow is the default's.
    private mutating func add(_ opening: Opening, _ coverage: FlowCoverage, _ index: Int, isLast: Bool) -> Bool {
        guard opening.step.action == .accept else {
            if opening.step.action != .pass || passes { add(opening.step, opening.boxes, isStateless: false) }
            return true
        }
        if opening.step.limit != nil, !opening.step.unsaid.isEmpty {
            note(opening.step, "a limit that took more than can be said")
            return false
        }
        let split = coverage.split(opening, at: index)
        var (stateful, stateless, leftOut) = (split.stateful, split.stateless, split.leftOut)
        if split.hasStrays {
            note(
                opening.step, "SCTP and DCCP are accepted without a flow, so that their answers need rules of their own"
            )
        }
        if !untracked.isEmpty {
            let lost = stateful.intersection(untracked) ?? stateful
            stateful = stateful.subtracting(untracked) ?? .none
            if opening.step.states == .all { stateless.boxes += lost.boxes } else { leftOut.boxes += lost.boxes }
        }
        // A limit that stands twice is two limits.
        if opening.step.limit != nil, !stateful.isEmpty, !stateless.isEmpty {
            leftOut.boxes += stateless.boxes
            stateless = .none
        }
        if leftOut.isEmpty {
            // What stands first takes its packets away, so that the rest need not be cut.
            if stateful.isEmpty {
                add(opening.step, stateless, isStateless: true)
            } else if stateless.merged.boxes.count <= stateful.merged.boxes.count || stateless.isEmpty {
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
        let merged = boxes.merged.boxes
        // A limit counts all that comes to it: what is widened would use it up, and what comes after it pass.
        if let limit = step.limit, step.isDrop, !limit.isOver, !step.unsaid.isEmpty {
            return addUnlimited(step, merged, isStateless, "limit")
        }
        // A limit that is split is two limits.
        if step.limit != nil, merged.count != 1 {
            return addUnlimited(step, merged, isStateless, "a limit over what must be said in several rules")
        }
        let strange = family == .v4 ? Box.icmpV6 : Box.icmp
        for box in merged {
            // ICMP of the other family belongs to no connection.
            if step.action == .accept, box.protocols == strange { continue }
            let isConditional = (step.isConditional || !step.isVerdict) && step.action != .pass
            if isConditional, !conditions.take(box) {
                return addUnlimited(step, merged, isStateless, "too many conditions that one packet may meet")
            }
            items.append(.rule(rule(step, box, isStateless)))
        }
    }

    /// What becomes of a rule whose condition cannot be written: a drop is widened, and anything else left out.
    private mutating func addUnlimited(_ step: Step, _ boxes: [Box], _ isStateless: Bool, _ words: String) {
        if boxes.isEmpty { return }
        guard step.isDrop else { return note(step, words) }
        note(step, "drops more than it should, because this cannot be said: \(words)")
        var step = step
        step.limit = nil
        step.fields = .any
        for box in boxes { items.append(.rule(rule(step, box, isStateless))) }
    }

    private func rule(_ step: Step, _ box: Box, _ isStateless: Bool) -> PlannedRule {
        var rule = PlannedRule(box: box, hook: hook, action: step.action, isStateless: isStateless)
        rule.limit = step.limit
        rule.fields = step.fields
        rule.tag = step.tag
        rule.isLogged = step.isLogged
        if isStateless { rule.remarks.append("without a flow, because the original does not let the answers pass") }
        rule.comment = step.comment
        rule.path = step.path
        rule.origins = step.origins
        return rule
    }
}

/// Counts the rules with a condition, or that do not decide, that one packet may meet before one decides.
private struct ConditionCount {
    /// A policy may have 16. Half of them are for one hook, because what comes in may meet the rules of two; three are
    /// for rules that pass.
    private static let most = 4

    private var boxes: [Box] = []

    /// Whether one more has room.
    mutating func take(_ box: Box) -> Bool {
        let met = boxes.filter { $0.intersection(box) != nil }.count
        if met >= ConditionCount.most { return false }
        boxes.append(box)
        return true
    }
}
