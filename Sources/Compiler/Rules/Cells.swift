// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import Policy

/// The pairs of address classes of each partition, each with its rule list.
struct Cells {
    /// By partition, sorted by source class, then destination class.
    private(set) var partitions = [[bh_cell]](repeating: [], count: Int(BH_PARTITIONS))
    var lists: RuleLists
    var count: Int { partitions.reduce(0) { $0 + $1.count } }

    private struct Entry {
        var from: UInt32
        var to: UInt32
        var pair: UInt32
    }

    private let rulesOfPair: ListTable
    /// Numbers the distinct sets of pairs; `heads` has the rule list of each.
    private var pairSets = SequenceTable<UInt32>()
    private var heads: [(head: UInt32, rank: UInt32)?] = []

    /// - Parameters:
    ///   - narrow: The pairs that have cells.
    ///   - rulesOfPair: By pair: the ranks of its rules, ascending, each once.
    ///   - lists: The rule lists to which the cells' lists are added.
    init(_ levels: AddressLevels, pairs: [EndPair], narrow: [Int], rulesOfPair: ListTable, lists: RuleLists) {
        self.rulesOfPair = rulesOfPair
        self.lists = lists
        var entries = [[Entry]](repeating: [], count: Int(BH_PARTITIONS))
        for number in narrow {
            let pair = pairs[number]
            let partition = levels.from.level(pair.from) * 3 + levels.to.level(pair.to)
            for from in levels.from.classes(pair.from) {
                for to in levels.to.classes(pair.to) {
                    entries[partition].append(Entry(from: from, to: to, pair: UInt32(number)))
                }
            }
        }
        for partition in entries.indices {
            // Both sorts are stable, and the entries come in the order of their pairs.
            entries[partition] = Cells.sorted(Cells.sorted(entries[partition]) { $0.to }) { $0.from }
            partitions[partition] = cells(of: entries[partition], partition)
        }
    }

    /// A counting sort, which is stable.
    private static func sorted(_ entries: [Entry], by number: (Entry) -> UInt32) -> [Entry] {
        var starts = [Int](repeating: 0, count: Int(entries.lazy.map(number).max() ?? 0) + 2)
        for entry in entries { starts[Int(number(entry)) + 1] += 1 }
        for index in starts.indices.dropFirst() { starts[index] += starts[index - 1] }
        var sorted = entries
        for entry in entries {
            let place = Int(number(entry))
            sorted[starts[place]] = entry
            starts[place] += 1
        }
        return sorted
    }

    private mutating func cells(of entries: [Entry], _ partition: Int) -> [bh_cell] {
        var cells: [bh_cell] = []
        var pairs: [UInt32] = []
        var index = 0
        while index < entries.count {
            let (from, to) = (entries[index].from, entries[index].to)
            pairs.removeAll(keepingCapacity: true)
            while index < entries.count, entries[index].from == from, entries[index].to == to {
                pairs.append(entries[index].pair)
                index += 1
            }
            guard let (head, rank) = list(of: pairs, partition) else { continue }
            cells.append(bh_cell(from: from, to: to, list: head, rank: rank))
        }
        return cells
    }

    private mutating func list(of pairs: [UInt32], _ partition: Int) -> (head: UInt32, rank: UInt32)? {
        let number = pairSets.intern(pairs)
        if number == heads.count {
            heads.append(lists.add(ranks(of: pairs), partition: partition))
        }
        return heads[number]
    }

    /// The ranks of the rules of some pairs, ascending, each once.
    private func ranks(of pairs: [UInt32]) -> [UInt32] {
        if pairs.count == 1 { return Array(rulesOfPair[Int(pairs[0])]) }
        var ranks: [UInt32] = []
        for rank in pairs.flatMap({ rulesOfPair[Int($0)] }).sorted() where ranks.last != rank {
            ranks.append(rank)
        }
        return ranks
    }
}
