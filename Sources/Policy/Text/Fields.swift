// SPDX-License-Identifier: Apache-2.0

/// The entries of one mapping, with unknown keys reported.
struct Fields {
    let location: SourceLocation
    private let entries: [Node.Entry]

    /// Reports a node that is not a mapping (the result is then nil) and every key that is not in `keys`. `what` names
    /// the mapping in messages.
    init?(_ node: Node, _ what: @autoclosure () -> String, keys: [String], _ problems: Problems) {
        guard case .mapping(let entries) = node.content else {
            problems.error(node.location, "\(what()) must be a mapping, found \(node.kind)")
            return nil
        }
        self.init(entries, at: node.location, what(), keys: keys, problems)
    }

    init(
        _ entries: [Node.Entry], at location: SourceLocation, _ what: @autoclosure () -> String,
        keys: [String], _ problems: Problems
    ) {
        self.entries = entries
        self.location = location
        for index in entries.indices where !keys.contains(entries[index].key) {
            let entry = entries[index]
            if let ports = SeveredPorts(entries, at: index) {
                ports.report(problems)
                continue
            }
            let suggestion = problems.suggestion(for: entry.key, among: keys)
            let expected = suggestion.isEmpty ? "; expected one of \(keys.joined(separator: ", "))" : suggestion
            problems.error(entry.keyLocation, "unknown key \"\(entry.key)\" in \(what())\(expected)")
        }
    }

    subscript(key: String) -> Node? { index(of: key).map { entries[$0].value } }

    /// The location of the key itself, not of its value.
    func place(of key: String) -> SourceLocation? { index(of: key).map { entries[$0].keyLocation } }

    /// Compares the keys in place: copying the entries would take longer than comparing them.
    private func index(of key: String) -> Int? { entries.indices.first { entries[$0].key == key } }
}

/// A service such as `tcp/80,443` in braces, where YAML ends a value at the comma and takes what follows for a key.
private struct SeveredPorts {
    /// The entry whose value was cut; nil: an entry before has reported it.
    private let head: Node.Entry?
    private let text: String

    /// nil where the key at `index` is none of the ports.
    init?(_ entries: [Node.Entry], at index: Int) {
        guard SeveredPorts.isPort(entries[index]) else { return nil }
        guard let start = entries[..<index].lastIndex(where: { !SeveredPorts.isPort($0) }),
            case .scalar(let service, _) = entries[start].value.content,
            ["tcp/", "udp/", "sctp/"].contains(where: service.hasPrefix)
        else { return nil }
        let ports = entries[(start + 1)...].prefix(while: SeveredPorts.isPort).map(\.key)
        head = index == start + 1 ? entries[start] : nil
        text = ([service] + ports).joined(separator: ",")
    }

    /// Whether an entry is a port or a range of ports, without a value.
    private static func isPort(_ entry: Node.Entry) -> Bool {
        let ends = entry.key.split(separator: "-", omittingEmptySubsequences: false)
        return entry.value.isNothing && ends.count <= 2 && ends.allSatisfy { Problems.decimal($0) != nil }
    }

    func report(_ problems: Problems) {
        guard let head else { return }
        problems.error(head.value.location, "YAML ends a value in braces at a comma; quote it: \"\(text)\"")
    }
}
