// SPDX-License-Identifier: Apache-2.0

/// A set of classes of one axis: class numbers as sorted runs that neither overlap nor touch.
struct ClassSet: Hashable, Sendable {
    struct Run: Hashable, Sendable {
        var lower: UInt32
        var upper: UInt32
    }

    private(set) var runs: [Run]

    static let empty = ClassSet(sorted: [])

    /// The classes from 0 up to, but not including, `count`.
    init(below count: Int) { runs = count > 0 ? [Run(lower: 0, upper: UInt32(count - 1))] : [] }

    init(_ class: UInt32) { runs = [Run(lower: `class`, upper: `class`)] }

    init(_ range: Range<Int>) {
        runs = range.isEmpty ? [] : [Run(lower: UInt32(range.lowerBound), upper: UInt32(range.upperBound - 1))]
    }

    /// Any classes, in any order, also several times.
    init(_ classes: [UInt32]) {
        runs = []
        for number in classes.sorted() { append(Run(lower: number, upper: number)) }
    }

    /// The union of any runs.
    init(unionOf sets: [ClassSet]) {
        if sets.count == 1 {
            self = sets[0]
            return
        }
        runs = []
        for run in sets.flatMap(\.runs).sorted(by: { $0.lower < $1.lower }) { append(run) }
    }

    private init(sorted runs: [Run]) { self.runs = runs }

    var isEmpty: Bool { runs.isEmpty }

    /// Whether it has all classes between its lowest and its highest; not where it has none.
    var isOneRun: Bool { runs.count == 1 }

    /// The lowest and the highest class; an empty set has none.
    var hull: Run { Run(lower: runs.first?.lower ?? 1, upper: runs.last?.upper ?? 0) }

    var count: Int { runs.reduce(0) { $0 + Int($1.upper - $1.lower) + 1 } }

    var classes: [UInt32] { runs.flatMap { $0.lower...$0.upper } }

    /// The first run that does not end before a class; as many as there are runs where each does.
    private func place(of number: UInt32) -> Int {
        var low = 0
        var high = runs.count
        while low < high {
            let middle = (low + high) / 2
            if runs[middle].upper < number { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// Whether it is worth looking for each run of another set by itself, and not to go through both.
    private func isMuchLonger(than other: ClassSet) -> Bool { runs.count > 8 && runs.count / 8 >= other.runs.count }

    func contains(_ number: UInt32) -> Bool {
        let place = place(of: number)
        return place < runs.count && runs[place].lower <= number
    }

    private func contains(_ run: Run) -> Bool {
        let place = place(of: run.lower)
        return place < runs.count && runs[place].lower <= run.lower && run.upper <= runs[place].upper
    }

    private func intersects(_ run: Run) -> Bool {
        let place = place(of: run.lower)
        return place < runs.count && runs[place].lower <= run.upper
    }

    func contains(_ other: ClassSet) -> Bool {
        if isMuchLonger(than: other) { return other.runs.allSatisfy { contains($0) } }
        var index = 0
        for run in other.runs {
            while index < runs.count, runs[index].upper < run.lower { index += 1 }
            guard index < runs.count, runs[index].lower <= run.lower, run.upper <= runs[index].upper else {
                return false
            }
        }
        return true
    }

    func intersects(_ other: ClassSet) -> Bool {
        if isMuchLonger(than: other) { return other.runs.contains { intersects($0) } }
        if other.isMuchLonger(than: self) { return runs.contains { other.intersects($0) } }
        var (left, right) = (0, 0)
        while left < runs.count, right < other.runs.count {
            if runs[left].upper < other.runs[right].lower {
                left += 1
            } else if other.runs[right].upper < runs[left].lower {
                right += 1
            } else {
                return true
            }
        }
        return false
    }

    func intersection(_ other: ClassSet) -> ClassSet {
        var result: [Run] = []
        var (left, right) = (0, 0)
        while left < runs.count, right < other.runs.count {
            let (one, two) = (runs[left], other.runs[right])
            let (lower, upper) = (max(one.lower, two.lower), min(one.upper, two.upper))
            if lower <= upper { result.append(Run(lower: lower, upper: upper)) }
            if one.upper < two.upper { left += 1 } else { right += 1 }
        }
        return ClassSet(sorted: result)
    }

    func subtracting(_ other: ClassSet) -> ClassSet {
        if isMuchLonger(than: other) {
            var rest = self
            for run in other.runs { rest.remove(run) }
            return rest
        }
        var result: [Run] = []
        var index = 0
        for run in runs {
            var lower = run.lower
            var isLeft = true
            while index < other.runs.count, other.runs[index].upper < lower { index += 1 }
            var cut = index
            while cut < other.runs.count, other.runs[cut].lower <= run.upper {
                if other.runs[cut].lower > lower { result.append(Run(lower: lower, upper: other.runs[cut].lower - 1)) }
                if other.runs[cut].upper >= run.upper {
                    isLeft = false
                    break
                }
                lower = other.runs[cut].upper + 1
                cut += 1
            }
            if isLeft { result.append(Run(lower: lower, upper: run.upper)) }
        }
        return ClassSet(sorted: result)
    }

    func union(_ other: ClassSet) -> ClassSet { ClassSet(unionOf: [self, other]) }

    /// The same classes, each with a higher number.
    func moved(by offset: Int) -> ClassSet {
        ClassSet(sorted: runs.map { Run(lower: $0.lower + UInt32(offset), upper: $0.upper + UInt32(offset)) })
    }

    private mutating func remove(_ run: Run) {
        let first = place(of: run.lower)
        var end = first
        while end < runs.count, runs[end].lower <= run.upper { end += 1 }
        guard first < end else { return }
        let (lower, upper) = (runs[first].lower, runs[end - 1].upper)
        runs.removeSubrange(first..<end)
        if upper > run.upper { runs.insert(Run(lower: run.upper + 1, upper: upper), at: first) }
        if lower < run.lower { runs.insert(Run(lower: lower, upper: run.lower - 1), at: first) }
    }

    /// Appends a run that does not begin before the last one does.
    private mutating func append(_ run: Run) {
        if let last = runs.last, run.lower <= last.upper || run.lower == last.upper + 1 {
            runs[runs.count - 1].upper = max(last.upper, run.upper)
        } else {
            runs.append(run)
        }
    }
}
