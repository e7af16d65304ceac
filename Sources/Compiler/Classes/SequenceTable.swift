// SPDX-License-Identifier: Apache-2.0

/// Gives equal sequences of numbers the same id, from 0 in the order of first appearance. The compiler's classes are
/// such ids: things that belong to the same sets become one class.
struct SequenceTable<Element: FixedWidthInteger & UnsignedInteger & Sendable>: Sendable {
    /// All sequences, one after the other.
    private(set) var elements: [Element] = []
    /// The start of each sequence, and the end of the last.
    private(set) var starts: [Int] = [0]
    private var hashes: [UInt64] = []
    /// Open addressing: id + 1; 0 if free.
    private var slots = [UInt32](repeating: 0, count: 64)

    init() {}

    /// A table whose id 0 is the empty sequence.
    static var withEmpty: SequenceTable {
        var table = SequenceTable()
        _ = table.intern([])
        return table
    }

    var count: Int { hashes.count }

    subscript(id: Int) -> ArraySlice<Element> { elements[range(id)] }

    func range(_ id: Int) -> Range<Int> { starts[id]..<starts[id + 1] }

    mutating func intern(_ sequence: [Element]) -> Int {
        let hash = SequenceTable.hash(sequence)
        var slot = Int(truncatingIfNeeded: hash) & (slots.count - 1)
        while slots[slot] != 0 {
            let id = Int(slots[slot]) - 1
            if hashes[id] == hash, equals(id, sequence) { return id }
            slot = (slot + 1) & (slots.count - 1)
        }
        slots[slot] = UInt32(count + 1)
        hashes.append(hash)
        elements.append(contentsOf: sequence)
        starts.append(elements.count)
        if count * 2 > slots.count { grow() }
        return count - 1
    }

    private func equals(_ id: Int, _ sequence: [Element]) -> Bool {
        let start = starts[id]
        guard starts[id + 1] - start == sequence.count else { return false }
        for index in sequence.indices where elements[start + index] != sequence[index] { return false }
        return true
    }

    private mutating func grow() {
        slots = [UInt32](repeating: 0, count: slots.count * 4)
        for id in hashes.indices {
            var slot = Int(truncatingIfNeeded: hashes[id]) & (slots.count - 1)
            while slots[slot] != 0 { slot = (slot + 1) & (slots.count - 1) }
            slots[slot] = UInt32(id + 1)
        }
    }

    /// A fixed hash, unlike `Hasher`, so that the same policy gives the same bytes in every process.
    private static func hash(_ sequence: [Element]) -> UInt64 {
        var hash = UInt64(truncatingIfNeeded: sequence.count) &* 0x9e37_79b9_7f4a_7c15
        for element in sequence {
            hash = (hash ^ UInt64(truncatingIfNeeded: element)) &* 0xbf58_476d_1ce4_e5b9
            hash ^= hash >> 31
        }
        return hash ^ hash >> 17
    }
}

/// Lists of numbers, one after the other. Built in two passes, counting and then filling.
struct ListTable: Sendable {
    private(set) var starts: [Int]
    private(set) var elements: [UInt32]

    /// The inverse of a table of lists: for each of `count` members, the ascending ids of the lists that contain it.
    init(inverting table: SequenceTable<UInt32>, count: Int) {
        var ids: [UInt32] = []
        ids.reserveCapacity(table.elements.count)
        for id in 0..<table.count { ids += repeatElement(UInt32(id), count: table.range(id).count) }
        self.init(ids, lists: table.elements, count: count)
    }

    /// - Parameter lists: For each member, the list that it goes to; the order within a list is kept.
    init(_ members: [UInt32], lists: [UInt32], count: Int) {
        starts = [Int](repeating: 0, count: count + 1)
        elements = [UInt32](repeating: 0, count: members.count)
        for list in lists { starts[Int(list) + 1] += 1 }
        for list in 0..<count { starts[list + 1] += starts[list] }
        var next = starts
        for (member, list) in zip(members, lists) {
            elements[next[Int(list)]] = member
            next[Int(list)] += 1
        }
    }

    subscript(id: Int) -> ArraySlice<UInt32> { elements[starts[id]..<starts[id + 1]] }

    func count(_ id: Int) -> Int { starts[id + 1] - starts[id] }
}
