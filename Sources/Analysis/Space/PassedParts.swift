// SPDX-License-Identifier: Apache-2.0
import Policy

/// Takes from the rules of a layer what an earlier rule of it passes on to the next layer.
struct PassedParts {
    private var layer = 0
    /// What is passed on whenever it is asked.
    private var always: [Box] = []
    /// What may be passed on: whether it is depends on time or state.
    private var sometimes: [Box] = []
    /// The most boxes that a part of a rule is divided into. A part beyond that counts as one that may match.
    private static let mostPieces = 256

    /// Adds the parts of a rule with the action `pass`.
    mutating func add(_ parts: [DecisionPart], layer: Int) {
        enter(layer)
        always += parts.filter(\.isSure).map(\.box)
        sometimes += parts.filter { !$0.isSure }.map(\.box)
    }

    /// The parts of a rule that still meet packets.
    mutating func rest(of parts: [DecisionPart], layer: Int) -> [DecisionPart] {
        enter(layer)
        if always.isEmpty, sometimes.isEmpty { return parts }
        return parts.flatMap { rest(of: $0) }
    }

    private mutating func enter(_ layer: Int) {
        if layer != self.layer { self = PassedParts() }
        self.layer = layer
    }

    private func rest(of part: DecisionPart) -> [DecisionPart] {
        var unsure = part
        unsure.isSure = false
        guard let met = PassedParts.subtracting(always, from: part.box) else { return [unsure] }
        return met.flatMap { box -> [DecisionPart] in
            var sure = part
            sure.box = box
            unsure.box = box
            guard part.isSure, sometimes.contains(where: { $0.intersects(box) }) else { return [sure] }
            guard let certain = PassedParts.subtracting(sometimes, from: box) else { return [unsure] }
            // What is certain stands first; the whole box after it stands for the rest.
            let certainly = certain.map { DecisionPart(box: $0, cause: part.cause, action: part.action, isSure: true) }
            return certainly + [unsure]
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
