// SPDX-License-Identifier: Apache-2.0

/// How much work is left to spend; what it did not suffice for is said.
struct Effort: Sendable {
    var left: Int

    init(_ steps: Int) { left = steps }

    var isSpent: Bool { left <= 0 }
}

/// Whether some boxes together cover another one. Exact; it gives up where the effort is spent.
struct CoverSearch {
    enum Outcome: Sendable {
        /// By these of the boxes, in ascending order.
        case covered(by: [Int])
        /// This part of the box is in none of them.
        case open(Box)
        case spent
    }

    private let boxes: [Box]
    private var effort: Effort
    private var used: Set<Int> = []

    /// - Parameter effort: What the search may cost; what is left of it afterwards.
    static func search(_ box: Box, under boxes: [Box], _ effort: inout Effort) -> Outcome {
        if box.isEmpty { return .covered(by: []) }
        var search = CoverSearch(boxes: boxes, effort: effort)
        let found = search.openPart(of: box, Array(boxes.indices))
        effort = search.effort
        if let found { return .open(found) }
        return effort.isSpent ? .spent : .covered(by: search.used.sorted())
    }

    private init(boxes: [Box], effort: Effort) {
        self.boxes = boxes
        self.effort = effort
    }

    /// A part of `box` that none of the boxes of `list` has; nil where there is none, or the effort is spent.
    private mutating func openPart(of whole: Box, _ all: [Int]) -> Box? {
        var box = whole
        var list = all
        guard shrink(&box, &list) else { return nil }
        if list.isEmpty { return effort.isSpent ? nil : box }
        if let part = probe(box, list) { return part }
        guard !effort.isSpent, let (place, axis) = split(box, list) else { return nil }
        let other = boxes[list[place]]
        var outside = box
        outside[axis] = box[axis].subtracting(other[axis])
        var rest = list
        rest.remove(at: place)
        if let found = openPart(of: outside, rest) { return found }
        if effort.isSpent { return nil }
        var inside = box
        inside[axis] = box[axis].intersection(other[axis])
        return openPart(of: inside, list)
    }

    /// Takes away from `box` what a box covers on all axes but one, and from `list` what does not meet `box`. Returns
    /// false if nothing of `box` is left.
    private mutating func shrink(_ box: inout Box, _ list: inout [Int]) -> Bool {
        while true {
            var isSmaller = false
            var kept: [Int] = []
            effort.left -= list.count
            if effort.isSpent { return false }
            for index in list {
                var open = 0
                var last = 0
                var isApart = false
                for axis in 0..<Box.axes where !boxes[index][axis].contains(box[axis]) {
                    guard boxes[index][axis].intersects(box[axis]) else {
                        isApart = true
                        break
                    }
                    open += 1
                    last = axis
                }
                if isApart { continue }
                if open > 1 {
                    kept.append(index)
                    continue
                }
                used.insert(index)
                if open == 0 { return false }
                box[last] = box[last].subtracting(boxes[index][last])
                isSmaller = true
            }
            list = kept
            if !isSmaller || list.isEmpty { return true }
        }
    }

    /// Tries one class on each axis, each time the one that the fewest boxes have.
    private mutating func probe(_ box: Box, _ all: [Int]) -> Box? {
        var box = box
        var list = all
        for axis in 0..<Box.axes {
            effort.left -= list.count
            if effort.isSpent { return nil }
            let number = rarest(box[axis], list.map { boxes[$0][axis] })
            box[axis] = ClassSet(number)
            list = list.filter { boxes[$0][axis].contains(number) }
            if list.isEmpty { return box }
        }
        return nil
    }

    /// The class of a set that the fewest of the others have.
    private func rarest(_ set: ClassSet, _ others: [ClassSet]) -> UInt32 {
        var edges: [(place: UInt32, step: Int)] = []
        for other in others {
            let common = other.runs.count == 1 && set.runs.count == 1 ? other : other.intersection(set)
            for run in common.runs {
                let (lower, upper) = (max(run.lower, set.hull.lower), min(run.upper, set.hull.upper))
                edges.append((lower, 1))
                if upper < .max { edges.append((upper + 1, -1)) }
            }
        }
        edges.sort { $0.place < $1.place }
        var best = (number: set.hull.lower, count: Int.max)
        var (count, index) = (0, 0)
        for run in set.runs {
            var place = run.lower
            while true {
                while index < edges.count, edges[index].place <= place {
                    count += edges[index].step
                    index += 1
                }
                if count < best.count { best = (place, count) }
                if count == 0 { return place }
                guard index < edges.count, edges[index].place <= run.upper else { break }
                place = edges[index].place
            }
        }
        return best.number
    }

    /// Where to divide: a box that covers all but two axes, if there is one, on the axis with fewer classes in common.
    private func split(_ box: Box, _ list: [Int]) -> (place: Int, axis: Int)? {
        var best: (place: Int, axis: Int, open: Int)?
        for (place, index) in list.enumerated() {
            let open = (0..<Box.axes).filter { !boxes[index][$0].contains(box[$0]) }
            guard let axis = open.last, open.count < best?.open ?? .max else { continue }
            best = (place, axis, open.count)
            if open.count == 2 { break }
        }
        return best.map { ($0.place, $0.axis) }
    }

    /// What of a box is in none of the others, as boxes that do not overlap; nil where there are more than `limit`.
    static func rest(of box: Box, without others: [Box], atMost limit: Int, _ effort: inout Effort) -> [Box]? {
        var parts = [box]
        for other in others where other.intersects(box) {
            effort.left -= parts.count
            parts = parts.flatMap { $0.subtracting(other) }
            if parts.isEmpty { return [] }
            if parts.count > limit || effort.isSpent { return nil }
        }
        return parts
    }
}
