// SPDX-License-Identifier: Apache-2.0
import Policy

/// Takes from the rules of a layer what an earlier rule of it passes on to the next layer.
struct PassedParts {
    private var layer = 0
    /// What is passed on whenever it is asked.
    private var always: [Box] = []
    /// What may be passed on: whether it is depends on time or state.
    private var sometimes: [Box] = []
    /// What a rule decides unless it is passed on. So it never comes to a later rule of the layer.
    private var decided: [Box] = []
    /// The most boxes that a part of a rule is divided into. A part beyond that counts as one that may match.
    private static let mostPieces = 256

    private let takesDecided: Bool

    /// - Parameter takesDecided: See ``DecisionOptions/takesDecided``.
    init(takesDecided: Bool) { self.takesDecided = takesDecided }

    /// Adds the parts of a rule with the action `pass`, whether earlier ones pass on the same or not.
    mutating func add(_ parts: [DecisionPart], layer: Int) {
        enter(layer)
        always += parts.filter(\.isSure).map(\.box)
        sometimes += parts.filter { !$0.isSure }.map(\.box)
    }

    /// Whether a rule of the layer at hand passes something on.
    var isEmpty: Bool { always.isEmpty && sometimes.isEmpty }

    /// The parts of a rule that still meet packets.
    mutating func rest(of parts: [DecisionPart], layer: Int) -> [DecisionPart] {
        enter(layer)
        if isEmpty { return parts }
        defer { addDecided(parts) }
        return parts.flatMap { rest(of: $0) }
    }

    /// Without conditional passes, the parts that surely decide tell as much.
    private mutating func addDecided(_ parts: [DecisionPart]) {
        guard takesDecided, !sometimes.isEmpty else { return }
        decided += parts.filter { $0.isSure && $0.action.isVerdict }.map(\.box)
    }

    private mutating func enter(_ layer: Int) {
        if layer != self.layer { self = PassedParts(takesDecided: takesDecided) }
        self.layer = layer
    }

    private func rest(of part: DecisionPart) -> [DecisionPart] {
        var unsure = part
        unsure.isSure = false
        guard let met = PassedParts.subtracting(always + decided, from: part.box) else { return [unsure] }
        return met.flatMap { box -> [DecisionPart] in
            var sure = part
            sure.box = box
            unsure.box = box
            guard part.isSure, sometimes.contains(where: { $0.intersects(box) }) else { return [sure] }
            guard let certain = PassedParts.subtracting(sometimes, from: box) else { return [unsure] }
            // What is certain stands first; the whole box after it stands for the rest.
            let parts = certain.map { DecisionPart(box: $0, cause: part.cause, action: part.action, isSure: true) }
            return parts + [unsure]
        }
    }

    /// nil if it takes too many boxes.
    private static func subtracting(_ others: [Box], from box: Box) -> [Box]? {
        var rest = [box]
        for other in others where other.intersects(box) {
            rest = rest.flatMap { $0.subtracting(other) }
            if rest.count > mostPieces { return nil }
        }
        return rest
    }
}
