import CDatapathABI
import Policy

/// Turns a resolved policy into an image: a pure function, the same bytes for the same policy in every process.
public struct Compiler: Sendable {
    private let limits: Limits

    public init() { self.init(limits: Limits()) }

    /// With other limits than those of the tables.
    init(limits: Limits) { self.limits = limits }

    /// Compiles a policy, or refuses it whole, naming the dimension that does not fit and its figures.
    public func compile(_ ruleset: Ruleset) throws(CompileError) -> Image {
        let terms = RuleTerms(ruleset)
        let budget = Budget(terms.ruleset, limits)
        try check(ruleset, budget)
        try budget.check(terms.ruleset.rules, "combinations of dynamic groups in its rules", atMost: \.rules)
        let classes = try Classes(terms.ruleset, budget)
        return try ImageAssembly(terms, classes, budget).image()
    }

    private func check(_ ruleset: Ruleset, _ budget: Budget) throws(CompileError) {
        try budget.check(ruleset.rules, "rules", atMost: \.rules)
        let limited = ruleset.rules.indices.filter { ruleset.rules[$0].limit?.per == .rule }
        try budget.check(limited.map { ruleset.rules[$0] }, "rules with a limit per rule", atMost: \.limitedRules)
        try budget.check("dynamic groups", ruleset.dynamicGroups.count, atMost: \.dynamicGroups)
        for rank in ruleset.rules.indices {
            guard let problem = ruleset.rules[rank].problemOfTerms else { continue }
            let rule = ruleset.rules[rank]
            throw CompileError(rule: rule.name, location: rule.location, message: problem)
        }
        try budget.check("port records", PortRecords(ruleset).count, atMost: \.portRecords)
        try budget.check("files", ruleset.files.count, atMost: \.files)
        try budget.check(
            "bytes of policy text", ruleset.files.reduce(0) { $0 + $1.text.utf8.count }, atMost: \.imageBytes)
    }
}

/// All classes of a policy, and the tables over them.
struct Classes {
    var addressClasses: [bh_address_class]
    var trie: AddressTrie
    var identities: Identities
    var services: ServiceClasses
    var contexts: Contexts
    var joint: JointClasses
    var cells: Cells

    init(_ ruleset: Ruleset, _ budget: Budget) throws(CompileError) {
        let (rest, addresses) = try together(
            { () throws(CompileError) in try RestClasses(ruleset, budget) },
            { () throws(CompileError) in try AddressPairs(ruleset, budget) })
        contexts = rest.contexts
        services = rest.services
        joint = rest.joint
        cells = Cells(
            addresses.levels, pairs: addresses.ends.pairs, rulesOfPair: addresses.ends.rulesOfPair, lists: rest.lists)
        try cells.lists.tries.check(ruleset)
        let (table, classOfAtom) = Classes.addressClasses(addresses.atoms, addresses.levels, cells)
        addressClasses = table
        identities = Identities(ruleset)
        trie = AddressTrie(
            v4: addresses.atoms.v4.mapped(classOfAtom), v6: addresses.atoms.v6.mapped(classOfAtom),
            sets: identities.sets)
    }

    /// The address classes of both sides and levels together, and the number of each atom's. Class 0 is in no set.
    private static func addressClasses(
        _ atoms: AddressAtoms, _ levels: AddressLevels, _ cells: Cells
    ) -> (table: [bh_address_class], ofAtom: [UInt32]) {
        var numbers = SequenceTable<UInt32>()
        let classOfAtom = (0..<atoms.members.count).map { atom in
            UInt32(
                numbers.intern([
                    levels.from.coarse[atom], levels.from.fine[atom], levels.to.coarse[atom], levels.to.fine[atom],
                ]))
        }
        let used = PartitionUse(cells.partitions)
        let needJoint = PartitionUse(
            cells.partitions.map { $0.filter { cells.lists.needJoint.contains($0.list) } })
        let table = (0..<numbers.count).map { number in
            let levels = Array(numbers[number])
            return bh_address_class(
                from_coarse: levels[0], from_fine: levels[1], to_coarse: levels[2], to_fine: levels[3],
                from_partitions: used.partitions(from: [0, levels[0], levels[1]]),
                to_partitions: used.partitions(to: [0, levels[2], levels[3]]),
                from_joint: needJoint.partitions(from: [0, levels[0], levels[1]]),
                to_joint: needJoint.partitions(to: [0, levels[2], levels[3]]), pad: (0, 0))
        }
        return (table, classOfAtom)
    }
}

/// The classes of everything of a packet but its addresses.
private struct RestClasses {
    let contexts: Contexts
    let services: ServiceClasses
    let joint: JointClasses
    /// Over these classes, still empty.
    let lists: RuleLists

    init(_ ruleset: Ruleset, _ budget: Budget) throws(CompileError) {
        contexts = try Contexts(ruleset, budget)
        let (serviceLists, servicesOfRule) = RestClasses.serviceLists(ruleset)
        services = try ServiceClasses(serviceLists, budget)
        joint = try JointClasses(
            contexts, services, servicesOfRule: servicesOfRule, serviceLists: serviceLists.count, budget)
        lists = RuleLists(
            joint, isConditional: ruleset.rules.indices.map { ruleset.rules[$0].isConditional },
            plain: ruleset.rules.indices.map { PlainMatch(ruleset.rules[$0]) })
    }

    /// The distinct service lists, by first appearance, and the number of each rule's.
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

/// The classes of addresses at both ends, and which pairs of sets rules name.
private struct AddressPairs {
    let ends: RuleEnds
    let atoms: AddressAtoms
    let levels: AddressLevels

    init(_ ruleset: Ruleset, _ budget: Budget) throws(CompileError) {
        ends = RuleEnds(ruleset)
        atoms = try AddressAtoms(ends.sets.sets, budget)
        levels = AddressLevels(atoms, pairs: ends.pairs)
        try ends.checkCells(levels, ruleset, atMost: budget.limits.cells)
    }
}

/// Which classes some cells of each partition name.
private struct PartitionUse {
    private var from: [Set<UInt32>]
    private var to: [Set<UInt32>]

    init(_ partitions: [[bh_cell]]) {
        from = partitions.map { Set($0.lazy.map(\.from)) }
        to = partitions.map { Set($0.lazy.map(\.to)) }
    }

    /// - Parameter classes: By level.
    func partitions(from classes: [UInt32]) -> UInt16 {
        from.indices.reduce(0) { $0 | (from[$1].contains(classes[$1 / 3]) ? 1 << UInt16($1) : 0) }
    }

    func partitions(to classes: [UInt32]) -> UInt16 {
        to.indices.reduce(0) { $0 | (to[$1].contains(classes[$1 % 3]) ? 1 << UInt16($1) : 0) }
    }
}

/// The distinct pairs of address sets that rules name, and the rules of each.
private struct RuleEnds {
    private(set) var sets = AddressSetTable()
    /// By first appearance.
    private(set) var pairs: [EndPair] = []
    /// Ranks, ascending, each once.
    private(set) var rulesOfPair: [[UInt32]] = []

    init(_ ruleset: Ruleset) {
        var numbers: [EndPair: Int] = [:]
        for rank in ruleset.rules.indices {
            let ends = ruleset.rules[rank].ends
            for index in ends.indices where ends[index].from?.isEmpty != true && ends[index].to?.isEmpty != true {
                let pair = EndPair(
                    from: ends[index].from.map { sets.number($0) }, to: ends[index].to.map { sets.number($0) })
                let number = numbers[pair] ?? pairs.count
                if number == pairs.count {
                    numbers[pair] = number
                    pairs.append(pair)
                    rulesOfPair.append([])
                }
                if rulesOfPair[number].last != UInt32(rank) { rulesOfPair[number].append(UInt32(rank)) }
            }
        }
    }

    /// Refuses what would multiply beyond measure, naming the rule that takes most.
    func checkCells(_ levels: AddressLevels, _ ruleset: Ruleset, atMost limit: Int) throws(CompileError) {
        guard levels.cells > limit else { return }
        var most = (cells: 0, rank: 0)
        for (pair, ranks) in zip(pairs, rulesOfPair) {
            let cells = levels.from.classCount(pair.from) * levels.to.classCount(pair.to)
            if cells > most.cells { most = (cells, Int(ranks[0])) }
        }
        let rule = ruleset.rules[most.rank]
        throw CompileError(
            rule: rule.name, location: rule.location,
            message: "the rules' address sets overlap in too many ways: \(levels.cells) pairs of address classes, "
                + "at most \(limit); rule \(rule.name) alone takes \(most.cells)")
    }
}
