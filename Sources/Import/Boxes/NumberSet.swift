// SPDX-License-Identifier: Apache-2.0

/// A set of 16-bit numbers, such as ports, as sorted ranges that neither overlap nor touch.
struct NumberSet: Sendable, Hashable {
    private(set) var ranges: [ClosedRange<UInt16>]

    static let all = NumberSet(0...UInt16.max)
    static let none = NumberSet([])

    init(_ range: ClosedRange<UInt16>) { ranges = [range] }

    /// The union of any ranges, in any order.
    init(_ ranges: [ClosedRange<UInt16>]) {
        var merged: [ClosedRange<UInt16>] = []
        for range in ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) {
            guard let last = merged.last, last.upperBound == .max || range.lowerBound <= last.upperBound + 1 else {
                merged.append(range)
                continue
            }
            merged[merged.count - 1] = last.lowerBound...max(last.upperBound, range.upperBound)
        }
        self.ranges = merged
    }

    init(numbers: [UInt16]) { self.init(numbers.map { $0...$0 }) }

    var isEmpty: Bool { ranges.isEmpty }
    var isAll: Bool { ranges == NumberSet.all.ranges }
    var complement: NumberSet { NumberSet.all.subtracting(self) }

    func contains(_ number: UInt16) -> Bool { ranges.contains { $0.contains(number) } }

    func union(_ other: NumberSet) -> NumberSet { NumberSet(ranges + other.ranges) }

    func intersection(_ other: NumberSet) -> NumberSet {
        if other.isAll { return self }
        if isAll { return other }
        return NumberSet(
            ranges.flatMap { left in
                other.ranges.compactMap { right in left.overlaps(right) ? left.clamped(to: right) : nil }
            })
    }

    func subtracting(_ other: NumberSet) -> NumberSet {
        var rest = ranges
        for cut in other.ranges {
            rest = rest.flatMap { range -> [ClosedRange<UInt16>] in
                guard range.overlaps(cut) else { return [range] }
                var parts: [ClosedRange<UInt16>] = []
                if range.lowerBound < cut.lowerBound { parts.append(range.lowerBound...(cut.lowerBound - 1)) }
                if range.upperBound > cut.upperBound { parts.append((cut.upperBound + 1)...range.upperBound) }
                return parts
            }
        }
        return NumberSet(rest)
    }

    func isSubset(of other: NumberSet) -> Bool {
        ranges.allSatisfy { range in
            other.ranges.contains { $0.lowerBound <= range.lowerBound && $0.upperBound >= range.upperBound }
        }
    }

    func intersects(_ other: NumberSet) -> Bool {
        ranges.contains { left in other.ranges.contains { $0.overlaps(left) } }
    }
}
