// SPDX-License-Identifier: Apache-2.0

/// A value of a policy's text and where it stands. Scalars are text; what they mean, their key says.
struct Node: Sendable {
    enum Content: Sendable {
        /// `isPlain`: written without quotes.
        case scalar(String, isPlain: Bool)
        case sequence([Node])
        /// Keys are unique.
        case mapping([Entry])
    }

    struct Entry: Sendable {
        var key: String
        var keyLocation: SourceLocation
        var value: Node
    }

    var content: Content
    var location: SourceLocation

    /// Nothing was written, as in `key:` at the end of a line.
    var isNothing: Bool {
        if case .scalar("", isPlain: true) = content { return true }
        return false
    }

    /// What it is, for messages.
    var kind: String {
        switch content {
        case .scalar("", isPlain: true): "nothing"
        case .scalar(let text, _): "\"\(Problems.cut(text, to: 60))\""
        case .sequence: "a list"
        case .mapping: "a mapping"
        }
    }

    /// The elements of a list, or the value itself: for keys that take one or several.
    var items: [Node] {
        if case .sequence(let nodes) = content { return nodes }
        return [self]
    }

    /// The IPv6 address that was written without quotes where its last colon makes it a key: `[2001:db8::]`.
    var unquotedAddress: String? {
        guard case .mapping(let entries) = content, entries.count == 1, entries[0].value.isNothing,
            entries[0].key.contains(":")
        else { return nil }
        return entries[0].key + ":"
    }
}
