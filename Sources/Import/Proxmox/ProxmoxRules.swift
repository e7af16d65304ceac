// SPDX-License-Identifier: Apache-2.0
import Network
import Policy

/// The rules of the policy in the making, and what could not be said at its place among them.
struct ProxmoxRules {
    /// Where rules hold.
    struct Place {
        var scope = ProxmoxAddresses.Scope()
        /// Stands before the rules' names.
        var prefix: String
        var entries: [String]
        /// The entries by what `-i` calls them.
        var interfaces: [String: [String]] = [:]
        /// Whether it is the host, where `-i` may name any device.
        var isHost = false
    }

    /// More would be nobody's policy.
    static let most = 50_000

    private let groups: [String: [ProxmoxRule]]?
    private(set) var lines: [String] = []
    private(set) var notes: [ImportedPolicy.Note] = []
    private(set) var addresses: ProxmoxAddresses
    private var names = NameTable()
    private var count = 0

    init(cluster: ProxmoxFile?) {
        groups = cluster?.groups
        addresses = ProxmoxAddresses(cluster: cluster)
    }

    var isEmpty: Bool { count == 0 }

    // MARK: Lines

    mutating func head(_ words: String) { lines.append("  # " + OneLine.text(words)) }

    /// A rule that no line of the files says.
    mutating func line(_ fields: KeyValuePairs<String, YAMLValue?>) {
        lines.append("  - " + YAMLValue.map(fields).text(indent: 6, from: 4))
        count += 1
    }

    /// A name that no rule has.
    mutating func name(_ wish: String) -> YAMLValue { .word(names.unique(wish)) }

    mutating func group(_ wish: String, _ members: [IPAddress]) -> String { addresses.group(wish, members) }

    /// One end of a rule that no line of the files says, by the names of the cluster's file.
    mutating func end(_ text: String, accepts: Bool) -> ProxmoxEnd {
        addresses.end(text, ProxmoxAddresses.Scope(), accepts: accepts)
    }

    mutating func resolve(_ set: ProxmoxSet, _ scope: ProxmoxAddresses.Scope) -> AddressSet {
        addresses.resolve(set, scope).set
    }

    private mutating func note(_ origin: Origin, _ kind: ImportedPolicy.Note.Kind, _ words: String) {
        let note = ImportedPolicy.Note(
            kind: kind, file: OneLine.text(origin.file), line: origin.line,
            words: OneLine.text("\(origin.shown): \(words)", most: 800))
        lines.append("  # " + note.description)
        if !notes.contains(note) { notes.append(note) }
    }

    // MARK: Rules

    mutating func add(_ rules: [ProxmoxRule], at place: Place) throws(ImportError) {
        for rule in rules {
            guard let entries = entries(rule, place) else { continue }
            if rule.kind == .group {
                try addGroup(rule, place, entries)
            } else {
                try add(rule, place, entries, group: nil)
            }
        }
    }

    /// The entries that a rule holds at; nil if there are none.
    private mutating func entries(_ rule: ProxmoxRule, _ place: Place) -> [String]? {
        guard let interface = rule.interface else { return place.entries }
        if let entries = place.interfaces[interface] { return entries.isEmpty ? nil : entries }
        if place.isHost {
            if interface != "lo" { note(rule.origin, .leftOut, "\(interface) cannot be a port") }
            return nil
        }
        if rule.accepts || rule.kind == .group || interface.hasPrefix("net") {
            note(rule.origin, .leftOut, "the guest has no interface \(interface)")
            return nil
        }
        note(rule.origin, .leftOut, "the guest has no interface \(interface); it drops at all of them")
        return place.entries
    }

    private mutating func addGroup(
        _ rule: ProxmoxRule, _ place: Place, _ entries: [String]
    ) throws(ImportError) {
        let origin = rule.origin
        guard let groups else {
            throw ImportError(
                origin.file, origin.line, "the security group \(rule.action) is in cluster.fw; give that file too")
        }
        guard let members = groups[rule.action] else {
            note(origin, .leftOut, "there is no such security group")
            return
        }
        head(rule.origin.text)
        // A group looks names up in the cluster's file alone.
        var inner = place
        inner.scope = ProxmoxAddresses.Scope()
        for member in members where member.kind != .group && (place.isHost || member.kind != .forward) {
            var member = member
            member.isEnabled = member.isEnabled && rule.isEnabled
            member.unknown = member.unknown ?? rule.unknown
            if member.interface != nil { member.unknown = "-i in a security group" }
            try add(member, inner, entries, group: rule.action)
        }
    }

    private mutating func add(
        _ rule: ProxmoxRule, _ place: Place, _ entries: [String], group: String?
    ) throws(ImportError) {
        let origin = rule.origin
        if rule.kind == .forward {
            note(origin, .leftOut, "rules for what the host forwards")
            return
        }
        let service = ProxmoxService(rule)
        var from = addresses.end(rule.source, place.scope, accepts: rule.accepts)
        let to = addresses.end(rule.destination, place.scope, accepts: rule.accepts)
        if let fault = service.fault ?? from.fault ?? to.fault {
            note(origin, .leftOut, "pve-firewall does not apply it either: \(fault)")
            return
        }
        let problems = [rule.unknown, service.problem, from.problem, to.problem].compactMap(\.self)
        if !problems.isEmpty {
            let words = "cannot say: " + problems.joined(separator: "; ")
            let drops = !rule.accepts && rule.isEnabled
            note(origin, .leftOut, drops ? words + "; it drops more than it did" : words)
            if !drops { return }
        }
        let families = AddressFamily.allCases.filter { family in
            (service.family ?? family) == family && !from.set.ranges(family).isEmpty && !to.set.ranges(family).isEmpty
        }
        if families.isEmpty {
            head("\(rule.origin.text): no packet is meant by it")
            return
        }
        ProxmoxRules.narrow(&from, to, service)
        write(rule, place, entries, group, from, to, service)
        if count > ProxmoxRules.most {
            throw ImportError("the files make more than \(ProxmoxRules.most) rules; import fewer guests at once")
        }
    }

    /// A service of one family that ports alone do not tell needs addresses of that family.
    private static func narrow(_ from: inout ProxmoxEnd, _ to: ProxmoxEnd, _ service: ProxmoxService) {
        guard let family = service.family, service.words?.contains(where: { !$0.hasPrefix("icmp") }) == true else {
            return
        }
        let other: AddressFamily = family == .v4 ? .v6 : .v4
        if from.set.ranges(other).isEmpty || to.set.ranges(other).isEmpty { return }
        let own = from.set.intersection(AddressSet(from.set.ranges(family), of: family))
        from.value = .one(of: AddressWords.terms(own))
    }

    private mutating func write(
        _ rule: ProxmoxRule, _ place: Place, _ entries: [String], _ group: String?,
        _ from: ProxmoxEnd, _ to: ProxmoxEnd, _ service: ProxmoxService
    ) {
        let named = service.words.map(ServiceWords.named)
        var log: String?
        if let level = rule.log { log = level == "nolog" ? (rule.accepts ? nil : "false") : "true" }
        var parts = [place.prefix] + (group.map { [$0] } ?? [])
        if let comment = rule.comment.flatMap(RuleNames.slug) {
            parts.append(comment)
        } else {
            if !rule.accepts { parts.append(rule.action.lowercased()) }
            if rule.kind == .outgoing { parts.append("out") }
            parts.append(named?.name ?? "any")
        }
        let name = names.unique(RuleNames.slug(parts.joined(separator: "-")) ?? "rule")
        line([
            "name": .word(name), "from": from.value, "to": to.value, "service": named?.value,
            "at": .one(of: entries), "direction": .word(rule.kind == .outgoing ? "out" : "in"),
            "action": .word(rule.action.lowercased()), "log": log.map(YAMLValue.word),
            "enabled": rule.isEnabled ? nil : .word("false"), "comment": rule.comment.map(YAMLValue.text),
        ])
    }
}
