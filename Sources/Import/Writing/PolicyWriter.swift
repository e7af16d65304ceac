// SPDX-License-Identifier: Apache-2.0
import Network
import Policy

/// Writes a plan as the text of a policy.
struct PolicyWriter {
    private let plan: PolicyPlan
    private let entries: EntryWords
    private var addresses: AddressWords
    private var names = NameTable()
    private var notes: [ImportedPolicy.Note]
    private var rules: [String] = []
    /// The layers that have ended: their names and rules.
    private var layers: [(name: String, rules: [String])] = []
    private var layerNames = NameTable()
    private var noted: Set<ImportedPolicy.Note> = []

    static func policy(_ plan: PolicyPlan) -> ImportedPolicy {
        var writer = PolicyWriter(plan)
        writer.nameSets()
        writer.writeRules()
        return ImportedPolicy(
            text: writer.text,
            notes: writer.notes.map { note in
                var note = note
                note.file = OneLine.text(note.file)
                note.words = OneLine.text(note.words, most: 800)
                return note
            })
    }

    private init(_ plan: PolicyPlan) {
        self.plan = plan
        // Rules in no layer make up the layer of that name.
        _ = layerNames.unique("rules")
        entries = EntryWords(plan)
        addresses = AddressWords(plan)
        notes = plan.notes
        for device in entries.bare {
            notes.append(
                .init(
                    kind: .leftOut, file: "", line: 0,
                    words: "\(device) carries no Ethernet, so it cannot be a port; what passes it is not judged"))
        }
        if !entries.hasOthers {
            notes.append(
                .init(
                    kind: .leftOut, file: "", line: 0,
                    words: "devices that no rule names; --ports MAP can say with \"*\" which they are"))
        }
    }

    // MARK: Groups

    /// Lists that come more than once, and long ones, are groups.
    private mutating func nameSets() {
        var counts: [AddressSet: Int] = [:]
        let rules = plan.items.compactMap { item in
            if case .rule(let rule) = item { rule } else { nil as PlannedRule? }
        }
        for rule in rules {
            for set in [rule.box.source, rule.box.destination] where set.v4.count + set.v6.count > 1 {
                counts[set, default: 0] += 1
            }
        }
        for rule in rules {
            for set in [rule.box.source, rule.box.destination] where !addresses.isNamed(set) {
                guard let count = counts[set], count > 1 || set.v4.count + set.v6.count > 8 else { continue }
                let chain = rule.path.last.map { String($0.split(separator: " ").last ?? "") }
                let isOwn = rule.path.count > 1
                addresses.name(set, rule.comment ?? (isOwn ? chain : nil) ?? "addresses")
            }
        }
    }

    // MARK: Rules

    private mutating func writeRules() {
        var path: [String] = []
        for item in plan.items {
            switch item {
            case .note(let note): add(note)
            case .layerEnd(let name):
                layers.append((layerNames.unique(RuleNames.slug(name) ?? "layer"), rules))
                rules = []
                path = []
            case .rule(let rule):
                if rule.path != path, rule.path.count > 1 {
                    let chains = rule.path.map { $0.split(separator: " ").last ?? "" }.joined(separator: " > ")
                    rules.append("  # \(OneLine.text(chains))")
                }
                path = rule.path
                write(rule)
            }
        }
    }

    private mutating func add(_ note: ImportedPolicy.Note) {
        // A rule that became several is named once.
        guard noted.insert(note).inserted else { return }
        notes.append(note)
        rules.append("  # \(OneLine.text(note.description, most: 800))")
    }

    private mutating func write(_ planned: PlannedRule) {
        var rule = planned
        let devices = rule.hook == .output ? rule.box.leaving : rule.box.arriving
        let at = entries.at(devices)
        // It is about devices that are no ports.
        if at?.isEmpty == true { return }
        let service = ServiceWords(rule.box, accepts: rule.action == .accept, families: plan.families)
        if !service.isExact, let origin = rule.origins.first {
            let words = rule.action == .accept ? "accepts less" : "drops more than it should"
            add(
                .init(
                    kind: .leftOut, file: origin.file, line: origin.line,
                    words: "\(origin.shown): \(words), because all protocols but some cannot be said"))
            // A limit counts all that comes to it, so it must be of the whole rule.
            if rule.limit != nil, rule.action == .accept { return }
            if rule.limit?.isOver == false, rule.isVerdict { rule.limit = nil }
        }
        let (source, destination) = addresses.asked(rule.box)
        // A limit counts the packets of its family alone, or those of the other would use it up.
        let from = addresses.end(
            source, rule.box.sourceEnds, isToLocal: false, namesFamily: rule.limit != nil && plan.families.count == 1)
        let to = addresses.end(destination, rule.box.destinationEnds, isToLocal: rule.isToLocal)
        let atValue = at.map { YAMLValue.one(of: $0) }
        let asked = FieldWords(rule.fields)
        let direction = YAMLValue.word(rule.hook == .output ? "out" : "in")
        for remark in rule.remarks { rules.append("  # \(OneLine.text(remark))") }
        if let stray = service.stray {
            let name = names.unique("invalid")
            line([
                "name": .word(name), "from": from, "to": to, "service": stray, "at": atValue,
                "direction": direction, "action": .word("drop"),
                "comment": .text("no connection asked for these; connection tracking calls them invalid"),
            ])
        }
        let name = name(rule, service, from, to)
        let isWhole = rule.comment.map { RuleNames.slug($0) == $0.lowercased().replacing(" ", with: "-") } ?? true
        line([
            "name": .word(name), "from": from, "to": to, "fromMac": asked.sourceMACs, "toMac": asked.destinationMACs,
            "service": service.value, "match": asked.value, "at": atValue, "direction": direction,
            "action": .word(PolicyWriter.word(rule.action)), "stateless": rule.isStateless ? .word("true") : nil,
            "limit": rule.limit.map(PolicyWriter.limit), "log": rule.isLogged ? .word("true") : nil,
            "tag": rule.tag.map(YAMLValue.word), "comment": isWhole ? nil : rule.comment.map { .text($0) },
        ])
    }

    private mutating func line(_ fields: KeyValuePairs<String, YAMLValue?>) {
        rules.append("  - " + YAMLValue.map(fields).text(indent: 6, from: 4))
    }

    private static func limit(_ limit: RuleLimit) -> YAMLValue {
        let unit = limit.unit == .bytes ? "B" : ""
        let lengths: [(String, Int, Int)] = [
            ("v4", limit.v4Prefix, RuleLimit.standardV4Prefix), ("v6", limit.v6Prefix, RuleLimit.standardV6Prefix),
        ]
        let prefix = lengths.filter { $0.1 != $0.2 }.map { YAMLField(key: $0.0, value: .word("\($0.1)")) }
        return .map([
            "rate": .word("\(limit.rate)\(unit)/\(limit.period.rawValue)"), "burst": .word("\(limit.burst)\(unit)"),
            "per": limit.per == .rule ? nil : .word(limit.per.rawValue), "prefix": prefix.isEmpty ? nil : .map(prefix),
            "over": limit.isOver ? .word("true") : nil,
        ])
    }

    private static func word(_ action: Step.Action) -> String {
        switch action {
        case .accept: "accept"
        case .reject: "reject"
        case .log: "log"
        case .pass: "pass"
        case .drop, .none, .layerEnd: "drop"
        }
    }

    private mutating func name(
        _ rule: PlannedRule, _ service: ServiceWords, _ from: YAMLValue?, _ to: YAMLValue?
    ) -> String {
        if let name = rule.fixedName { return names.unique(name) }
        if let slug = rule.comment.flatMap(RuleNames.slug) { return names.unique(slug) }
        func word(_ value: YAMLValue?) -> String? {
            guard case .word(let word)? = value, !["host", "local"].contains(word) else { return nil }
            return word
        }
        var parts: [String] = []
        if rule.action != .accept { parts.append(PolicyWriter.word(rule.action)) }
        if rule.hook == .output { parts.append("out") }
        if let service = service.name { parts.append(service) }
        if let from = word(from) { parts.append("from-\(from)") }
        if let to = word(to) { parts.append("to-\(to)") }
        return names.unique(RuleNames.slug(parts.joined(separator: "-")) ?? "rule")
    }

    // MARK: The whole

    private var text: String {
        var lines = [
            "# yaml-language-server: $schema=policy.schema.json",
            "# Made by bulkhead import --from \(plan.title). Replies to what a rule accepts pass by themselves.",
        ]
        lines += plan.remarks.map { "# \(OneLine.text($0))" }
        lines += notes.filter { $0.line == 0 || $0.kind == .stays }.map {
            "# \(OneLine.text($0.description, most: 800))"
        }
        lines += ["version: 1", "", "ports:"]
        lines += PolicyWriter.table(entries.value)
        if !addresses.used.isEmpty {
            lines += ["", "groups:"] + PolicyWriter.table(addresses.used)
        }
        lines += ["", "defaults: { in: \(plan.defaultIn), out: \(plan.defaultOut) }"]
        lines += layerLines
        if rules.contains(where: { $0.hasPrefix("  - ") }) { lines += ["", "rules:"] + rules } else { lines += rules }
        return lines.joined(separator: "\n") + "\n"
    }

    private var layerLines: [String] {
        if layers.isEmpty { return [] }
        return ["", "layers:"]
            + layers.flatMap { layer in
                let rules = layer.rules.map { "    " + $0.replacing("\n", with: "\n    ") }
                let hasRules = rules.contains { $0.hasPrefix("      - ") }
                return ["  - name: \(layer.name)"] + (hasRules ? ["    rules:"] : []) + rules
            }
    }

    private static func table(_ rows: [(name: String, value: YAMLValue)]) -> [String] {
        rows.map { "  \($0.name): " + $0.value.text(indent: 6, from: $0.name.utf8.count + 4) }
    }
}
