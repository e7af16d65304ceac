// SPDX-License-Identifier: Apache-2.0

/// A value in a policy's text, with its location. Scalars are plain text: the key that holds a scalar says how to read
/// it.
package struct Node: Sendable {
    package enum Content: Sendable {
        /// `isPlain`: written without quotes.
        case scalar(String, isPlain: Bool)
        case sequence([Node])
        /// The keys are unique; duplicates are reported when the text is read.
        case mapping([Entry])
    }

    package struct Entry: Sendable {
        package var key: String
        package var keyLocation: SourceLocation
        package var value: Node
    }

    package var content: Content
    package var location: SourceLocation

    /// True for an empty value, as in `key:` at the end of a line.
    package var isNothing: Bool {
        if case .scalar("", isPlain: true) = content { return true }
        return false
    }

    /// A description of the value for messages.
    package var kind: String {
        switch content {
        case .scalar("", isPlain: true): "nothing"
        case .scalar(let text, _): "\"\(Problems.cut(text, to: 60))\""
        case .sequence: "a list"
        case .mapping: "a mapping"
        }
    }

    /// The elements of a list, or the value itself. For keys that take one value or several.
    package var items: [Node] {
        if case .sequence(let nodes) = content { return nodes }
        return [self]
    }

    /// The IPv6 address that YAML read as a key, because it is unquoted and ends in a colon: `[2001:db8::]`.
    var unquotedAddress: String? {
        guard case .mapping(let entries) = content, entries.count == 1, entries[0].value.isNothing,
            entries[0].key.contains(":")
        else { return nil }
        return entries[0].key + ":"
    }
}
