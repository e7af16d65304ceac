// SPDX-License-Identifier: Apache-2.0

/// A line of numbers divided into intervals, each with a class. The first starts at 0; neighbours have different
/// classes.
struct Intervals<Position: FixedWidthInteger & UnsignedInteger & Sendable>: Sendable {
    /// The start of a range of an owner, or the number after its end.
    struct Edge {
        var position: Position
        var owner: UInt32
        var enters: Bool
    }

    private(set) var starts: [Position] = [0]
    private(set) var classes: [UInt32]

    init() { classes = [0] }

    /// Sweeps over the edges. The class of an interval is the id in `table` of the sorted list of its owners.
    ///
    /// The ranges of one owner must not overlap or touch.
    init(sweeping edges: consuming [Edge], into table: inout SequenceTable<UInt32>) {
        classes = []
        starts = []
        edges.sort { $0.position < $1.position }
        var active: [UInt32] = []
        var index = 0
        var position: Position = 0
        while true {
            while index < edges.count, edges[index].position == position {
                Intervals.toggle(edges[index].owner, in: &active, enters: edges[index].enters)
                index += 1
            }
            append(position, UInt32(table.intern(active)))
            guard index < edges.count else { return }
            position = edges[index].position
        }
    }

    /// The same line with each class replaced.
    func mapped(_ classOf: [UInt32]) -> Intervals {
        var result = Intervals()
        result.starts = []
        result.classes = []
        for index in starts.indices { result.append(starts[index], classOf[Int(classes[index])]) }
        return result
    }

    /// The class of a number.
    func classOf(_ position: Position) -> UInt32 {
        var low = 0
        var high = starts.count
        while high - low > 1 {
            let middle = (low + high) / 2
            if starts[middle] <= position { low = middle } else { high = middle }
        }
        return classes[low]
    }

    private mutating func append(_ start: Position, _ number: UInt32) {
        if let last = classes.last, last == number { return }
        starts.append(start)
        classes.append(number)
    }

    private static func toggle(_ owner: UInt32, in active: inout [UInt32], enters: Bool) {
        var low = 0
        var high = active.count
        while low < high {
            let middle = (low + high) / 2
            if active[middle] < owner { low = middle + 1 } else { high = middle }
        }
        if enters { active.insert(owner, at: low) } else { active.remove(at: low) }
    }
}

extension [Intervals<UInt32>.Edge] {
    /// Adds the edges of one owner's ranges, which may come in any order and overlap.
    mutating func add(_ ranges: [ClosedRange<UInt16>], owner: UInt32) {
        var reached = -1
        for range in ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) {
            let low = Int(range.lowerBound)
            let high = Int(range.upperBound)
            if high <= reached { continue }
            if low > reached + 1 || reached < 0 {
                if reached >= 0 { append(.init(position: UInt32(reached + 1), owner: owner, enters: false)) }
                append(.init(position: UInt32(low), owner: owner, enters: true))
            }
            reached = high
        }
        if reached >= 0 { append(.init(position: UInt32(reached + 1), owner: owner, enters: false)) }
    }
}
