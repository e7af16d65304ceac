// SPDX-License-Identifier: Apache-2.0
import CDatapathABI

/// The wide pairs of address sets as bitmaps over *items*, see `bh_bitmap_word`. An item is a rule at one such pair: it
/// matches where its bit is set in the bitmap of the source, of the destination and of the joint class.
struct Bitmaps {
    struct Item {
        var rank: UInt32
        var from: UInt32
        var to: UInt32
    }

    /// The items, in the order of their bits: those of a source set stand together, so that a source has few words with
    /// bits in them. In each word ranks ascend.
    let items: [Item]
    /// By atom: its bitmap as a source, an index of `sourceWords`, and as a destination, a number of a bitmap of
    /// `destinationWords`; 0 where it has none.
    let ofSource: [UInt32]
    let ofDestination: [UInt32]
    /// The words with bits in them, of one source bitmap after the other. Word 0 is unused.
    let sourceWords: [bh_bitmap_word]
    /// All words, of one destination bitmap after the other. Bitmap 0 has no bits.
    let destinationWords: [UInt64]

    /// The words of a whole bitmap.
    var width: Int { (items.count + 63) / 64 }
    /// By item: its rank, then `BH_NONE` up to a whole word.
    var ranks: [UInt32] {
        items.map(\.rank) + [UInt32](repeating: BH_NONE, count: width * 64 - items.count)
    }

    init(_ atoms: AddressAtoms, _ items: [Item]) {
        let items = Bitmaps.ordered(items)
        let width = (items.count + 63) / 64
        let sources = BitmapSide(atoms, items.map(\.from))
        var words = [bh_bitmap_word()]
        var indices: [UInt32] = [0]
        for number in 1..<max(sources.count, 1) {
            indices.append(UInt32(words.count))
            words += Bitmaps.source(sources.bits(number, width: width), items)
        }
        sourceWords = words
        ofSource = sources.ofAtom.map { indices[Int($0)] }
        let destinations = BitmapSide(atoms, items.map(\.to))
        destinationWords = (0..<destinations.count).flatMap { destinations.bits($0, width: width) }
        ofDestination = destinations.ofAtom
        self.items = items
    }

    /// The distinct lists of some of a source's items' ranks, ascending, each rank once; not the empty one.
    func ranksBySource(where isWanted: (UInt32) -> Bool) -> [[UInt32]] {
        guard items.contains(where: { isWanted($0.rank) }) else { return [] }
        var lists = SequenceTable<UInt32>.withEmpty
        var ranks: Set<UInt32> = []
        for word in sourceWords.dropFirst() {
            let first = Int(word.word & ~BH_BITMAP_LAST) * 64
            for bit in 0..<64 where word.bits >> UInt64(bit) & 1 == 1 && isWanted(items[first + bit].rank) {
                ranks.insert(items[first + bit].rank)
            }
            guard word.word & BH_BITMAP_LAST != 0 else { continue }
            _ = lists.intern(ranks.sorted())
            ranks.removeAll()
        }
        return (1..<lists.count).map { Array(lists[$0]) }
    }

    private static func ordered(_ items: [Item]) -> [Item] {
        var ordered = items.sorted { ($0.from, $0.rank, $0.to) < ($1.from, $1.rank, $1.to) }
        for start in stride(from: 0, to: ordered.count, by: 64) {
            ordered[start..<min(start + 64, ordered.count)].sort {
                ($0.rank, $0.from, $0.to) < ($1.rank, $1.from, $1.to)
            }
        }
        return ordered
    }

    /// A source's words in the order of their lowest rank, so that a search may end at one above the best.
    private static func source(_ bits: [UInt64], _ items: [Item]) -> [bh_bitmap_word] {
        var words = bits.indices.filter { bits[$0] != 0 }.map { number in
            bh_bitmap_word(
                bits: bits[number], word: UInt32(number),
                rank: items[number * 64 + bits[number].trailingZeroBitCount].rank)
        }
        words.sort { ($0.rank, $0.word) < ($1.rank, $1.word) }
        words[words.count - 1].word |= BH_BITMAP_LAST
        return words
    }
}

/// Which items an address matches, on one side.
private struct BitmapSide {
    /// By atom: the number of its bitmap; 0 where no item has a set that it is in.
    private(set) var ofAtom: [UInt32] = []
    /// By bitmap: the sets that it stands for.
    private var sets = SequenceTable<UInt32>.withEmpty
    private let itemsOfSet: ListTable

    var count: Int { sets.count }

    /// - Parameter setOfItem: By item: the set of this side.
    init(_ atoms: AddressAtoms, _ setOfItem: [UInt32]) {
        itemsOfSet = ListTable(setOfItem.indices.map { UInt32($0) }, lists: setOfItem, count: atoms.setCount)
        ofAtom.reserveCapacity(atoms.members.count)
        var used: [UInt32] = []
        for atom in 0..<atoms.members.count {
            used.removeAll(keepingCapacity: true)
            for index in atoms.members.range(atom) where itemsOfSet.count(Int(atoms.members.elements[index])) > 0 {
                used.append(atoms.members.elements[index])
            }
            ofAtom.append(UInt32(sets.intern(used)))
        }
    }

    func bits(_ number: Int, width: Int) -> [UInt64] {
        var bits = [UInt64](repeating: 0, count: width)
        for set in sets[number] {
            for item in itemsOfSet[Int(set)] { bits[Int(item) / 64] |= 1 << UInt64(item % 64) }
        }
        return bits
    }
}

/// The bitmaps of joint classes.
struct JointBitmaps {
    /// By joint class: the number of its bitmap, which others that match the same items share.
    private(set) var ofJoint: [UInt32]
    private(set) var words: [UInt64] = []

    init(_ bitmaps: Bitmaps, _ joint: JointClasses, _ budget: Budget) throws(CompileError) {
        var numbers: [UInt32: UInt32] = [:]
        var ranks: [UInt32] = []
        // By item: what it asks besides addresses, numbered.
        let matchOfItem = bitmaps.items.map { item in
            let match = joint.matchOfRule[Int(item.rank)]
            if let number = numbers[match] { return number }
            let number = UInt32(ranks.count)
            numbers[match] = number
            ranks.append(item.rank)
            return number
        }
        var members: [UInt32] = []
        var joints: [UInt32] = []
        for (number, rank) in ranks.enumerated() {
            joint.forEachJoint(ofRule: rank) { index in
                members.append(UInt32(number))
                joints.append(UInt32(index))
            }
        }
        let matchesOfJoint = ListTable(members, lists: joints, count: bitmaps.items.isEmpty ? 0 : joint.jointCount)
        var table = SequenceTable<UInt32>()
        ofJoint = (0..<(bitmaps.items.isEmpty ? 0 : joint.jointCount)).map {
            UInt32(table.intern(Array(matchesOfJoint[$0])))
        }
        try budget.check(
            "words of joint classes' bitmaps", table.count * bitmaps.width, atMost: \.tableEntries, by: .services)
        let itemsOfMatch = ListTable(
            matchOfItem.indices.map { UInt32($0) }, lists: matchOfItem, count: ranks.count)
        words = [UInt64](repeating: 0, count: table.count * bitmaps.width)
        for number in 0..<table.count {
            for match in table[number] {
                for item in itemsOfMatch[Int(match)] {
                    words[number * bitmaps.width + Int(item) / 64] |= 1 << UInt64(item % 64)
                }
            }
        }
    }
}
