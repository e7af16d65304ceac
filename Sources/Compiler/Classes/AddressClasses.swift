// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import Network
import Policy

/// The distinct address sets of a policy's rules, numbered in the order of first appearance.
struct AddressSetTable {
    /// A set that hashes only a few of its ranges, so that a rule with a feed of a million prefixes costs no more than
    /// any other. The numbers are mixed before they reach the hasher, which is slow for each value.
    private struct Key: Hashable {
        var set: AddressSet

        func hash(into hasher: inout Hasher) {
            var mixed = UInt64(set.v4.count) << 32 ^ UInt64(set.v6.count)
            mix(set.v4, into: &mixed)
            mix(set.v6, into: &mixed)
            hasher.combine(mixed)
        }

        private func mix(_ ranges: [ClosedRange<UInt128>], into mixed: inout UInt64) {
            guard let first = ranges.first, let last = ranges.last else { return }
            mix(first.lowerBound, into: &mixed)
            mix(last.upperBound, into: &mixed)
            if ranges.count > 1 { mix(ranges[ranges.count / 2].lowerBound, into: &mixed) }
        }

        private func mix(_ number: UInt128, into mixed: inout UInt64) {
            mixed = (mixed ^ mixed >> 29 ^ UInt64(truncatingIfNeeded: number >> 64)) &* 0xbf58_476d_1ce4_e5b9
            mixed = (mixed ^ mixed >> 31 ^ UInt64(truncatingIfNeeded: number)) &* 0x94d0_49bb_1331_11eb
        }
    }

    private(set) var sets: [AddressSet] = []
    private var numbers: [Key: UInt32] = [:]

    mutating func number(_ set: AddressSet) -> UInt32 {
        let key = Key(set: set)
        if let number = numbers[key] { return number }
        let number = UInt32(sets.count)
        numbers[key] = number
        sets.append(set)
        return number
    }
}

/// The classes of addresses that no set of the policy tells apart: the finest partition of the address space that the
/// compiler needs.
struct AddressAtoms {
    let v4: Intervals<UInt32>
    let v6: Intervals<UInt128>
    /// By atom: the sets that it is in. Atom 0 is in none.
    let members: SequenceTable<UInt32>
    let setCount: Int

    init(_ sets: [AddressSet], _ budget: Budget) throws(CompileError) {
        var members = SequenceTable<UInt32>.withEmpty
        setCount = sets.count
        v4 = Intervals(sweeping: AddressAtoms.edges(sets, \.v4), into: &members)
        v6 = Intervals(sweeping: AddressAtoms.edges(sets, \.v6), into: &members)
        self.members = members
        try budget.check(
            "memberships of \(members.count) address classes in \(sets.count) overlapping sets",
            members.elements.count, atMost: \.memberships, by: .addresses)
    }

    private static func edges<Position>(
        _ sets: [AddressSet], _ ranges: KeyPath<AddressSet, [ClosedRange<UInt128>]>
    ) -> [Intervals<Position>.Edge] {
        var edges: [Intervals<Position>.Edge] = []
        for (owner, set) in sets.enumerated() {
            for range in set[keyPath: ranges] {
                edges.append(
                    .init(
                        position: Position(truncatingIfNeeded: range.lowerBound), owner: UInt32(owner), enters: true))
                let last = Position(truncatingIfNeeded: range.upperBound)
                if last != .max { edges.append(.init(position: last + 1, owner: UInt32(owner), enters: false)) }
            }
        }
        return edges
    }
}

/// The address classes of one side, source or destination, at its two levels, coarse and fine.
struct AddressSide {
    /// By set: whether its level is fine.
    let isFine: [Bool]
    /// By atom: its class at each level. Class 0 is in no set of the level.
    let coarse: [UInt32]
    let fine: [UInt32]
    /// By set: its classes at its level.
    private let coarseClasses: ListTable
    private let fineClasses: ListTable

    /// - Parameters:
    ///   - isUsed: By set: whether some rule names it on this side.
    ///   - isFine: By set: whether its level is fine.
    init(_ atoms: AddressAtoms, isUsed: [Bool], isFine: [Bool]) {
        self.isFine = isFine
        var coarseTable = SequenceTable<UInt32>.withEmpty
        var fineTable = SequenceTable<UInt32>.withEmpty
        var coarse: [UInt32] = []
        var fine: [UInt32] = []
        coarse.reserveCapacity(atoms.members.count)
        fine.reserveCapacity(atoms.members.count)
        var coarseMembers: [UInt32] = []
        var fineMembers: [UInt32] = []
        for atom in 0..<atoms.members.count {
            coarseMembers.removeAll(keepingCapacity: true)
            fineMembers.removeAll(keepingCapacity: true)
            for index in atoms.members.range(atom) {
                let set = atoms.members.elements[index]
                guard isUsed[Int(set)] else { continue }
                if isFine[Int(set)] { fineMembers.append(set) } else { coarseMembers.append(set) }
            }
            coarse.append(UInt32(coarseTable.intern(coarseMembers)))
            fine.append(UInt32(fineTable.intern(fineMembers)))
        }
        self.coarse = coarse
        self.fine = fine
        coarseClasses = ListTable(inverting: coarseTable, count: atoms.setCount)
        fineClasses = ListTable(inverting: fineTable, count: atoms.setCount)
    }

    func level(_ set: UInt32?) -> Int {
        guard let set else { return Int(BH_LEVEL_ANY.rawValue) }
        return Int(isFine[Int(set)] ? BH_LEVEL_FINE.rawValue : BH_LEVEL_COARSE.rawValue)
    }

    /// The classes that make up a set at its level. Any address is class 0 of level any.
    func classes(_ set: UInt32?) -> ArraySlice<UInt32> {
        guard let set else { return [0] }
        return isFine[Int(set)] ? fineClasses[Int(set)] : coarseClasses[Int(set)]
    }

    func classCount(_ set: UInt32?) -> Int {
        guard let set else { return 1 }
        return isFine[Int(set)] ? fineClasses.count(Int(set)) : coarseClasses.count(Int(set))
    }
}
