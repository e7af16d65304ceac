/// The keys of one mapping, checked against those that it may have.
struct Fields {
    let location: SourceLocation
    private let entries: [Node.Entry]

    /// Reports keys that `what` does not have. nil: the node is no mapping, which is reported too.
    init?(_ node: Node, _ what: String, keys: [String], _ problems: Problems) {
        guard case .mapping(let entries) = node.content else {
            problems.error(node.location, "\(what) must be a mapping, found \(node.kind)")
            return nil
        }
        self.init(entries, at: node.location, what, keys: keys, problems)
    }

    init(
        _ entries: [Node.Entry], at location: SourceLocation, _ what: String, keys: [String],
        _ problems: Problems
    ) {
        self.entries = entries
        self.location = location
        for entry in entries where !keys.contains(entry.key) {
            let suggestion = problems.suggestion(for: entry.key, among: keys)
            let expected = suggestion.isEmpty ? "; expected one of \(keys.joined(separator: ", "))" : suggestion
            problems.error(entry.keyLocation, "unknown key \"\(entry.key)\" in \(what)\(expected)")
        }
    }

    subscript(key: String) -> Node? { entries.first { $0.key == key }?.value }

    /// Where the key itself stands.
    func place(of key: String) -> SourceLocation? { entries.first { $0.key == key }?.keyLocation }
}
