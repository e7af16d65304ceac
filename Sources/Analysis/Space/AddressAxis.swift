// SPDX-License-Identifier: Apache-2.0
import Network

/// The addresses of one family, divided into classes that none of the policy's sets tells apart. On each side, source
/// and destination, a class may occur twice: for an address that is the host's own, and for one that is not.
struct AddressAxis: Sendable {
    let family: AddressFamily
    /// The first address of each interval, ascending; the first interval starts at 0.
    private let starts: [UInt128]
    /// By interval: its class.
    private let classes: [UInt32]
    /// By class: its intervals.
    private let intervals: [[Int]]

    /// - Parameter sets: The sets that must be told apart.
    init(_ family: AddressFamily, telling sets: [AddressSet]) {
        let last: UInt128 = family == .v4 ? UInt128(UInt32.max) : .max
        var edges: [(position: UInt128, owner: Int)] = []
        for (owner, set) in sets.enumerated() {
            for range in set.ranges(family) {
                edges.append((range.lowerBound, owner))
                if range.upperBound != last { edges.append((range.upperBound + 1, owner)) }
            }
        }
        edges.sort { $0.position < $1.position }
        var (starts, classes, intervals): ([UInt128], [UInt32], [[Int]]) = ([], [], [])
        var numbers: [Fingerprint: UInt32] = [:]
        var inside = Fingerprint()
        var index = 0
        var position: UInt128 = 0
        while true {
            while index < edges.count, edges[index].position == position {
                inside.toggle(edges[index].owner)
                index += 1
            }
            let number = numbers[inside] ?? UInt32(numbers.count)
            if Int(number) == numbers.count {
                numbers[inside] = number
                intervals.append([])
            }
            if classes.last != number {
                intervals[Int(number)].append(starts.count)
                starts.append(position)
                classes.append(number)
            }
            guard index < edges.count else { break }
            position = edges[index].position
        }
        self.family = family
        self.starts = starts
        self.classes = classes
        self.intervals = intervals
    }

    /// How many classes there are.
    var count: Int { intervals.count }

    private var last: UInt128 { family == .v4 ? UInt128(UInt32.max) : .max }

    /// The classes of a set, which must be one of those told apart, or a union of them.
    func classes(of set: AddressSet?) -> ClassSet {
        guard let set else { return ClassSet(below: count) }
        var result: [UInt32] = []
        for range in set.ranges(family) {
            var index = interval(of: range.lowerBound)
            while index < starts.count, starts[index] <= range.upperBound {
                result.append(classes[index])
                index += 1
            }
        }
        return ClassSet(result)
    }

    func classOf(_ address: UInt128) -> UInt32 { classes[interval(of: address)] }

    private func interval(of position: UInt128) -> Int {
        var low = 0
        var high = starts.count
        while high - low > 1 {
            let middle = (low + high) / 2
            if starts[middle] <= position { low = middle } else { high = middle }
        }
        return low
    }

    /// The addresses of some classes.
    func addresses(of set: ClassSet) -> AddressSet {
        AddressSet(set.classes.flatMap { intervals[Int($0)].map(range) }, of: family)
    }

    private func range(_ interval: Int) -> ClosedRange<UInt128> {
        starts[interval]...(interval + 1 < starts.count ? starts[interval + 1] - 1 : last)
    }

    /// Whether a class is one address.
    func isSingle(_ number: UInt32) -> Bool {
        let found = intervals[Int(number)]
        return found.count == 1 && range(found[0]).lowerBound == range(found[0]).upperBound
    }

    /// An address of a class other than a given one; nil if there is none.
    func other(_ number: UInt32, than address: IPAddress) -> IPAddress? {
        for interval in intervals[Int(number)] {
            let range = range(interval)
            let next = range.contains(address.value) && address.value < range.upperBound ? address.value + 1 : nil
            if let value = next ?? [range.lowerBound, range.upperBound].first(where: { $0 != address.value }) {
                return IPAddress(family: family, value: value)
            }
        }
        return nil
    }

    /// An address of a class that a person reads easily: one of the documentation prefixes, then any that a device
    /// can have, then the first.
    func example(_ number: UInt32) -> (address: IPAddress, isOrdinary: Bool) {
        let pleasant = ExampleAddresses.pleasant(family)
        if let value = pleasant.first(where: { classOf($0) == number }) {
            return (IPAddress(family: family, value: value), true)
        }
        let found = intervals[Int(number)]
        for interval in found.prefix(64) {
            let range = range(interval)
            let unusable = ExampleAddresses.unusable.ranges(family)
            var value = range.lowerBound
            // Each block that cannot be used is passed over once.
            for block in unusable where block.contains(value) && block.upperBound < range.upperBound {
                value = block.upperBound + 1
            }
            if unusable.contains(where: { $0.contains(value) }) { continue }
            if range.upperBound - value >= 2, value & 0xff == 0 { value += 1 }
            return (IPAddress(family: family, value: value), true)
        }
        return (IPAddress(family: family, value: range(found[0]).lowerBound), false)
    }
}

/// Addresses that examples are made of.
private enum ExampleAddresses {
    static func pleasant(_ family: AddressFamily) -> [UInt128] {
        guard family == .v4 else {
            let base = UInt128(0x2001_0db8) << 96
            return [base + UInt128(0xffff) << 64 + 1, base + UInt128(0xfffe) << 64 + 1]
        }
        return [0xcb00_71c8, 0xc633_64c8, 0xc000_02c8]
    }

    /// What no device has as its address.
    static let unusable = WellKnown.notUnicast.union(AddressSet([Prefix(IPAddress(v4: 0), length: 8)]))
        .union(WellKnown.linkLocal).union(AddressSet([Prefix(IPAddress(v4: 0xf000_0000), length: 4)]))
}
