// SPDX-License-Identifier: Apache-2.0
import Network
import Wire

/// A policy's rules by rank, and what each one asks for.
struct ParsedRules {
    var rules: [Rule] = []
    var asked: [AskedRule] = []
}

/// The parts of a rule as numbers, which tell cheaply whether one rule covers another.
struct AskedRule {
    /// The number of each part, see ``AskedSet``; nil if the rule does not have it.
    var from: Int?
    var to: Int?
    var within: [Int]?
    var services: Int?
    /// The value of `at`, if it is written.
    var at: NamedPorts?
    /// Those of `via`, if it is written.
    var via: NamedPorts?
    /// Whether the rule is wrong because of an error that was already reported.
    var isFaulty = false
}

/// The value of `service` in rules.
private struct AskedServices {
    var services: [Service]
    /// The same number for equal services.
    var number: Int

    /// Whether some of the services are non-IP frames.
    var namesFrames: Bool { services.contains { if case .ethertype = $0 { true } else { false } } }
}

/// Reads `rules`.
struct RuleParser {
    static let keys = [
        "name", "from", "to", "within", "service", "vlan", "direction", "at", "via", "action", "stateless", "limit",
        "connections", "log", "starts", "expires", "times", "add", "enabled", "tag", "fromMac", "toMac", "match",
        "comment", "meta",
    ]

    enum WrittenDirection: String, CaseIterable { case `in`, out, both }

    let problems: Problems
    let services: ServiceTable
    let ports: PortNames
    /// The host's clock; nil if unknown.
    let now: Timestamp?
    /// The services of rules by the word that they are written as, and the number of each distinct list.
    private var serviceWords: [String: AskedServices] = [:]
    private var serviceNumbers: [[Service]: Int] = [:]
    private var places: [String: SourceLocation] = [:]

    init(services: ServiceTable, ports: PortNames, now: Timestamp?, _ problems: Problems) {
        self.services = services
        self.ports = ports
        self.now = now
        self.problems = problems
    }

    /// - Parameter layers: The rules of each layer, in the order of the layers.
    mutating func parse(_ layers: [[Node]], groups: inout GroupTable) -> ParsedRules {
        var parsed = ParsedRules()
        let count = layers.reduce(0) { $0 + $1.count }
        parsed.rules.reserveCapacity(count)
        parsed.asked.reserveCapacity(count)
        places.reserveCapacity(count)
        groups.expect(rules: count)
        for (layer, nodes) in layers.enumerated() {
            for node in nodes {
                problems.rule = nil
                add(node, inLayer: layer, to: &parsed, groups: &groups)
            }
        }
        problems.rule = nil
        return parsed
    }

    private mutating func add(_ node: Node, inLayer layer: Int, to parsed: inout ParsedRules, groups: inout GroupTable)
    {
        guard case .mapping(let entries) = node.content else {
            problems.error(node.location, "a rule must be a mapping, found \(node.kind)")
            return
        }
        let errors = problems.errorCount
        let nameNode = entries.first { $0.key == "name" }?.value
        if case .scalar(let text, _)? = nameNode?.content, !text.isEmpty { problems.rule = text }
        let fields = Fields(entries, at: node.location, what, keys: RuleParser.keys, problems)
        let name = name(nameNode, at: node.location)
        let action = action(fields)
        var rule = Rule(name: name ?? "", location: node.location, action: action ?? .drop)
        rule.layer = layer
        var asked = AskedRule()
        readEnds(fields, into: &rule, &asked, groups: &groups)
        readService(fields, into: &rule, &asked)
        readPlace(fields, into: &rule, &asked)
        rule.match = MatchParser(problems: problems).parse(fields)
        readEffect(fields, into: &rule)
        if let node = fields["add"] { rule.addition = AdditionParser(problems: problems).parse(node, groups) }
        readNotes(fields, into: &rule)
        if problems.errorCount > errors { asked.isFaulty = true }
        let isEnabled = fields["enabled"].flatMap(problems.isTrue) ?? true
        if name == nil || action == nil || !isEnabled { return }
        parsed.rules.append(rule)
        parsed.asked.append(asked)
    }

    private mutating func name(_ node: Node?, at location: SourceLocation) -> String? {
        guard let node else {
            problems.error(location, "the rule has no \"name\"")
            return nil
        }
        guard let name = problems.name(node, "the rule name") else { return nil }
        if let first = places.updateValue(node.location, forKey: name) {
            places[name] = first
            problems.error(node.location, "duplicate rule \"\(name)\"; first at \(first)")
            return nil
        }
        return name
    }

    /// The rule that is being read, as messages name it.
    private var what: String { problems.rule.map { "rule \"\($0)\"" } ?? "a rule" }

    private func action(_ fields: Fields) -> Action? {
        guard let node = fields["action"] else {
            problems.error(fields.location, "\(what) has no \"action\"")
            return nil
        }
        return problems.word(node, Action.self)
    }

    // MARK: What it matches

    private func readEnds(
        _ fields: Fields, into rule: inout Rule, _ asked: inout AskedRule, groups: inout GroupTable
    ) {
        if let node = fields["within"] {
            let within = groups.within(node).map { groups.asked($0) }
            asked.within = within.map(\.number)
            for key in ["from", "to"] {
                guard let place = fields.place(of: key) else { continue }
                problems.error(place, "a rule has either \"within\" or \"from\" and \"to\", not both")
            }
            rule.ends = within.flatMap { ends(from: $0, to: $0, at: node.location) }
            asked.isFaulty = within.contains(where: \.isFaulty)
        } else {
            let (source, destination) = (fields["from"], fields["to"])
            let from = source.flatMap { groups.asked($0) }
            let to = destination.flatMap { groups.asked($0) }
            asked.from = from?.number
            asked.to = to?.number
            rule.ends = ends(
                from: from ?? .any, to: to ?? .any, at: (source ?? destination)?.location ?? fields.location)
            asked.isFaulty = from?.isFaulty == true || to?.isFaulty == true
        }
        if let problem = rule.problemOfTerms {
            problems.error((fields["within"] ?? fields["from"] ?? fields["to"])?.location ?? fields.location, problem)
        }
    }

    /// All combinations of the terms of both ends.
    private func ends(from: AskedSet, to: AskedSet, at location: SourceLocation) -> [Rule.Ends] {
        if from.isTooLarge || to.isTooLarge {
            problems.error(location, "the rule needs too many combinations of dynamic groups; \(Rule.termsAdvice)")
            return []
        }
        var result: [Rule.Ends] = []
        result.reserveCapacity(from.terms.count * to.terms.count)
        for source in from.terms {
            for destination in to.terms {
                result.append(
                    Rule.Ends(
                        from: source.set, to: destination.set, source: source.membership,
                        destination: destination.membership))
            }
        }
        return result
    }

    private mutating func readService(_ fields: Fields, into rule: inout Rule, _ asked: inout AskedRule) {
        guard let node = fields["service"] else { return }
        let known = services(node)
        rule.services = known.services
        asked.services = known.number
        guard known.namesFrames else { return }
        let hasEnds = rule.ends.contains { $0.from != nil || $0.to != nil || !$0.asksNothing } || asked.within != nil
        if hasEnds {
            problems.error(
                node.location,
                "a non-IP frame has no addresses: a rule with \"ethertype\" cannot have \"from\", \"to\" or \"within\"")
        }
    }

    private mutating func services(_ node: Node) -> AskedServices {
        if case .scalar(let word, _) = node.content, let known = serviceWords[word] { return known }
        let services = services.services(ServiceParser(problems: problems).parse(node))
        let number = serviceNumbers[services] ?? serviceNumbers.count
        serviceNumbers[services] = number
        let result = AskedServices(services: services, number: number)
        // Faulty words are not kept, so that the error is reported at every place.
        if case .scalar(let word, _) = node.content, !services.isEmpty { serviceWords[word] = result }
        return result
    }

    private func readPlace(_ fields: Fields, into rule: inout Rule, _ asked: inout AskedRule) {
        switch fields["direction"].flatMap({ problems.word($0, WrittenDirection.self) }) {
        case .in?: rule.directions = [.in]
        case .out?: rule.directions = [.out]
        case .both?, nil: break
        }
        if let node = fields["vlan"] {
            if node.items.isEmpty { problems.error(node.location, "expected a VLAN tag, found an empty list") }
            rule.vlans = problems.tags(node.items)
        }
        readVia(fields, into: &rule, &asked)
        guard let node = fields["at"] else { return }
        if node.items.isEmpty { problems.error(node.location, "expected a port, found an empty list") }
        let ports = ports.ports(node.items)
        rule.entries = ports.entries
        asked.at = ports
    }

    /// `host` is no port: it stands for what the host sends itself.
    private func readVia(_ fields: Fields, into rule: inout Rule, _ asked: inout AskedRule) {
        guard let node = fields["via"] else { return }
        if node.items.isEmpty { problems.error(node.location, "expected a port or host, found an empty list") }
        let named = node.items.filter { if case .scalar("host", _) = $0.content { false } else { true } }
        let ports = ports.ports(named)
        rule.via = Rule.Via(entries: ports.entries, host: named.count < node.items.count)
        asked.via = ports
    }

    // MARK: What it does

    private func readEffect(_ fields: Fields, into rule: inout Rule) {
        if let node = fields["stateless"], let isStateless = problems.isTrue(node) {
            rule.isStateless = isStateless
            if isStateless, rule.action != .accept {
                problems.error(node.location, "only a rule that accepts can be \"stateless\"")
            }
        }
        if let node = fields["log"], let log = problems.isTrue(node) {
            rule.log = log
            if !rule.action.isVerdict {
                problems.error(
                    node.location,
                    "\"log\" says whether a verdict is streamed; a rule with \"action: \(rule.action)\" has none")
            }
        }
        if let node = fields["limit"] { rule.limit = LimitSyntax.parse(node, problems) }
        readConnections(fields, into: &rule)
        if let node = fields["tag"] { rule.tag = problems.name(node, "the tag") }
        readTimes(fields, into: &rule)
    }

    /// Only what opens flows can count them.
    private func readConnections(_ fields: Fields, into rule: inout Rule) {
        guard let node = fields["connections"] else { return }
        rule.connections = ConnectionsSyntax.parse(node, problems)
        if rule.action != .accept || rule.isStateless {
            problems.error(
                node.location,
                "only a rule with \"action: accept\" that is not \"stateless\" opens connections that "
                    + "\"connections\" could count; to drop what is too much, let a rule that drops follow it")
        } else if rule.services?.contains(where: { if case .ethertype = $0 { true } else { false } }) == true {
            problems.error(
                node.location,
                "a non-IP frame opens no connection: a rule with \"ethertype\" cannot have \"connections\"")
        }
    }

    private func readTimes(_ fields: Fields, into rule: inout Rule) {
        rule.times = fields["times"].flatMap(TimesParser(problems: problems).parse)
        rule.starts = fields["starts"].flatMap(time)
        guard let node = fields["expires"] else { return }
        rule.expires = time(node)
        guard let expires = rule.expires else { return }
        if let starts = rule.starts, expires <= starts {
            problems.error(node.location, "the rule expires before it starts, so it would never match")
        } else if let now, expires <= now {
            problems.warning(node.location, "the rule has expired and matches nothing")
        }
    }

    private func time(_ node: Node) -> Timestamp? {
        guard let text = problems.text(node, "a time") else { return nil }
        let time = Timestamp(text)
        if time == nil {
            problems.error(node.location, "\"\(text)\" is not an RFC 3339 time such as 2030-01-31T18:00:00Z")
        }
        return time
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

    /// Any text, even an empty one.
    private func note(_ node: Node, _ what: String) -> String? {
        if case .scalar(let text, _) = node.content { return text }
        problems.expected(what, at: node)
        return nil
    }
}
