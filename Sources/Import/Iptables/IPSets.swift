// SPDX-License-Identifier: Apache-2.0
import Network

/// The sets that `ipset save` prints.
struct IPSets: Sendable {
    private struct Written {
        var type: String
        var family = AddressFamily.v4
        var entries: [(set: AddressSet, isMember: Bool, length: Int)] = []
        /// Members that go by themselves.
        var passing: [AddressSet] = []
        /// Of a list of sets: their names.
        var names: [String] = []
        var unsaid: String?
        /// Whether elements go by themselves that do not say otherwise.
        var hasTimes = false
        /// Whether a set that is full drops a member for one that a rule adds.
        var isForced = false
        /// Whether some of its elements are not addresses, so that anything may be in it.
        var isStrange = false

        /// Takes note of options by which other addresses are in it than its elements say.
        mutating func note(options: ArraySlice<String>) {
            var index = options.startIndex
            while index < options.endIndex {
                let option = options[index]
                if let following = IPSets.plainOptions[option] {
                    index += 1 + following
                } else if option == "timeout" {
                    unsaid = "a set whose members come and go"
                    hasTimes = index + 1 < options.endIndex && options[index + 1] != "0"
                    index += 2
                } else if option == "forceadd" {
                    isForced = true
                    index += 1
                } else {
                    // What follows is its value, or an option that will be met again as one.
                    if !isStrange { unsaid = "a set with \(option)" }
                    isStrange = true
                    index += 1
                }
            }
        }
    }

    /// Options of a set that do not change what is in it, and how many words follow each.
    private static let plainOptions = [
        "family": 1, "hashsize": 1, "maxelem": 1, "bucketsize": 1, "initval": 1, "size": 1, "range": 1, "counters": 0,
        "comment": 0, "skbinfo": 0,
    ]

    private var written: [String: Written] = [:]
    /// Sets that rules change, and whether they take members away.
    private var changed: [String: Bool] = [:]
    private var order: [String] = []
    private var resolved: [String: NamedSet] = [:]

    /// A set by its name; nil if no file has it, or it is of the other family.
    func named(_ name: String, _ family: AddressFamily) -> NamedSet? {
        guard let set = resolved[name] else { return nil }
        return NamedSet(
            name: name, members: set.members.common(.all(family)), possible: set.possible.common(.all(family)),
            unsaid: set.unsaid)
    }

    func all(_ family: AddressFamily) -> [NamedSet] { order.compactMap { named($0, family) } }

    mutating func read(_ file: String, _ lines: [Substring]) throws(ImportError) {
        for (index, line) in lines.enumerated() {
            var words = SaveWords(line)
            guard let first = words.take(), !first.text.hasPrefix("#") else { continue }
            switch first.text {
            case "create", "-N":
                guard let name = words.take()?.text, let type = words.take()?.text else {
                    throw ImportError(file, index + 1, "a set has a name and a type")
                }
                var set = Written(type: type)
                let rest = words.words.map(\.text)
                if let place = rest.firstIndex(of: "family"), place + 1 < rest.count, rest[place + 1] == "inet6" {
                    set.family = .v6
                }
                set.note(options: rest.drop { $0 != type }.dropFirst())
                if written.updateValue(set, forKey: name) == nil { order.append(name) }
            case "add", "-A":
                guard let name = words.take()?.text, written[name] != nil, let element = words.take()?.text else {
                    throw ImportError(file, index + 1, "an element of a set that was not created before")
                }
                add(element, words.words.map(\.text), to: name)
            default: throw ImportError(file, index + 1, "expected a line such as ipset save prints: create or add")
            }
        }
    }

    private mutating func add(_ element: String, _ options: [String], to name: String) {
        guard var set = written[name] else { return }
        // In place: a copy of the entries for each would take quadratic time.
        written[name] = nil
        defer { written[name] = set }
        let hasTime = options.firstIndex(of: "timeout").map { $0 + 1 < options.count && options[$0 + 1] != "0" }
        if set.type == "list:set" {
            set.names.append(element)
            if hasTime ?? set.hasTimes { set.unsaid = "members with a timeout" }
            return
        }
        guard ["hash:ip", "hash:net", "bitmap:ip"].contains(set.type) else {
            set.unsaid = "a set of type \(set.type)"
            set.isStrange = true
            return
        }
        guard let addresses = IPSets.addresses(element, set.family) else {
            set.unsaid = "\"\(element)\" is not an address"
            set.isStrange = true
            return
        }
        if hasTime ?? set.hasTimes {
            set.passing.append(addresses.set)
            set.unsaid = "members with a timeout"
        } else {
            set.entries.append((addresses.set, !options.contains("nomatch"), addresses.length))
        }
    }

    private static func addresses(_ text: String, _ family: AddressFamily) -> (set: AddressSet, length: Int)? {
        if let range = try? AddressRange(parsing: text.utf8.span), range.first.family == family {
            return (AddressSet(range.prefixes), family.bits)
        }
        let length = text.split(separator: "/").dropFirst().first.flatMap { Int($0) } ?? family.bits
        return SaveRule.addresses(text[...], family).map { ($0, length) }
    }

    /// Takes note of sets that rules change: they have other members at any time.
    mutating func change(_ names: [String], deletes: Bool) {
        for name in names { changed[name] = deletes || changed[name] ?? false }
    }

    /// Works the sets out, once all of them are read.
    mutating func resolve() {
        // What is added to a list goes to its sets.
        for (name, deletes) in changed {
            if let list = written[name], list.type == "list:set" { change(list.names, deletes: deletes) }
        }
        for name in order where written[name]?.type != "list:set" {
            guard var set = written[name] else { continue }
            if let deletes = changed[name] {
                set.unsaid = "a set that rules change"
                set.isStrange = true
                if deletes || set.isForced { set.entries = [] }
            }
            let members = IPSets.members(set)
            resolved[name] = NamedSet(
                name: name, members: members,
                possible: set.isStrange ? .all : AddressSet(unionOf: [members] + set.passing), unsaid: set.unsaid)
        }
        // A list names sets that are no lists.
        for name in order {
            guard let list = written[name], list.type == "list:set" else { continue }
            let parts = list.names.map { resolved[$0] }
            let known = parts.compactMap(\.self)
            let isKnown = known.count == parts.count && known.allSatisfy { $0.unsaid == nil }
            resolved[name] = NamedSet(
                name: name, members: list.unsaid == nil ? AddressSet(unionOf: known.map(\.members)) : .empty,
                possible: known.count == parts.count ? AddressSet(unionOf: known.map(\.possible)) : .all,
                unsaid: list.unsaid ?? (isKnown ? nil : "a list of sets that are not all known"))
        }
    }

    /// The longest prefix decides, be it a member or an exception.
    private static func members(_ set: Written) -> AddressSet {
        guard set.entries.contains(where: { !$0.isMember }) else { return AddressSet(unionOf: set.entries.map(\.set)) }
        var result = AddressSet.empty
        let lengths = Set(set.entries.map(\.length)).sorted()
        for length in lengths {
            let entries = set.entries.filter { $0.length == length }
            result = result.union(AddressSet(unionOf: entries.filter(\.isMember).map(\.set)))
            result = result.subtracting(AddressSet(unionOf: entries.filter { !$0.isMember }.map(\.set)))
        }
        return result
    }
}
