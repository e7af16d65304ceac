import Policy

/// What people wrote at rules: `comment` and `meta`.
struct RuleNotes: Sendable {
    struct Note: Sendable {
        var comment: String?
        var meta: [(key: String, value: String)]

        /// `remove after the move (owner: ops, ticket: NET-17)`
        var words: String {
            let meta = self.meta.map { "\($0.key): \($0.value)" }.joined(separator: ", ")
            return [comment, meta.isEmpty ? nil : "(\(meta))"].compactMap(\.self).joined(separator: " ")
        }

        /// null where nothing is written.
        var metaJSON: JSON {
            var fields = JSON.Fields()
            for (key, value) in meta { fields.append(key, .string(value)) }
            return meta.isEmpty ? nil : .object(fields)
        }
    }

    static let none = RuleNotes(nil)

    private let byRule: [String: Note]

    init(_ ruleset: Ruleset?) {
        var notes: [String: Note] = [:]
        for rule in ruleset?.rules ?? [] where rule.comment != nil || !rule.meta.isEmpty {
            notes[rule.name] = Note(comment: rule.comment, meta: rule.meta)
        }
        byRule = notes
    }

    subscript(rule: String?) -> Note? { rule.flatMap { byRule[$0] } }

    /// The fields `comment` and `meta`, null where nothing is written.
    func json(_ rule: String?) -> (comment: JSON, meta: JSON) {
        guard let note = self[rule] else { return (nil, nil) }
        return (JSON(note.comment), note.metaJSON)
    }
}
