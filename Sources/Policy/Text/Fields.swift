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
