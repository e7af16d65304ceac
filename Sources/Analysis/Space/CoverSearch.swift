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
    private let outlines: [Outline]
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
        outlines = boxes.map { Outline($0) }
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
        var outline = Outline(box)
        while true {
            var isSmaller = false
            var kept: [Int] = []
            effort.left -= list.count
            if effort.isSpent { return false }
            for index in list where outlines[index].meets(outline) {
                var open = 0
                var last = 0
                var isApart = false
                for axis in 0..<Box.axes where !contains(index, box, outline, axis) {
                    guard intersects(index, box, outline, axis) else {
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
                outline.set(last, box[last])
                isSmaller = true
            }
            list = kept
            if !isSmaller || list.isEmpty { return true }
        }
    }

    /// Whether a box of the list contains another one on an axis.
    private func contains(_ index: Int, _ box: Box, _ outline: Outline, _ axis: Int) -> Bool {
        guard outlines[index][axis].contains(outline[axis]) else { return false }
        return outlines[index].isWhole(axis) || boxes[index][axis].contains(box[axis])
    }

    /// Whether a box of the list meets another one on an axis.
    private func intersects(_ index: Int, _ box: Box, _ outline: Outline, _ axis: Int) -> Bool {
        guard outlines[index][axis].meets(outline[axis]) else { return false }
        return (outlines[index].isWhole(axis) && outline.isWhole(axis)) || boxes[index][axis].intersects(box[axis])
    }

    /// Tries one class on each axis, each time the one that the fewest boxes have.
    private mutating func probe(_ box: Box, _ all: [Int]) -> Box? {
        var box = box
        var list = all
        for axis in 0..<Box.axes {
            effort.left -= list.count
            if effort.isSpent { return nil }
            let number = rarest(box[axis], axis, list)
            box[axis] = ClassSet(number)
            list = list.filter { index in
                guard outlines[index][axis].contains(number) else { return false }
                return outlines[index].isWhole(axis) || boxes[index][axis].contains(number)
            }
            if list.isEmpty { return box }
        }
        return nil
    }

    /// The class of a set that the fewest boxes of a list have on its axis. Each of them has one.
    private func rarest(_ set: ClassSet, _ axis: Int, _ list: [Int]) -> UInt32 {
        var edges: [(place: UInt32, step: Int)] = []
        let hull = set.hull
        func add(_ run: ClassSet.Run) {
            let (lower, upper) = (max(run.lower, hull.lower), min(run.upper, hull.upper))
            edges.append((lower, 1))
            if upper < .max { edges.append((upper + 1, -1)) }
        }
        for index in list {
            if set.isOneRun, outlines[index].isWhole(axis) {
                add(outlines[index][axis])
            } else {
                for run in boxes[index][axis].intersection(set).runs { add(run) }
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
        let outline = Outline(box)
        for (place, index) in list.enumerated() {
            var (open, last) = (0, 0)
            for axis in 0..<Box.axes where !contains(index, box, outline, axis) { (open, last) = (open + 1, axis) }
            guard open > 0, open < best?.open ?? .max else { continue }
            best = (place, last, open)
            if open == 2 { break }
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
