// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import Policy

/// Compiles a resolved policy into an image. Pure: the same policy gives the same bytes in every process.
public struct Compiler: Sendable {
    private let limits: Limits

    public init() { self.init(limits: Limits()) }

    /// Compiles with bitmaps from a number of cells on, however few; for tests.
    package init(cellsBeforeBitmaps: Int) {
        var limits = Limits()
        limits.cellsBeforeBitmaps = cellsBeforeBitmaps
        self.init(limits: limits)
    }

    /// Compiles with other limits than the tables have; for tests.
    init(limits: Limits) { self.limits = limits }

    /// Compiles a policy. Throws if it exceeds a limit, with the dimension and its figures.
    public func compile(_ ruleset: Ruleset) throws(CompileError) -> Image {
        let terms = RuleTerms(ruleset)
        let budget = Budget(terms.ruleset, limits)
        try check(ruleset, budget)
        try budget.check(terms.ruleset.rules, "combinations of dynamic groups in its rules", atMost: \.rules)
        do throws(CompileError) {
            return try image(terms, budget)
        } catch {
            // With very many joint classes, bitmaps may need more room than the cells that they save.
            guard limits.cellsBeforeBitmaps < limits.cells else { throw error }
            var other = limits
            other.cellsBeforeBitmaps = limits.cells
            guard let image = try? image(terms, Budget(terms.ruleset, other)) else { throw error }
            return image
        }
    }

    private func image(_ terms: RuleTerms, _ budget: Budget) throws(CompileError) -> Image {
        let classes = try Classes(terms.ruleset, budget)
        return try ImageAssembly(terms, classes, budget).image()
    }

    private func check(_ ruleset: Ruleset, _ budget: Budget) throws(CompileError) {
        try budget.check(ruleset.rules, "rules", atMost: \.rules)
        let limited = ruleset.rules.indices.filter { ruleset.rules[$0].limit?.per == .rule }
        try budget.check(limited.map { ruleset.rules[$0] }, "rules with a limit per rule", atMost: \.limitedRules)
        let counted = ruleset.rules.indices.filter { ruleset.rules[$0].connections != nil }
        try budget.check(counted.map { ruleset.rules[$0] }, "rules with \"connections\"", atMost: \.countedRules)
        try budget.check("dynamic groups", ruleset.dynamicGroups.count, atMost: \.dynamicGroups)
        let additions = ruleset.dynamicGroups.isEmpty ? [] : Set(ruleset.rules.compactMap(\.addition))
        try budget.check("different additions to groups", additions.count, atMost: \.additions)
        // Only a policy with dynamic groups can ask too much of them.
        for rule in ruleset.dynamicGroups.isEmpty ? [] : ruleset.rules {
            guard let problem = rule.problemOfTerms else { continue }
            throw CompileError(rule: rule.name, location: rule.location, message: problem)
        }
        try budget.check("port records", PortRecords(ruleset).count, atMost: \.portRecords)
        try budget.check("files", ruleset.files.count, atMost: \.files)
        try budget.check(
            "bytes of policy text", ruleset.files.reduce(0) { $0 + $1.text.utf8.count }, atMost: \.imageBytes)
    }
}

/// The classes of a policy, and the tables over them.
struct Classes {
    var addressClasses: [bh_address_class]
    var trie: AddressTrie
    var identities: Identities
    var services: ServiceClasses
    var headers: HeaderClasses
    var contexts: Contexts
    var joint: JointClasses
    var cells: Cells
    let bitmaps: Bitmaps
    let jointBitmaps: JointBitmaps

    init(_ ruleset: Ruleset, _ budget: Budget) throws(CompileError) {
        let (rest, addresses) = try together(
            { () throws(CompileError) in try RestClasses(ruleset, budget) },
            { () throws(CompileError) in try AddressPairs(ruleset, budget) })
        contexts = rest.contexts
        services = rest.services
        headers = rest.headers
        joint = rest.joint
        let found = try Classes.cellsAndTrie(ruleset, addresses, rest.lists)
        cells = found.cells
        identities = found.identities
        trie = found.trie
        addressClasses = Classes.addressClasses(found.levels, cells)
        bitmaps = addresses.bitmaps
        jointBitmaps = try JointBitmaps(bitmaps, joint, budget)
    }

    /// Builds the cells and the address trie at the same time; neither needs the other.
    private static func cellsAndTrie(
        _ ruleset: Ruleset, _ addresses: AddressPairs, _ lists: RuleLists
    ) throws(CompileError) -> (
        cells: Cells, identities: Identities, trie: AddressTrie, levels: SequenceTable<UInt32>
    ) {
        let (cells, (identities, trie, levels)) = try together(
            { () throws(CompileError) in
                let ends = addresses.ends
                var cells = Cells(
                    addresses.wide.levels, pairs: ends.pairs, narrow: addresses.wide.narrow,
                    rulesOfPair: ends.rulesOfPair, lists: lists)
                cells.lists.note(addresses.bitmaps)
                try cells.lists.tries.check(ruleset)
                return cells
            },
            { () throws(CompileError) in
                let (levels, classOfAtom) = Classes.numbers(addresses)
                let identities = Identities(ruleset)
                let trie = AddressTrie(
                    v4: addresses.atoms.v4.mapped(classOfAtom), v6: addresses.atoms.v6.mapped(classOfAtom),
                    sets: identities.sets)
                return (identities, trie, levels)
            })
        return (cells, identities, trie, levels)
    }

    /// Numbers the distinct combinations of an atom's classes, on both sides and levels, and of its bitmaps. Returns
    /// the four classes and two bitmaps of each number, and each atom's number. Class 0 is in no set.
    private static func numbers(_ addresses: AddressPairs) -> (levels: SequenceTable<UInt32>, ofAtom: [UInt32]) {
        let levels = addresses.wide.levels
        var numbers = SequenceTable<UInt32>()
        let classOfAtom = (0..<addresses.atoms.members.count).map { atom in
            UInt32(
                numbers.intern([
                    levels.from.coarse[atom], levels.from.fine[atom], levels.to.coarse[atom], levels.to.fine[atom],
                    addresses.bitmaps.ofSource[atom], addresses.bitmaps.ofDestination[atom],
                ]))
        }
        return (numbers, classOfAtom)
    }

    /// The image's address classes, with the partitions in which each one has cells.
    private static func addressClasses(_ numbers: SequenceTable<UInt32>, _ cells: Cells) -> [bh_address_class] {
        let count = (0..<numbers.count).reduce(1) { max($0, Int(numbers[$1].prefix(4).max() ?? 0) + 1) }
        let used = PartitionUse(cells.partitions, classes: count)
        let needJoint = PartitionUse(
            cells.partitions.map { $0.filter { cells.lists.needJoint.contains($0.list) } }, classes: count)
        return (0..<numbers.count).map { number in
            let levels = Array(numbers[number])
            let from: UInt16 = levels[4] == 0 ? 0 : 1 << UInt16(BH_PARTITIONS)
            let to: UInt16 = levels[5] == 0 ? 0 : 1 << UInt16(BH_PARTITIONS)
            return bh_address_class(
                from_coarse: levels[0], from_fine: levels[1], to_coarse: levels[2], to_fine: levels[3],
                from_partitions: used.partitions(from: [0, levels[0], levels[1]]) | from,
                to_partitions: used.partitions(to: [0, levels[2], levels[3]]) | to,
                from_joint: needJoint.partitions(from: [0, levels[0], levels[1]]) | from,
                to_joint: needJoint.partitions(to: [0, levels[2], levels[3]]) | to, source_bitmap: levels[4],
                destination_bitmap: levels[5])
        }
    }
}

/// The classes of everything in a packet but its addresses.
private struct RestClasses {
    let contexts: Contexts
    let services: ServiceClasses
    let headers: HeaderClasses
    let joint: JointClasses
    /// Rule lists over these classes, still empty.
    let lists: RuleLists

    init(_ ruleset: Ruleset, _ budget: Budget) throws(CompileError) {
        contexts = try Contexts(ruleset, budget)
        let (serviceLists, servicesOfRule) = RestClasses.serviceLists(ruleset)
        services = try ServiceClasses(serviceLists, budget)
        headers = HeaderClasses(serviceLists)
        joint = try JointClasses(
            contexts, services, headers, servicesOfRule: servicesOfRule, serviceLists: serviceLists.count, budget)
        lists = RuleLists(
            joint, isConditional: ruleset.rules.indices.map { ruleset.rules[$0].isConditional },
            layers: RuleLayers(ruleset),
            plain: RestClasses.plainMatches(ruleset, joint))
    }

    /// By match: its plain form, if it has one. The first rule with a match stands for all.
    private static func plainMatches(_ ruleset: Ruleset, _ joint: JointClasses) -> [PlainMatch?] {
        var plain: [PlainMatch?] = []
        for rank in ruleset.rules.indices where joint.matchOfRule[rank] == plain.count {
            plain.append(PlainMatch(ruleset.rules[rank]))
        }
        return plain
    }

    /// The distinct service lists in the order of first appearance, and the number of each rule's list.
    private static func serviceLists(_ ruleset: Ruleset) -> (lists: [[Service]?], ofRule: [UInt32]) {
        var lists: [[Service]?] = []
        var numbers: [[Service]?: UInt32] = [:]
        let ofRule = ruleset.rules.indices.map { rank in
            let services = ruleset.rules[rank].services
            if let number = numbers[services] { return number }
            let number = UInt32(lists.count)
            numbers[services] = number
            lists.append(services)
            return number
        }
        return (lists, ofRule)
    }
}

/// The address classes of both ends, and the pairs of address sets that rules name.
private struct AddressPairs {
    let ends: RuleEnds
    let atoms: AddressAtoms
    /// Which pairs have cells, and which are in bitmaps.
    let wide: WidePairs
    let bitmaps: Bitmaps

    init(_ ruleset: Ruleset, _ budget: Budget) throws(CompileError) {
        ends = RuleEnds(ruleset)
        atoms = try AddressAtoms(ends.sets.sets, budget)
        wide = WidePairs(atoms, pairs: ends.pairs, rulesOfPair: ends.rulesOfPair, budget.limits)
        try ends.checkCells(wide, ruleset, atMost: budget.limits.cells)
        bitmaps = Bitmaps(atoms, ends.items(wide))
    }
}

/// Which partitions have cells of a class.
private struct PartitionUse {
    /// By level and class: a bit per partition.
    private var from: [[UInt16]]
    private var to: [[UInt16]]

    /// - Parameter count: The number of classes of any level.
    init(_ partitions: [[bh_cell]], classes count: Int) {
        from = [[UInt16]](repeating: [UInt16](repeating: 0, count: count), count: 3)
        to = from
        for (partition, cells) in partitions.enumerated() {
            for cell in cells {
                from[partition / 3][Int(cell.from)] |= 1 << UInt16(partition)
                to[partition % 3][Int(cell.to)] |= 1 << UInt16(partition)
            }
        }
    }

    /// - Parameter classes: A class per level.
    func partitions(from classes: [UInt32]) -> UInt16 {
        classes.indices.reduce(0) { $0 | from[$1][Int(classes[$1])] }
    }

    func partitions(to classes: [UInt32]) -> UInt16 {
        classes.indices.reduce(0) { $0 | to[$1][Int(classes[$1])] }
    }
}

/// The distinct pairs of address sets that rules name, with the rules of each pair.
private struct RuleEnds {
    private(set) var sets = AddressSetTable()
    /// In the order of first appearance.
    private(set) var pairs: [EndPair] = []
    /// Ranks, ascending, each once.
    private(set) var rulesOfPair = ListTable([], lists: [], count: 0)

    init(_ ruleset: Ruleset) {
        var numbers: [EndPair: Int] = [:]
        numbers.reserveCapacity(ruleset.rules.count)
        /// By occurrence of a pair in a rule: the pair and the rule's rank.
        var named: [UInt32] = []
        var ranks: [UInt32] = []
        /// By pair: the last rule that named it.
        var lastRule: [Int] = []
        for rank in ruleset.rules.indices {
            let ends = ruleset.rules[rank].ends
            for index in ends.indices where ends[index].from?.isEmpty != true && ends[index].to?.isEmpty != true {
                let pair = EndPair(
                    from: ends[index].from.map { sets.number($0) }, to: ends[index].to.map { sets.number($0) })
                let number = numbers[pair] ?? pairs.count
                if number == pairs.count {
                    numbers[pair] = number
                    pairs.append(pair)
                    lastRule.append(-1)
                }
                if lastRule[number] == rank { continue }
                lastRule[number] = rank
                named.append(UInt32(number))
                ranks.append(UInt32(rank))
            }
        }
        rulesOfPair = ListTable(ranks, lists: named, count: pairs.count)
    }

    /// The rules at wide pairs.
    func items(_ wide: WidePairs) -> [Bitmaps.Item] {
        var items: [Bitmaps.Item] = []
        for (number, pair) in pairs.enumerated() where wide.isWide[number] {
            guard let from = pair.from, let to = pair.to else { continue }
            items += rulesOfPair[number].map { Bitmaps.Item(rank: $0, from: from, to: to) }
        }
        return items
    }

    /// Throws if the pairs need too many cells, and names the rule that needs the most.
    func checkCells(_ wide: WidePairs, _ ruleset: Ruleset, atMost limit: Int) throws(CompileError) {
        let levels = wide.levels
        guard levels.cells > limit else { return }
        var most = (cells: 0, rank: 0)
        for number in wide.narrow {
            let cells = levels.from.classCount(pairs[number].from) * levels.to.classCount(pairs[number].to)
            if cells > most.cells { most = (cells, Int(rulesOfPair[number].first ?? 0)) }
        }
        let rule = ruleset.rules[most.rank]
        throw CompileError(
            rule: rule.name, location: rule.location,
            message: "the rules' address sets overlap in too many ways: \(levels.cells) pairs of address classes, "
                + "at most \(limit) are allowed; rule \(rule.name) alone needs \(most.cells)")
    }
}
