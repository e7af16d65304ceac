// SPDX-License-Identifier: Apache-2.0
import Network

/// Joins neighbours that a person would have written as one rule: those that differ in the addresses of one end alone,
/// in the protocol of a port, or in types of ICMP. What neighbours with one verdict take together is the same in any
/// order.
enum StepJoining {
    static func joined(_ steps: [Step]) -> [Step] {
        pairs(runs(runs(steps, \.source), \.destination))
    }

    /// Whether two neighbours may become one as far as all but their packets goes.
    private static func areAlike(_ left: Step, _ right: Step) -> Bool {
        left.isVerdict && left.action == right.action && left.states == right.states
            && !left.isConditional && !right.isConditional && left.tag == right.tag && left.isLogged == right.isLogged
            && left.unsaid.isEmpty && right.unsaid.isEmpty && left.path == right.path && left.comment == right.comment
            && left.boxes.boxes.count == 1 && right.boxes.boxes.count == 1
            && left.boxes == left.unpassed && right.boxes == right.unpassed
    }

    /// Joins runs that differ in one set of addresses, which are united all at once: thousands are common.
    private static func runs(_ steps: [Step], _ path: WritableKeyPath<Box, AddressSet>) -> [Step] {
        var result: [Step] = []
        var key: Box?
        var sets: [AddressSet] = []
        func close() {
            guard sets.count > 1 else { return }
            result[result.count - 1].boxes.boxes[0][keyPath: path] = AddressSet(unionOf: sets)
            result[result.count - 1].unpassed = result[result.count - 1].boxes
        }
        for step in steps {
            var box = step.boxes.boxes.first
            box?[keyPath: path] = .all
            if let last = result.last, areAlike(last, step), box == key {
                result[result.count - 1].origins += step.origins
                sets.append(step.boxes.boxes[0][keyPath: path])
            } else {
                close()
                result.append(step)
                sets = [step.boxes.boxes.first?[keyPath: path] ?? .empty]
                key = box
            }
        }
        close()
        return result
    }

    private static func pairs(_ steps: [Step]) -> [Step] {
        var result: [Step] = []
        for step in steps {
            if let last = result.last, areAlike(last, step),
                let box = last.boxes.boxes[0].joined(with: step.boxes.boxes[0])
            {
                result[result.count - 1].boxes = BoxList(boxes: [box])
                result[result.count - 1].unpassed = BoxList(boxes: [box])
                result[result.count - 1].origins += step.origins
            } else {
                result.append(step)
            }
        }
        return result
    }
}

extension Box {
    /// The union, if two boxes differ only in their protocol, or only in types of ICMP.
    fileprivate func joined(with other: Box) -> Box? {
        for path in [\Box.protocols, \Box.messages, \Box.messagesV6] {
            var candidate = self
            candidate[keyPath: path] = other[keyPath: path]
            guard candidate == other else { continue }
            // Ports must be asked of all protocols, or of none.
            let union = self[keyPath: path].union(other[keyPath: path])
            let areLike = protocols.isSubset(of: Box.withPorts) == other.protocols.isSubset(of: Box.withPorts)
            guard path != \Box.protocols || areLike else { return nil }
            candidate[keyPath: path] = union
            return candidate
        }
        return nil
    }
}
