// SPDX-License-Identifier: Apache-2.0
import Network

extension AddressSet {
    /// Every address of one family.
    static func all(_ family: AddressFamily) -> AddressSet { family == .v4 ? allV4 : allV6 }

    private static let allV4 = AddressSet([Prefix(IPAddress(v4: 0), length: 0)])
    private static let allV6 = AddressSet([Prefix(IPAddress(v6: 0), length: 0)])

    func isSubset(of other: AddressSet) -> Bool {
        AddressFamily.allCases.allSatisfy { family in
            let others = other.ranges(family)
            var index = 0
            return ranges(family).allSatisfy { range in
                while index < others.count, others[index].upperBound < range.upperBound { index += 1 }
                return index < others.count && others[index].lowerBound <= range.lowerBound
            }
        }
    }

    func intersects(_ other: AddressSet) -> Bool {
        AddressSet.meet(v4, other.v4) || AddressSet.meet(v6, other.v6)
    }

    /// Whether two sorted lists of ranges have a number in common.
    private static func meet(_ left: [ClosedRange<UInt128>], _ right: [ClosedRange<UInt128>]) -> Bool {
        var (i, j) = (0, 0)
        while i < left.count, j < right.count {
            if left[i].overlaps(right[j]) { return true }
            if left[i].upperBound < right[j].upperBound { i += 1 } else { j += 1 }
        }
        return false
    }

    /// The intersection, without work where one set holds the other.
    func common(_ other: AddressSet) -> AddressSet {
        if isSubset(of: other) { return self }
        if other.isSubset(of: self) { return other }
        return intersection(other)
    }
}
