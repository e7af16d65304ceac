// SPDX-License-Identifier: Apache-2.0

/// A set of IPv4 and IPv6 addresses, as sorted ranges that neither overlap nor touch.
public struct AddressSet: Sendable, Hashable {
    public private(set) var v4: [ClosedRange<UInt128>]
    public private(set) var v6: [ClosedRange<UInt128>]

    public static let empty = AddressSet(v4: [], v6: [])
    /// Every address of both families.
    public static let all = AddressSet(v4: [0...UInt128(UInt32.max)], v6: [0...UInt128.max])

    /// The union of any prefixes, in any order.
    public init(_ prefixes: some Sequence<Prefix>) {
        var v4: [ClosedRange<UInt128>] = []
        var v6: [ClosedRange<UInt128>] = []
        for prefix in prefixes {
            if prefix.family == .v4 {
                v4.append(prefix.first...prefix.last)
            } else {
                v6.append(prefix.first...prefix.last)
            }
        }
        self.init(v4: AddressSet.merged(v4), v6: AddressSet.merged(v6))
    }

    /// The union of any sets.
    public init(unionOf sets: some Sequence<AddressSet>) {
        var v4: [ClosedRange<UInt128>] = []
        var v6: [ClosedRange<UInt128>] = []
        for set in sets {
            v4 += set.v4
            v6 += set.v6
        }
        self.init(v4: AddressSet.merged(v4), v6: AddressSet.merged(v6))
    }

    /// The union of any ranges of one family, in any order.
    public init(_ ranges: [ClosedRange<UInt128>], of family: AddressFamily) {
        let merged = AddressSet.merged(ranges)
        self.init(v4: family == .v4 ? merged : [], v6: family == .v6 ? merged : [])
    }

    private init(v4: [ClosedRange<UInt128>], v6: [ClosedRange<UInt128>]) {
        self.v4 = v4
        self.v6 = v6
    }

    public var isEmpty: Bool { v4.isEmpty && v6.isEmpty }

    public func ranges(_ family: AddressFamily) -> [ClosedRange<UInt128>] { family == .v4 ? v4 : v6 }

    public func contains(_ address: IPAddress) -> Bool { intersects(Prefix(address)) }

    /// Whether any address of the prefix is in the set.
    public func intersects(_ prefix: Prefix) -> Bool {
        let ranges = ranges(prefix.family)
        var low = 0
        var high = ranges.count
        while low < high {
            let middle = (low + high) / 2
            if ranges[middle].upperBound < prefix.first { low = middle + 1 } else { high = middle }
        }
        return low < ranges.count && ranges[low].lowerBound <= prefix.last
    }

    public func union(_ other: AddressSet) -> AddressSet {
        AddressSet(v4: AddressSet.merged(v4 + other.v4), v6: AddressSet.merged(v6 + other.v6))
    }

    public func subtracting(_ other: AddressSet) -> AddressSet {
        AddressSet(
            v4: AddressSet.difference(v4, other.v4), v6: AddressSet.difference(v6, other.v6))
    }

    public func intersection(_ other: AddressSet) -> AddressSet {
        subtracting(AddressSet.all.subtracting(other))
    }

    /// The fewest prefixes that cover exactly this set, IPv4 first, ascending.
    public var prefixes: [Prefix] {
        AddressFamily.allCases.flatMap { family in
            ranges(family).flatMap { AddressSet.prefixes(of: $0, family) }
        }
    }

    private static func merged(_ ranges: [ClosedRange<UInt128>]) -> [ClosedRange<UInt128>] {
        if ranges.count < 2 { return ranges }
        var result: [ClosedRange<UInt128>] = []
        for range in ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) {
            guard let last = result.last, last.upperBound == .max || range.lowerBound <= last.upperBound + 1
            else {
                result.append(range)
                continue
            }
            if range.upperBound > last.upperBound {
                result[result.count - 1] = last.lowerBound...range.upperBound
            }
        }
        return result
    }

    private static func difference(
        _ left: [ClosedRange<UInt128>], _ right: [ClosedRange<UInt128>]
    ) -> [ClosedRange<UInt128>] {
        var result: [ClosedRange<UInt128>] = []
        var index = 0
        for range in left {
            var low = range.lowerBound
            var finished = false
            while index < right.count, right[index].upperBound < low { index += 1 }
            var cut = index
            while !finished, cut < right.count, right[cut].lowerBound <= range.upperBound {
                if right[cut].lowerBound > low { result.append(low...(right[cut].lowerBound - 1)) }
                if right[cut].upperBound >= range.upperBound {
                    finished = true
                } else {
                    low = right[cut].upperBound + 1
                    cut += 1
                }
            }
            if !finished { result.append(low...range.upperBound) }
        }
        return result
    }

    /// The fewest prefixes that cover exactly a range, ascending.
    static func prefixes(of range: ClosedRange<UInt128>, _ family: AddressFamily) -> [Prefix] {
        var result: [Prefix] = []
        var low = range.lowerBound
        while true {
            var hostBits = min(low == 0 ? family.bits : low.trailingZeroBitCount, family.bits)
            while hostBits > 0, Prefix.hostMask(family, family.bits - hostBits) > range.upperBound - low {
                hostBits -= 1
            }
            let prefix = Prefix(
                IPAddress(family: family, value: low), length: family.bits - hostBits)
            result.append(prefix)
            if prefix.last >= range.upperBound { return result }
            low = prefix.last + 1
        }
    }
}

extension AddressSet: CustomStringConvertible {
    /// Its ranges, each as a prefix if it is one, else as `FIRST-LAST`; `nothing` if it is empty.
    public var description: String {
        let parts = AddressFamily.allCases.flatMap { family in
            ranges(family).map { range in
                let prefixes = AddressSet.prefixes(of: range, family)
                if prefixes.count == 1 { return "\(prefixes[0])" }
                let ends = [range.lowerBound, range.upperBound].map { IPAddress(family: family, value: $0) }
                return "\(ends[0])-\(ends[1])"
            }
        }
        return parts.isEmpty ? "nothing" : parts.joined(separator: " ")
    }
}
