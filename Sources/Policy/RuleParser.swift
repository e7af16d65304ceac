import Network

/// A rule, and what it was written as, which tells cheaply whether one rule covers another.
struct RuleDefinition {
    var rule: Rule
    var from: SetExpression?
    var to: SetExpression?
    var within: [SetExpression]?
    /// It is not what was meant, because of an error that is reported.
    var isFaulty = false
}

/// Reads `rules`.
struct RuleParser {
    private static let keys = [
        "name", "from", "to", "within", "service", "vlan", "direction", "at", "action", "stateless", "limit", "log",
        "expires", "comment", "meta",
    ]

    private enum WrittenDirection: String, CaseIterable { case `in`, out, both }

    let problems: Problems
    let services: ServiceTable
    let ports: [String: Int]
    /// nil: nobody knows.
    let now: Timestamp?
    private var serviceMemo: [String: [Service]] = [:]
    private var places: [String: SourceLocation] = [:]

    init(services: ServiceTable, ports: [String: Int], now: Timestamp?, _ problems: Problems) {
        self.services = services
        self.ports = ports
        self.now = now
        self.problems = problems
    }

    mutating func parse(_ nodes: [Node], groups: inout GroupTable) -> [RuleDefinition] {
        var rules: [RuleDefinition] = []
        rules.reserveCapacity(nodes.count)
        for node in nodes {
            problems.rule = nil
            if let rule = rule(node, groups: &groups) { rules.append(rule) }
        }
        problems.rule = nil
        return rules
    }

    private mutating func rule(_ node: Node, groups: inout GroupTable) -> RuleDefinition? {
        guard case .mapping(let entries) = node.content else {
            problems.error(node.location, "a rule must be a mapping, found \(node.kind)")
            return nil
        }
        let errors = problems.errorCount
        let nameNode = entries.first { $0.key == "name" }?.value
        if case .scalar(let text, _)? = nameNode?.content, !text.isEmpty { problems.rule = text }
        let what = problems.rule.map { "rule \"\($0)\"" } ?? "a rule"
        let fields = Fields(entries, at: node.location, what, keys: RuleParser.keys, problems)
        let name = name(nameNode, at: node.location)
        let action = action(fields, what)
        var result = RuleDefinition(
            rule: Rule(name: name ?? "", location: node.location, action: action ?? .drop))
        readEnds(fields, into: &result, groups: &groups)
        readService(fields, into: &result)
        readPlace(fields, into: &result.rule)
        readEffect(fields, into: &result.rule)
        readNotes(fields, into: &result.rule)
        if problems.errorCount > errors { result.isFaulty = true }
        return name == nil || action == nil ? nil : result
    }

    private mutating func name(_ node: Node?, at location: SourceLocation) -> String? {
        guard let node else {
            problems.error(location, "the rule has no \"name\"")
            return nil
        }
        guard let name = problems.name(node, "the rule name") else { return nil }
        if let first = places[name] {
            problems.error(node.location, "duplicate rule \"\(name)\"; first at \(first)")
            return nil
        }
        places[name] = node.location
        return name
    }

    private func action(_ fields: Fields, _ what: String) -> Action? {
        guard let node = fields["action"] else {
            problems.error(fields.location, "\(what) has no \"action\"")
            return nil
        }
        return problems.word(node, Action.self)
    }

    // MARK: What it matches

    private func readEnds(_ fields: Fields, into result: inout RuleDefinition, groups: inout GroupTable) {
        defer {
            let expressions = [result.from, result.to].compactMap(\.self) + (result.within ?? [])
            result.isFaulty = expressions.contains { groups.isFaulty($0) }
        }
        if let node = fields["within"] {
            let within = groups.within(node)
            result.within = within
            for key in ["from", "to"] {
                guard let place = fields.place(of: key) else { continue }
                problems.error(place, "\"within\" stands instead of \"from\" and \"to\"; a rule cannot have both")
            }
            result.rule.ends = within.flatMap { expression in
                let set = groups.set(expression)
                return ends(from: set, to: set, at: node.location)
            }
        } else {
            result.from = fields["from"].flatMap { groups.end($0) }
            result.to = fields["to"].flatMap { groups.end($0) }
            let from = result.from.map { groups.set($0) }
            let to = result.to.map { groups.set($0) }
            let node = fields["from"] ?? fields["to"]
            result.rule.ends = ends(
                from: from ?? DynamicSet(.all), to: to ?? DynamicSet(.all), at: node?.location ?? fields.location)
        }
        if let problem = result.rule.problemOfTerms {
            problems.error((fields["within"] ?? fields["from"] ?? fields["to"])?.location ?? fields.location, problem)
        }
    }

    /// Each combination of what both ends may be.
    private func ends(from: DynamicSet, to: DynamicSet, at location: SourceLocation) -> [Rule.Ends] {
        if from.isTooLarge || to.isTooLarge {
            problems.error(location, "too many combinations of dynamic groups: \(Rule.termsAdvice)")
            return []
        }
        return from.terms.flatMap { source in
            to.terms.map { destination in
                Rule.Ends(
                    from: source.set == .all ? nil : source.set, to: destination.set == .all ? nil : destination.set,
                    source: source.membership, destination: destination.membership)
            }
        }
    }

    private mutating func readService(_ fields: Fields, into result: inout RuleDefinition) {
        guard let node = fields["service"] else { return }
        let services = services(node)
        result.rule.services = services
        let hasFrames = services.contains { if case .ethertype = $0 { true } else { false } }
        guard hasFrames else { return }
        let hasEnds =
            result.rule.ends.contains { $0.from != nil || $0.to != nil || $0.asksMembers } || result.within != nil
        if hasEnds {
            problems.error(
                node.location,
                "a non-IP frame has no addresses: \"ethertype\" goes without \"from\", \"to\" and \"within\"")
        }
    }

    private mutating func services(_ node: Node) -> [Service] {
        guard case .scalar(let text, _) = node.content else {
            return services.services(ServiceParser(problems: problems).parse(node))
        }
        if let known = serviceMemo[text] { return known }
        let result = services.services(ServiceParser(problems: problems).parse(node))
        // What is wrong is reported at every place.
        if !result.isEmpty { serviceMemo[text] = result }
        return result
    }

    private func readPlace(_ fields: Fields, into rule: inout Rule) {
        switch fields["direction"].flatMap({ problems.word($0, WrittenDirection.self) }) {
        case .in?: rule.directions = [.in]
        case .out?: rule.directions = [.out]
        case .both?, nil: break
        }
        if let node = fields["vlan"] {
            if node.items.isEmpty { problems.error(node.location, "expected a VLAN tag, found an empty list") }
            let tags = node.items.compactMap { problems.number($0, "a VLAN tag", in: 0...4094) }
            rule.vlans = Set(tags.map { UInt16($0) })
        }
        guard let node = fields["at"] else { return }
        if node.items.isEmpty { problems.error(node.location, "expected a port, found an empty list") }
        rule.entries = Set(node.items.compactMap(port))
    }

    private func port(_ node: Node) -> Int? {
        guard let name = problems.text(node, "a port's name") else { return nil }
        if let index = ports[name] { return index }
        let suggestion = problems.suggestion(for: name, among: ports.keys.sorted())
        problems.error(node.location, "undefined port \"\(name)\"\(suggestion)")
        return nil
    }

    // MARK: What it does

    private func readEffect(_ fields: Fields, into rule: inout Rule) {
        if let node = fields["stateless"], let isStateless = problems.isTrue(node) {
            rule.isStateless = isStateless
            if isStateless, rule.action != .accept {
                problems.error(node.location, "only a rule that accepts can be \"stateless\"")
            }
        }
        if let log = fields["log"].flatMap(problems.isTrue) { rule.log = log }
        if let node = fields["limit"] { rule.limit = LimitSyntax.parse(node, problems) }
        if let node = fields["expires"], let text = problems.text(node, "a time") {
            rule.expires = Timestamp(text)
            if rule.expires == nil {
                problems.error(node.location, "\"\(text)\" is no RFC 3339 time such as 2030-01-31T18:00:00Z")
            } else if let expires = rule.expires, let now, expires <= now {
                problems.warning(node.location, "the rule has expired and matches nothing")
            }
        }
    }

    private func readNotes(_ fields: Fields, into rule: inout Rule) {
        if let node = fields["comment"] { rule.comment = note(node, "a comment") }
        guard let node = fields["meta"] else { return }
        guard case .mapping(let entries) = node.content else {
            problems.error(node.location, "\"meta\" must be a mapping, found \(node.kind)")
            return
        }
        rule.meta = entries.compactMap { entry in
            note(entry.value, "a word or number").map { (key: entry.key, value: $0) }
        }
    }

    /// Any text, the empty one too.
    private func note(_ node: Node, _ what: String) -> String? {
        if case .scalar(let text, _) = node.content { return text }
        problems.expected(what, at: node)
        return nil
    }
}
