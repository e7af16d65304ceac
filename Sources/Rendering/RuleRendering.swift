// SPDX-License-Identifier: Apache-2.0
import Compiler
import Policy

extension RuleNote {
    /// `remove after the move (owner: ops, ticket: NET-17)`
    package var words: String {
        let meta = self.meta.map { "\($0.key): \($0.value)" }.joined(separator: ", ")
        return [comment, meta.isEmpty ? nil : "(\(meta))"].compactMap(\.self).joined(separator: " ")
    }

    /// null if nothing is written.
    package var metaJSON: JSON {
        var fields = JSON.Fields()
        for entry in meta { fields.append(entry.key, .string(entry.value)) }
        return meta.isEmpty ? nil : .object(fields)
    }
}

extension SourceLocation {
    /// `policy.yaml:28`
    package var fileAndLine: String { "\(file):\(line)" }
}
