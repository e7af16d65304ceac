// SPDX-License-Identifier: Apache-2.0
import Compiler
import Policy

extension RuleNote {
    /// `[moved] remove after the move (owner: ops, ticket: NET-17)`: the tag, the comment, the rest.
    package var words: String {
        let meta = self.meta.map { "\($0.key): \($0.value)" }.joined(separator: ", ")
        return [tag.map { "[\($0)]" }, comment, meta.isEmpty ? nil : "(\(meta))"].compactMap(\.self)
            .joined(separator: " ")
    }

    /// null if nothing is written.
    package var metaJSON: JSON {
        var fields = JSON.Fields()
        for entry in meta { fields.append(entry.key, .string(entry.value)) }
        return meta.isEmpty ? nil : .object(fields)
    }
}

extension ImageView.RuleRecord {
    /// `db-from-web`, or `db-from-web of layer tenant` where the policy names layers.
    package var nameAndLayer: String { layer.map { "\(name) of layer \($0)" } ?? name }
}

extension SourceLocation {
    /// `policy.yaml:28`
    package var fileAndLine: String { "\(file):\(line)" }
}
