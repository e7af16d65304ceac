// SPDX-License-Identifier: Apache-2.0

/// Reads what names workloads: a name, a pattern, a UUID, a mapping of labels, or a list of these.
struct WorkloadParser {
    private static let what = "a workload's name, pattern or UUID, or { label: value }"

    let problems: Problems

    /// Each with its location.
    func selectors(_ node: Node) -> [(selector: WorkloadSelector, location: SourceLocation)] {
        if case .sequence(let items) = node.content, items.isEmpty {
            problems.error(node.location, "expected \(Self.what), found an empty list")
        }
        let result = node.items.compactMap { item in selector(item).map { (selector: $0, location: item.location) } }
        problems.reportRepeats(result.map(\.selector), result.map(\.location), "workload")
        return result
    }

    private func selector(_ node: Node) -> WorkloadSelector? {
        if case .mapping(let entries) = node.content { return labels(entries, at: node.location) }
        guard let text = problems.text(node, Self.what) else { return nil }
        guard Glob.isPattern(text) else { return .exact(text) }
        return isPattern(text, at: node.location) ? .pattern(text) : nil
    }

    private func labels(_ entries: [Node.Entry], at location: SourceLocation) -> WorkloadSelector? {
        var labels: [String: String] = [:]
        for entry in entries {
            guard let value = problems.text(entry.value, "the value of label \"\(entry.key)\""),
                isPattern(value, at: entry.value.location)
            else { return nil }
            labels[entry.key] = value
        }
        guard labels.isEmpty else { return .labels(labels) }
        problems.error(location, "expected \(Self.what), found an empty mapping")
        return nil
    }

    private func isPattern(_ text: String, at location: SourceLocation) -> Bool {
        if Glob(text) != nil { return true }
        problems.error(location, "\"\(text)\" is not a pattern: a bracket is not closed")
        return false
    }
}
