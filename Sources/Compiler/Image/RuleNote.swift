// SPDX-License-Identifier: Apache-2.0

/// A rule's `comment` and `meta`.
public struct RuleNote: Sendable, Hashable {
    public struct Entry: Sendable, Hashable {
        public var key: String
        public var value: String

        public init(key: String, value: String) {
            self.key = key
            self.value = value
        }
    }

    public var comment: String?
    /// In the policy's order.
    public var meta: [Entry]

    public init(comment: String? = nil, meta: [Entry] = []) {
        self.comment = comment
        self.meta = meta
    }
}
