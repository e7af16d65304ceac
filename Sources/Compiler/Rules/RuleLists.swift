// SPDX-License-Identifier: Apache-2.0
import CDatapathABI

/// Rule lists as the image holds them. A short list is scanned; a long one has a row that names the first match for
/// each joint class.
struct RuleLists {
    /// Entry 0 is unused.
    private(set) var entries = [bh_list_entry()]
    /// By long list and page: the index of the page's first run.
    private(set) var runPages: [UInt32] = []
    private(set) var longCount = 0
    /// By row of bits in the image: a rule whose match it is.
    private var ruleOfRow: [UInt32] = []
    var rowCount: Int { ruleOfRow.count }
    private(set) var count = 0
    var runs: [bh_run] {
        stride(from: 0, to: pages.elements.count, by: 2).map { index in
            bh_run(changes: pages.elements[index], base: UInt32(pages.elements[index + 1]), pad: 0)
        }
    }
    var runValues: [UInt32] { values.elements }
    /// Chains of ranks, see `BH_CHAIN`.
    var chains: [UInt32] { chainTable.elements }
    /// The conditional rules that a packet may have to try.
    private(set) var tries: Tries

    /// The distinct pages of runs, each run as its changes and its base.
    private var pages = SequenceTable<UInt64>()
    private var values = SequenceTable<UInt32>()
    private var chainTable = SequenceTable<UInt32>()
    private var numbers = SequenceTable<UInt32>()
    /// By list: its first entry, and the partitions whose cells have it.
    private var heads: [(entry: UInt32, partitions: UInt32)] = []
    /// Of the list at hand.
    private var tried: RuleChains
    /// The heads of the lists that cannot be read without the joint class.
    private(set) var needJoint: Set<UInt32> = []
    private let joint: JointClasses
    /// By rank.
    let isConditional: [Bool]
    private let layers: RuleLayers
    /// By match: its plain form, if it has one.
    private let plain: [PlainMatch?]
    private var covered: [UInt64]
    /// In the layer at hand alone, because a rule may pass over it.
    private var coveredHere: [UInt64]
    /// By match: its row of bits in the image.
    private var rowOfMatch: [UInt32: UInt32] = [:]
    private var firsts: [UInt32]

    init(_ joint: JointClasses, isConditional: [Bool], layers: RuleLayers, plain: [PlainMatch?]) {
        self.joint = joint
        self.plain = plain
        self.isConditional = isConditional
        self.layers = layers
        tried = RuleChains(joint, isConditional: isConditional, layers: layers)
        tries = Tries(joints: joint.jointCount)
        covered = [UInt64](repeating: 0, count: joint.rowWidth)
        coveredHere = covered
        firsts = [UInt32](repeating: 0, count: joint.jointCount)
    }

    /// Adds a rule list.
    ///
    /// - Parameters:
    ///   - ranks: The ranks of its rules, ascending, each once.
    ///   - partition: The partition of the cells that have the list.
    /// - Returns: The index of its first entry and the rank of its first rule; nil if no packet matches any of its
    ///   rules.
    mutating func add(_ ranks: [UInt32], partition: Int) -> (head: UInt32, rank: UInt32)? {
        let ranks = reachable(ranks)
        guard let first = ranks.first else { return nil }
        let number = numbers.intern(ranks)
        let isNew = number == heads.count
        if isNew { heads.append((UInt32(entries.count), 0)) }
        let entry = heads[number].entry
        guard heads[number].partitions >> UInt32(partition) & 1 == 0 else { return (entry, first) }
        heads[number].partitions |= 1 << UInt32(partition)
        tried.fill(ranks)
        tries.note(tried, partition: partition)
        if isNew, emit(ranks) { needJoint.insert(entry) }
        return (entry, first)
    }

    /// Counts the conditional rules that a packet may have to try because of bitmaps.
    mutating func note(_ bitmaps: Bitmaps) {
        for ranks in bitmaps.ranksBySource(where: { isConditional[Int($0)] }) {
            tried.fill(ranks)
            tries.note(tried, partition: Int(BH_PARTITIONS))
        }
    }

    /// Removes rules that can never decide, because unconditional earlier rules of the list match everything that they
    /// match.
    private mutating func reachable(_ ranks: [UInt32]) -> [UInt32] {
        // A copy, because the closures below change `self`.
        let joint = joint
        defer {
            uncover(ranks)
            uncoverLayer()
        }
        var layer = 0
        return ranks.filter { rank in
            var more: UInt64 = 0
            if layers.number(rank) != layer { uncoverLayer() }
            layer = layers.number(rank)
            let covers = !isConditional[Int(rank)]
            let coversHere = layers.isOvertaken(rank)
            joint.forEachWord(ofRule: rank) { number, word in
                more |= word & ~covered[number] & ~coveredHere[number]
                guard covers else { return }
                if coversHere { coveredHere[number] |= word } else { covered[number] |= word }
            }
            return more != 0
        }
    }

    private mutating func uncover(_ ranks: [UInt32]) {
        let joint = joint
        for rank in ranks { joint.forEachWord(ofRule: rank) { number, _ in covered[number] = 0 } }
    }

    private mutating func uncoverLayer() {
        guard layers.canPass else { return }
        for index in coveredHere.indices { coveredHere[index] = 0 }
    }

    /// Writes a list's entries. Returns whether the list cannot be read without the joint class.
    private mutating func emit(_ ranks: [UInt32]) -> Bool {
        count += 1
        guard ranks.count > Int(BH_LIST_SHORT) else { return emitShort(ranks) }
        longCount += 1
        let marks = BH_MATCH_RUNS.rawValue | BH_MATCH_LAST.rawValue
        entries.append(bh_list_entry(ranks[0], marks | UInt32(runPages.count)))
        findFirsts(ranks)
        for index in tried.joints {
            firsts[index] = BH_CHAIN | UInt32(chainTable.starts[chainTable.intern(tried[index])])
        }
        for start in stride(from: 0, to: joint.jointCount, by: 64 * Int(BH_RUN_PAGE)) { emitPage(start) }
        return true
    }

    /// Writes the entries of a short list. A rule's match is written as plain entries if there is still room for one
    /// entry for each following rule; otherwise as one entry that names its row of bits.
    private mutating func emitShort(_ ranks: [UInt32]) -> Bool {
        var room = Int(BH_LIST_SHORT)
        var needsJoint = false
        for (index, rank) in ranks.enumerated() {
            let following = ranks.count - index - 1
            if let match = plain[Int(joint.matchOfRule[Int(rank)])], match.alternatives.count + following <= room {
                for alternative in match.alternatives { entries.append(alternative.entry(rank)) }
                room -= match.alternatives.count
            } else {
                entries.append(bh_list_entry(rank, row(ofRule: rank)))
                room -= 1
                needsJoint = true
            }
        }
        entries[entries.count - 1].match |= BH_MATCH_LAST.rawValue
        return needsJoint
    }

    /// The number of a rule's row of bits in the image.
    private mutating func row(ofRule rank: UInt32) -> UInt32 {
        let match = joint.matchOfRule[Int(rank)]
        if let row = rowOfMatch[match] { return row }
        let row = UInt32(rowCount)
        rowOfMatch[match] = row
        ruleOfRow.append(rank)
        return row
    }

    /// The rows of bits of the matches that entries name, one after the other, in full width.
    func rows(_ budget: Budget) throws(CompileError) -> [UInt64] {
        let size = rowCount * joint.rowWidth
        try budget.check("words of rule bitmaps in the image", size, atMost: \.tableEntries, by: .services)
        var rows = [UInt64](repeating: 0, count: size)
        for (row, rank) in ruleOfRow.enumerated() {
            joint.forEachWord(ofRule: rank) { number, word in rows[row * joint.rowWidth + number] = word }
        }
        return rows
    }

    /// Finds the first matching rank of each joint class.
    private mutating func findFirsts(_ ranks: [UInt32]) {
        let joint = joint
        for index in firsts.indices { firsts[index] = BH_NONE }
        defer { uncover(ranks) }
        for rank in ranks {
            joint.forEachWord(ofRule: rank) { number, word in
                JointClasses.forEachJoint(of: word & ~covered[number], number) { firsts[$0] = rank }
                covered[number] |= word
            }
        }
    }

    /// Writes the page of joint classes from one on, or refers to an equal one.
    private mutating func emitPage(_ start: Int) {
        let joints = start..<min(start + 64 * Int(BH_RUN_PAGE), joint.jointCount)
        let page = stride(from: start, to: joints.upperBound, by: 64).map { run($0) }
        let number = pages.intern(page.flatMap { [$0.changes, UInt64($0.base)] })
        runPages.append(UInt32(pages.starts[number] / 2))
    }

    private mutating func run(_ start: Int) -> bh_run {
        var run = bh_run()
        var ranks: [UInt32] = []
        for index in start..<min(start + 64, joint.jointCount) where index == start || firsts[index] != ranks.last {
            run.changes |= 1 << UInt64(index - start)
            ranks.append(firsts[index])
        }
        run.base = UInt32(values.starts[values.intern(ranks)])
        return run
    }
}
