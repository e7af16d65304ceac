// SPDX-License-Identifier: Apache-2.0
import CDatapathABI

/// A rule's `comment`, `tag` and `meta`.
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
    /// A word that the rule's events carry.
    public var tag: String?
    /// In the policy's order.
    public var meta: [Entry]

    public init(comment: String? = nil, tag: String? = nil, meta: [Entry] = []) {
        self.comment = comment
        self.tag = tag
        self.meta = meta
    }

    /// As a rule is written; nil if it has none of them.
    init?(written comment: String?, _ tag: String?, _ meta: [(key: String, value: String)]) {
        if comment == nil, tag == nil, meta.isEmpty { return nil }
        self.init(comment: comment, tag: tag, meta: meta.map { Entry(key: $0.key, value: $0.value) })
    }
}

extension [bh_note] {
    /// Adds a rule's comment, tag and `meta`. Returns the index of the first record; `BH_NONE` if there is none.
    mutating func append(_ note: RuleNote?, _ strings: inout StringTable) -> UInt32 {
        guard let note else { return BH_NONE }
        let first = UInt32(count)
        if let comment = note.comment { append(BH_NOTE_COMMENT, strings.offset(of: comment)) }
        if let tag = note.tag { append(BH_NOTE_TAG, strings.offset(of: tag)) }
        for entry in note.meta { append(strings.offset(of: entry.key), strings.offset(of: entry.value)) }
        if count == first { return BH_NONE }
        self[count - 1].is_last = 1
        return first
    }

    private mutating func append(_ key: UInt32, _ value: UInt32) {
        append(bh_note(key: key, value: value, is_last: 0, pad: 0))
    }
}
