// SPDX-License-Identifier: Apache-2.0
import Network

/// The policy's named groups, and the address sets that rules ask for.
struct GroupTable {
    private struct Definition {
        var name: String
        var location: SourceLocation
        var expression: SetExpression
    }

    private let ports: [PortDefinition]
    private let portIndices: [String: Int]
    private let feeds: FeedTable
    private let workloads: WorkloadTable
    /// Whether a group, or a rule, names workloads.
    private(set) var namesWorkloads = false
    private let problems: Problems
    private var indices: [String: Int] = [:]
    private var definitions: [Definition] = []
    private(set) var dynamicGroups: [DynamicGroup] = []
    private var sets: [DynamicSet] = []
    private var asked: [AskedSet] = []
    /// Indices in `asked`: by expression, and by the word that an end is written as.
    private var askedNumbers: [SetExpression: Int] = [:]
    private var askedWords: [String: Int] = [:]
    private var feedLocations: [String: SourceLocation] = [:]
    /// Groups that a rule or another group refers to.
    private var used: Set<Int> = []
    /// Groups whose addresses are wrong because of an error that was already reported.
    private var faulty: Set<Int> = []

    init(
        _ entries: [Node.Entry], ports: [PortDefinition], portIndices: [String: Int],
        feeds: FeedTable, workloads: WorkloadTable, _ problems: Problems
    ) {
        self.workloads = workloads
        self.ports = ports
        self.portIndices = portIndices
        self.feeds = feeds
        self.problems = problems
        for entry in entries where isGoodName(entry) {
            indices[entry.key] = definitions.count
            definitions.append(
                Definition(name: entry.key, location: entry.keyLocation, expression: SetExpression()))
        }
        for entry in entries {
            guard let index = indices[entry.key] else { continue }
            let errors = problems.errorCount
            definitions[index].expression = named(entry)
            if problems.errorCount > errors { faulty.insert(index) }
        }
        addMembers()
        resolve()
    }

    /// Whether a group, or a rule, names a file of addresses.
    var readsFiles: Bool { feeds.hasRead }

    /// Whether the policy has a group of this name.
    func isDefined(_ name: String) -> Bool { definitions.contains { $0.name == name } }

    /// All named groups, resolved.
    var groups: [AddressGroup] {
        let numbers = Dictionary(uniqueKeysWithValues: dynamicGroups.enumerated().map { ($1.name, $0) })
        return zip(definitions, sets).map { group, set in
            AddressGroup(name: group.name, location: group.location, set: set, number: numbers[group.name])
        }
    }

    // MARK: What rules ask for

    private static let endWords = "a group, an address, a prefix or a group written in place"

    /// One end of a rule: a name, an address or prefix, a group written in place, or a list of these.
    mutating func end(_ node: Node) -> SetExpression? {
        if case .sequence(let items) = node.content, items.isEmpty {
            problems.error(node.location, "expected a group, address or prefix, found an empty list")
            return nil
        }
        if case .scalar = node.content { return term(node, GroupTable.endWords).map { SetExpression(union: [$0]) } }
        let terms = node.items.map { item -> SetExpression.Term? in
            if case .mapping = item.content, item.unquotedAddress == nil { return inPlace(item) }
            return term(item, GroupTable.endWords)
        }
        return terms.contains(nil) ? nil : SetExpression(union: terms.compactMap(\.self))
    }

    /// The groups whose names match a pattern, in the policy's order. Reports an error if there are none.
    mutating func within(_ node: Node) -> [SetExpression] {
        guard let text = problems.text(node, "a group's name or a pattern over names") else { return [] }
        guard Glob.isPattern(text) else {
            guard let index = indices[text] else {
                if SetExpression.reserved[text] == nil {
                    reportUndefined(text, node.location)
                } else {
                    problems.error(
                        node.location, "\"within\" takes groups that the policy defines; \"\(text)\" is reserved")
                }
                return []
            }
            used.insert(index)
            return [SetExpression(union: [.group(index)])]
        }
        guard let glob = Glob(text) else {
            problems.error(node.location, "\"\(text)\" is not a pattern: a bracket is not closed")
            return []
        }
        let found = definitions.indices.filter { glob.matches(definitions[$0].name) }
        if found.isEmpty { problems.error(node.location, "no group's name matches \"\(text)\"") }
        used.formUnion(found)
        return found.map { SetExpression(union: [.group($0)]) }
    }

    /// Reserves space for the ends of so many rules.
    mutating func expect(rules count: Int) {
        asked.reserveCapacity(count)
        askedNumbers.reserveCapacity(count)
        askedWords.reserveCapacity(count)
    }

    /// The addresses that one end of a rule asks for.
    mutating func asked(_ node: Node) -> AskedSet? {
        guard case .scalar(let word, _) = node.content else { return end(node).map { asked($0) } }
        if let known = askedWords[word] { return asked[known] }
        // Faulty words are not kept, so that the error is reported at every place.
        guard let expression = end(node) else { return nil }
        let result = asked(expression)
        askedWords[word] = result.number
        return result
    }

    mutating func asked(_ expression: SetExpression) -> AskedSet {
        if let known = askedNumbers.updateValue(asked.count, forKey: expression) {
            askedNumbers[expression] = known
            return asked[known]
        }
        asked.append(AskedSet(addresses(expression), number: asked.count, isFaulty: isFaulty(expression)))
        return asked[asked.count - 1]
    }

    private func isFaulty(_ expression: SetExpression) -> Bool { expression.groups.contains(where: faulty.contains) }

    func warnOfUnused() {
        // If a name is misspelt elsewhere, the group that was meant only seems unused.
        if problems.hasErrors { return }
        for (index, group) in definitions.enumerated() where !used.contains(index) {
            problems.warning(
                group.location, "group \"\(group.name)\" is defined and never used", Finding(.unused))
        }
    }

    // MARK: Definitions

    private func isGoodName(_ entry: Node.Entry) -> Bool {
        guard problems.isName(entry.key, at: entry.keyLocation, "the group name") else { return false }
        if SetExpression.reserved[entry.key] != nil {
            problems.error(entry.keyLocation, "\"\(entry.key)\" is a reserved group and cannot be defined")
            return false
        }
        if IPAddress(entry.key) != nil {
            problems.error(entry.keyLocation, "a group cannot have an address as its name")
            return false
        }
        return true
    }

    private mutating func named(_ entry: Node.Entry) -> SetExpression {
        guard let fields = Fields(entry.value, "group \"\(entry.key)\"", keys: GroupTable.keys, problems) else {
            return SetExpression()
        }
        var expression = members(fields).expression
        if let node = fields["dynamic"], let group = dynamic(node, of: entry) {
            expression.union.append(.members(dynamicGroups.count))
            dynamicGroups.append(group)
        }
        return expression
    }

    private func dynamic(_ node: Node, of entry: Node.Entry) -> DynamicGroup? {
        guard let fields = Fields(node, "\"dynamic\"", keys: GroupTable.dynamicKeys, problems) else { return nil }
        guard dynamicGroups.count < DynamicGroup.most else {
            problems.error(entry.keyLocation, "the policy has more than \(DynamicGroup.most) dynamic groups")
            return nil
        }
        var group = DynamicGroup(name: entry.key, location: entry.keyLocation)
        if let node = fields["max"] {
            let max = problems.number(node, "a number of addresses", in: 1...DynamicGroup.largestMaximum)
            group.maximum = max ?? group.maximum
        }
        if let node = fields["timeout"] {
            group.timeout = problems.duration(node)
            if group.timeout == 0 {
                problems.error(
                    node.location,
                    "a group with a timeout of zero would never have a member; leave the timeout out for no end")
            } else if let timeout = group.timeout, timeout > DynamicGroup.longestTimeout {
                problems.error(
                    node.location,
                    "a timeout is at most \(DynamicGroup.longestTimeout / 86_400)d; leave the timeout out for no end")
            }
        }
        return group
    }

    private mutating func inPlace(_ node: Node) -> SetExpression.Term? {
        guard let fields = Fields(node, "a group written in place", keys: Self.inPlaceKeys, problems) else {
            return nil
        }
        var (expression, isComplement) = members(fields)
        if isComplement {
            expression.union = [.any]
        } else if expression.union.isEmpty, expression.all.isEmpty {
            problems.error(
                node.location, "a group written in place needs one of \(Self.inPlaceKeys.joined(separator: ", "))"
            )
            return nil
        }
        return .inPlace(expression)
    }

    /// Keys that say who is in a group.
    private static let memberKeys = ["addresses", "files", "ports", "groups", "workloads", "all"]
    static let inPlaceKeys = memberKeys + ["except"]
    static let keys = inPlaceKeys + ["dynamic"]
    static let dynamicKeys = ["max", "timeout"]

    /// `isComplement`: only `except` is written.
    private mutating func members(_ fields: Fields) -> (expression: SetExpression, isComplement: Bool) {
        var result = SetExpression()
        result.union += (fields["addresses"]?.items ?? []).flatMap { node in
            (problems.prefixes(node) ?? []).map { .prefix($0) }
        }
        for node in fields["files"]?.items ?? [] {
            guard let name = problems.text(node, "a file of addresses") else { continue }
            let path = Path.join(Path.directory(of: node.location.file), name)
            if feedLocations[path] == nil { feedLocations[path] = node.location }
            result.union.append(.feed(path))
        }
        result.union += (fields["ports"]?.items ?? []).compactMap(port)
        for node in fields["groups"]?.items ?? [] {
            if let term = term(node, "a group's name", takesAddresses: false) { result.union.append(term) }
        }
        if let node = fields["workloads"] {
            namesWorkloads = true
            let selectors = WorkloadParser(problems: problems).selectors(node)
            result.union += selectors.map { .workloads($0.selector) }
        }
        for node in fields["all"]?.items ?? [] {
            if let term = term(node, "a group, address or prefix") { result.all.append(term) }
        }
        for node in fields["except"]?.items ?? [] {
            if let term = term(node, "a group, address or prefix") { result.except.append(term) }
        }
        let isComplement = fields["except"] != nil && GroupTable.memberKeys.allSatisfy { fields[$0] == nil }
        return (result, isComplement)
    }

    private func port(_ node: Node) -> SetExpression.Term? {
        guard let name = problems.text(node, "a port's name") else { return nil }
        if let index = portIndices[name] { return .port(index) }
        let suggestion = problems.suggestion(for: name, among: portIndices.keys.sorted())
        problems.error(node.location, "undefined port \"\(name)\"\(suggestion)")
        return nil
    }

    private mutating func term(
        _ node: Node, _ what: String, takesAddresses: Bool = true
    ) -> SetExpression.Term? {
        if node.unquotedAddress != nil, takesAddresses { return problems.prefix(node).map { .prefix($0) } }
        guard let text = problems.text(node, what) else { return nil }
        if let reserved = SetExpression.reserved[text] { return reserved }
        if let index = indices[text] {
            used.insert(index)
            return .group(index)
        }
        if takesAddresses, AddressRange.isForm(of: text) {
            return problems.range(text, at: node.location).map { .range($0) }
        }
        if takesAddresses, GroupTable.resemblesAddress(text) {
            return problems.prefix(text, at: node.location).map { .prefix($0) }
        }
        reportUndefined(text, node.location)
        return nil
    }

    /// No name has a colon or a slash, and nobody means a word of digits and dots as a name.
    private static func resemblesAddress(_ text: String) -> Bool {
        text.utf8.contains { $0 == UInt8(ascii: ":") || $0 == UInt8(ascii: "/") }
            || text.utf8.allSatisfy { $0 == UInt8(ascii: ".") || (48...57).contains($0) }
    }

    private func reportUndefined(_ name: String, _ location: SourceLocation) {
        let names = indices.keys.sorted() + SetExpression.reserved.keys.sorted()
        let remedy = AddressRemedy.text(name) ?? problems.suggestion(for: name, among: names)
        problems.error(location, "undefined group \"\(name)\"\(remedy)")
    }

    /// Makes the ports that name a group its members.
    private mutating func addMembers() {
        var members: [[SetExpression.Term]] = Array(repeating: [], count: definitions.count)
        for (portIndex, port) in ports.enumerated() {
            for (name, location) in port.groups {
                if let index = indices[name] {
                    members[index].append(.port(portIndex))
                } else if SetExpression.reserved[name] != nil {
                    problems.error(location, "\"\(name)\" is a reserved group; ports cannot join it")
                } else {
                    reportUndefined(name, location)
                }
            }
        }
        for index in definitions.indices {
            let written = definitions[index].expression
            let isComplement =
                written.union.isEmpty && written.all.isEmpty && !written.except.isEmpty && members[index].isEmpty
            definitions[index].expression.union += isComplement ? [.any] : members[index]
        }
    }

    // MARK: Sets

    private mutating func resolve() {
        sets = Array(repeating: .empty, count: definitions.count)
        let order = DependencyOrder(definitions.map { $0.expression.groups })
        for cycle in order.cycles {
            let chain = (cycle + [cycle[0]]).map { definitions[$0].name }
            problems.error(
                definitions[cycle[0]].location,
                "groups refer to each other in a circle: \(chain.joined(separator: " > "))")
        }
        faulty.formUnion(Set(definitions.indices).subtracting(order.sorted))
        for index in order.sorted {
            let errors = problems.errorCount
            sets[index] = addresses(definitions[index].expression)
            if problems.errorCount > errors || isFaulty(definitions[index].expression) { faulty.insert(index) }
            if sets[index].isEmpty, !faulty.contains(index) {
                let group = definitions[index]
                problems.warning(group.location, "group \"\(group.name)\" selects nothing and matches nothing")
            }
        }
    }

    private mutating func addresses(_ expression: SetExpression) -> DynamicSet {
        var set = union(expression.union)
        if let first = expression.all.first {
            var common = union([first])
            for term in expression.all.dropFirst() { common = common.intersection(union([term])) }
            set = DynamicSet(unionOf: [set, common])
        }
        return expression.except.isEmpty ? set : set.subtracting(union(expression.except))
    }

    private mutating func union(_ terms: [SetExpression.Term]) -> DynamicSet {
        // The common case.
        if terms.count == 1, case .prefix(let prefix) = terms[0] { return DynamicSet(AddressSet([prefix])) }
        var prefixes: [Prefix] = []
        var parts: [DynamicSet] = []
        for term in terms {
            switch term {
            case .any: return DynamicSet(.all)
            case .host: parts.append(.host)
            case .multicast: parts.append(DynamicSet(WellKnown.multicast))
            case .broadcast: parts.append(DynamicSet(WellKnown.broadcast))
            case .prefix(let prefix): prefixes.append(prefix)
            case .range(let range): prefixes += range.prefixes
            case .group(let index): parts.append(sets[index])
            case .members(let index): parts.append(DynamicSet(membersOf: index))
            case .port(let index):
                let bound = AddressSet(ports[index].entry.memberAddresses).subtracting(WellKnown.linkLocal)
                parts.append(DynamicSet(bound))
            case .workloads(let selector): parts.append(DynamicSet(workloads.addresses(selector)))
            case .feed(let path):
                if let location = feedLocations[path] { parts.append(DynamicSet(feeds.set(path, at: location))) }
            case .inPlace(let expression): parts.append(addresses(expression))
            }
        }
        if !prefixes.isEmpty { parts.append(DynamicSet(AddressSet(prefixes))) }
        return DynamicSet(unionOf: parts)
    }
}
