import CDatapathABI

/// Lists of rules as the image holds them: short ones to be scanned, long ones with a row that names the first match of
/// each joint class.
struct RuleLists {
    /// Entry 0 is unused.
    private(set) var entries = [bh_list_entry()]
    private(set) var runs: [bh_run] = []
    private(set) var longCount = 0
    private(set) var count = 0
    var runValues: [UInt32] { values.elements }

    private var values = SequenceTable<UInt32>()
    private var numbers = SequenceTable<UInt32>()
    private var heads: [UInt32] = []
    private let joint: JointClasses
    private var covered: [UInt64]
    private var firsts: [UInt32]

    init(_ joint: JointClasses) {
        self.joint = joint
        covered = [UInt64](repeating: 0, count: joint.matchWords)
        firsts = [UInt32](repeating: 0, count: joint.jointCount)
    }

    /// Enters a list.
    ///
    /// - Parameter ranks: Ascending, each once.
    /// - Returns: The index of its head, and the rank of its first rule; nil if no packet matches any of its rules.
    mutating func add(_ ranks: [UInt32]) -> (head: UInt32, rank: UInt32)? {
        let ranks = reachable(ranks)
        guard let first = ranks.first else { return nil }
        let number = numbers.intern(ranks)
        if number == heads.count {
            heads.append(UInt32(entries.count))
            emit(ranks)
        }
        return (heads[number], first)
    }

    /// Leaves out every rule whose matches earlier rules of the list already take.
    private mutating func reachable(_ ranks: [UInt32]) -> [UInt32] {
        for word in covered.indices { covered[word] = 0 }
        return ranks.filter { rank in
            let row = Int(joint.matchOfRule[Int(rank)]) * joint.matchWords
            var more: UInt64 = 0
            for word in covered.indices {
                let bits = joint.matches[row + word]
                more |= bits & ~covered[word]
                covered[word] |= bits
            }
            return more != 0
        }
    }

    private mutating func emit(_ ranks: [UInt32]) {
        count += 1
        guard ranks.count > Int(BH_LIST_SHORT) else {
            entries.append(bh_list_entry(a: UInt32(ranks.count), b: BH_NONE))
            for rank in ranks { entries.append(bh_list_entry(a: rank, b: joint.matchOfRule[Int(rank)])) }
            return
        }
        longCount += 1
        entries.append(bh_list_entry(a: UInt32(ranks.count), b: UInt32(runs.count)))
        findFirsts(ranks)
        for start in stride(from: 0, to: joint.jointCount, by: 64) { emitRun(start) }
    }

    /// Sets the first matching rank of each joint class.
    private mutating func findFirsts(_ ranks: [UInt32]) {
        for index in firsts.indices { firsts[index] = BH_NONE }
        for rank in ranks.reversed() {
            let row = Int(joint.matchOfRule[Int(rank)]) * joint.matchWords
            for word in 0..<joint.matchWords {
                var bits = joint.matches[row + word]
                while bits != 0 {
                    firsts[word * 64 + bits.trailingZeroBitCount] = rank
                    bits &= bits - 1
                }
            }
        }
    }

    private mutating func emitRun(_ start: Int) {
        var run = bh_run()
        var ranks: [UInt32] = []
        for index in start..<min(start + 64, joint.jointCount) where index == start || firsts[index] != ranks.last {
            run.changes |= 1 << UInt64(index - start)
            ranks.append(firsts[index])
        }
        run.base = UInt32(values.starts[values.intern(ranks)])
        runs.append(run)
    }
}
