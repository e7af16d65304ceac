// SPDX-License-Identifier: Apache-2.0
import Network
import Policy

/// One end of a rule.
struct ProxmoxEnd: Sendable {
    /// nil: any address.
    var value: YAMLValue?
    /// What it matches at most.
    var set = AddressSet.all
    /// What of it cannot be said.
    var problem: String?
    /// Why pve-firewall does not apply the rule.
    var fault: String?
}

/// Addresses in a policy's words, by the aliases and sets of the files, and the groups that they need.
struct ProxmoxAddresses {
    /// Where names are looked up: in the file of a guest or a host, if it has any, and then in the cluster's.
    struct Scope {
        var file: ProxmoxFile?
        /// Stands before the names of the file's own groups.
        var prefix = ""
    }

    /// A set, whose members may not all be known.
    struct Resolved {
        var set: AddressSet
        var words: [YAMLField]
        /// It may have more members than these.
        var mayHaveMore = false
        /// Some of these may be no members.
        var mayHaveFewer = false
    }

    private let cluster: ProxmoxFile?
    private var names: [String: String] = [:]
    private var known: [String: Resolved] = [:]
    private var table = NameTable()
    private(set) var groups: [(name: String, value: YAMLValue)] = []
    /// What a reader should know of the sets.
    private(set) var notes: [ImportedPolicy.Note] = []

    init(cluster: ProxmoxFile?) {
        self.cluster = cluster
        for name in ["any", "host", "multicast", "broadcast"] { _ = table.unique(name) }
    }

    // MARK: Ends

    mutating func end(_ text: String?, _ scope: Scope, accepts: Bool) -> ProxmoxEnd {
        guard let text else { return ProxmoxEnd() }
        let isSet = text.first == "+"
        let (name, files) = places(isSet ? text.dropFirst() : text[...], scope)
        if isSet { return setEnd(name, text, files, scope, accepts: accepts) }
        guard ProxmoxName.isName(name) else { return literal(text, accepts: accepts) }
        for (file, key) in files {
            guard let prefix = file?.aliases[name.lowercased()] else { continue }
            let word = group(key + "alias " + name.lowercased(), name, isOwn: !key.isEmpty, scope) {
                .map(["addresses": .word("\(prefix)")])
            }
            return ProxmoxEnd(value: .word(word), set: AddressSet([prefix]))
        }
        return ProxmoxEnd(problem: "the alias \(text) is not known")
    }

    /// A name without what says where it is from, and the files that may have it.
    private func places(_ text: Substring, _ scope: Scope) -> (String, [(file: ProxmoxFile?, key: String)]) {
        let own = (file: scope.file, key: scope.prefix + "/")
        let common = (file: cluster, key: "")
        if text.hasPrefix("dc/") { return (String(text.dropFirst(3)), [common]) }
        if text.hasPrefix("guest/") { return (String(text.dropFirst(6)), [own]) }
        return (String(text), [own, common])
    }

    private mutating func setEnd(
        _ name: String, _ text: String, _ files: [(file: ProxmoxFile?, key: String)], _ scope: Scope, accepts: Bool
    ) -> ProxmoxEnd {
        for (file, key) in files {
            guard let set = file?.sets[name] else { continue }
            let found = resolved(set, key + name, scope)
            if accepts ? found.mayHaveFewer : found.mayHaveMore {
                return ProxmoxEnd(problem: "not all members of \(text) are known")
            }
            if found.set.isEmpty { return ProxmoxEnd(set: .empty) }
            let word = group(key + name, name, isOwn: !key.isEmpty, scope) { .map(found.words) }
            return ProxmoxEnd(value: .word(word), set: found.set)
        }
        return ProxmoxEnd(problem: "the set \(text) is not known")
    }

    /// An address, prefix or range, or a list of addresses and prefixes.
    private func literal(_ text: String, accepts: Bool) -> ProxmoxEnd {
        let parts = text.split(separator: ",", omittingEmptySubsequences: false)
        if parts.count == 1, let range = try? AddressRange(parsing: text.utf8.span) {
            return ProxmoxEnd(value: .word("\(range)"), set: AddressSet(range.prefixes))
        }
        var prefixes: [Prefix] = []
        for part in parts {
            guard let prefix = ProxmoxName.prefix(part) else {
                return ProxmoxEnd(problem: "\(part) is not an address that is known here")
            }
            if accepts, IPAddress(String(part.prefix { $0 != "/" })) != prefix.address {
                return ProxmoxEnd(fault: "\(part) has bits beyond its length")
            }
            if !prefixes.contains(prefix) { prefixes.append(prefix) }
        }
        guard Set(prefixes.map(\.family)).count == 1 else {
            return ProxmoxEnd(fault: "its addresses are of both families")
        }
        return ProxmoxEnd(value: .one(of: prefixes.map { "\($0)" }), set: AddressSet(prefixes))
    }

    /// The name of a group; it is written once it is used.
    private mutating func group(
        _ key: String, _ wish: String, isOwn: Bool, _ scope: Scope, _ value: () -> YAMLValue
    ) -> String {
        if let name = names[key] { return name }
        let name = table.unique(RuleNames.slug(isOwn ? "\(scope.prefix)-\(wish)" : wish) ?? "addresses")
        names[key] = name
        groups.append((name, value()))
        return name
    }

    /// A group of addresses that no file names.
    mutating func group(_ wish: String, _ addresses: [IPAddress]) -> String {
        group("\u{0}" + wish, wish, isOwn: false, Scope()) {
            .map(["addresses": .list(Set(addresses).sorted().map { .word("\($0)") })])
        }
    }

    // MARK: Sets

    private mutating func resolved(_ set: ProxmoxSet, _ key: String, _ scope: Scope) -> Resolved {
        if let found = known[key] { return found }
        let found = resolve(set, scope)
        known[key] = found
        return found
    }

    /// Of two entries that both hold an address, the longer prefix says whether it is a member.
    mutating func resolve(_ set: ProxmoxSet, _ scope: Scope) -> Resolved {
        var result = Resolved(set: .empty, words: [])
        var entries: [Prefix: Bool] = [:]
        for entry in set.entries {
            guard let prefix = prefix(entry.text, scope) else {
                leaveOut(entry, "it is not an address or an alias that is known")
                if entry.isExcepted { result.mayHaveFewer = true } else { result.mayHaveMore = true }
                continue
            }
            if prefix.length == 0 {
                leaveOut(entry, "pve-firewall takes no prefix without a length into a set")
            } else {
                entries[prefix] = entry.isExcepted
            }
        }
        for (_, alike) in Dictionary(grouping: entries, by: \.key.length).sorted(by: { $0.key < $1.key }) {
            result.set = result.set.union(AddressSet(alike.filter { !$0.value }.map(\.key)))
                .subtracting(AddressSet(alike.filter(\.value).map(\.key)))
        }
        let sorted = entries.sorted {
            ($0.key.family.rawValue, $0.key.first, $0.key.length)
                < ($1.key.family.rawValue, $1.key.first, $1.key.length)
        }
        let members = sorted.filter { !$0.value }.map(\.key)
        let excepted = sorted.filter(\.value).map(\.key)
        if result.set == AddressSet(members).subtracting(AddressSet(excepted)) {
            result.words = [YAMLField(key: "addresses", value: .list(members.map { .word("\($0)") }))]
            let inside = excepted.filter { AddressSet(members).intersects($0) }
            if !inside.isEmpty { result.words.append(.init(key: "except", value: .one(of: inside.map { "\($0)" }))) }
        } else {
            let words = AddressWords.terms(result.set).map(YAMLValue.word)
            result.words = [YAMLField(key: "addresses", value: .list(words))]
        }
        return result
    }

    private func prefix(_ text: String, _ scope: Scope) -> Prefix? {
        if let prefix = ProxmoxName.prefix(text[...]) { return prefix }
        let (name, files) = places(text[...], scope)
        return files.lazy.compactMap { $0.file?.aliases[name.lowercased()] }.first
    }

    private mutating func leaveOut(_ entry: ProxmoxSet.Entry, _ words: String) {
        let origin = entry.origin
        let note = ImportedPolicy.Note(
            kind: .leftOut, file: origin.file, line: origin.line, words: "\(origin.shown): \(words)")
        if !notes.contains(note) { notes.append(note) }
    }
}
