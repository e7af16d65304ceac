// SPDX-License-Identifier: Apache-2.0

/// A union of boxes.
struct BoxList: Sendable, Hashable {
    var boxes: [Box]

    /// The most boxes that a union is split into. A condition that needs more cannot be said.
    static let most = 1024

    static let none = BoxList(boxes: [])

    var isEmpty: Bool { boxes.isEmpty }

    /// nil if it would need more than ``most`` boxes.
    func intersection(_ other: BoxList) -> BoxList? {
        guard boxes.count * other.boxes.count <= 1 << 16 else { return nil }
        let common = boxes.flatMap { left in other.boxes.compactMap { left.intersection($0) } }
        return common.count <= BoxList.most ? BoxList(boxes: common) : nil
    }

    /// nil if it would need more than ``most`` boxes.
    func subtracting(_ other: BoxList) -> BoxList? {
        var rest = boxes
        for box in other.boxes {
            if rest.isEmpty { break }
            if !rest.contains(where: { $0.intersection(box) != nil }) { continue }
            rest = rest.flatMap { $0.subtracting(box) }
            if rest.count > BoxList.most { return nil }
        }
        return BoxList(boxes: rest)
    }

    func intersects(_ box: Box) -> Bool { boxes.contains { $0.intersection(box) != nil } }
    func contains(_ box: Box) -> Bool { boxes.contains { box.isSubset(of: $0) } }

    /// The same packets in fewer boxes, where neighbours differ in one set alone.
    var merged: BoxList {
        var result: [Box] = []
        for box in boxes {
            if let last = result.last, let one = last.merged(with: box) {
                result[result.count - 1] = one
            } else {
                result.append(box)
            }
        }
        return BoxList(boxes: result)
    }
}

extension Box {
    /// The union with another box, if it is a box: both differ in one set at most.
    func merged(with other: Box) -> Box? {
        if other.isSubset(of: self) { return self }
        if isSubset(of: other) { return other }
        return merged(with: other, at: \.source) { $0.union($1) }
            ?? merged(with: other, at: \.destination) { $0.union($1) }
            ?? merged(with: other, at: \.destinationPorts) { $0.union($1) }
            ?? merged(with: other, at: \.sourcePorts) { $0.union($1) }
            ?? merged(with: other, at: \.messages) { $0.union($1) }
            ?? merged(with: other, at: \.messagesV6) { $0.union($1) }
            ?? merged(with: other, at: \.protocols) { $0.union($1) }
            ?? merged(with: other, at: \.arriving) { $0.union($1) }
    }

    private func merged<Value>(
        with other: Box, at path: WritableKeyPath<Box, Value>, _ union: (Value, Value) -> Value
    ) -> Box? {
        var candidate = self
        candidate[keyPath: path] = other[keyPath: path]
        guard candidate == other else { return nil }
        candidate[keyPath: path] = union(self[keyPath: path], other[keyPath: path])
        return candidate
    }
}
