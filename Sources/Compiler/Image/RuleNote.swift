// SPDX-License-Identifier: Apache-2.0
import CDatapathABI

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

    /// As a rule is written; nil if it has neither.
    init?(written comment: String?, _ meta: [(key: String, value: String)]) {
        if comment == nil, meta.isEmpty { return nil }
        self.init(comment: comment, meta: meta.map { Entry(key: $0.key, value: $0.value) })
    }
}

extension [bh_note] {
    /// Adds a rule's comment and `meta`. Returns the index of the first record; `BH_NONE` if there is none.
    mutating func append(_ note: RuleNote?, _ strings: inout StringTable) -> UInt32 {
        guard let note, note.comment != nil || !note.meta.isEmpty else { return BH_NONE }
        let first = UInt32(count)
        if let comment = note.comment {
            append(bh_note(key: BH_NONE, value: strings.offset(of: comment), is_last: 0, pad: 0))
        }
        for entry in note.meta {
            append(
                bh_note(key: strings.offset(of: entry.key), value: strings.offset(of: entry.value), is_last: 0, pad: 0))
        }
        self[count - 1].is_last = 1
        return first
    }
}
