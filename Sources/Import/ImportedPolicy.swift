// SPDX-License-Identifier: Apache-2.0

/// What a rule set became.
public struct ImportedPolicy: Sendable {
    /// Something about a line of the rule set that the policy does not say.
    public struct Note: Sendable, Hashable {
        public enum Kind: Sendable, Hashable {
            /// The policy accepts less than the rule set for it, or does not log or count what it did.
            case leftOut
            /// It is no part of a policy, and stays where it is.
            case stays
        }

        public var kind: Kind
        public var file: String
        /// From 1; 0: it is about the whole.
        public var line: Int
        public var words: String
    }

    /// The policy, as YAML.
    public var text: String
    /// In the order of the policy.
    public var notes: [Note]

    public var isComplete: Bool { !notes.contains { $0.kind == .leftOut } }
}

extension ImportedPolicy.Note: CustomStringConvertible {
    /// `file:line: words`
    public var description: String {
        let place = file.isEmpty ? "" : line == 0 ? "\(file): " : "\(file):\(line): "
        return place + (kind == .leftOut ? "left out: " : "stays where it is: ") + words
    }
}
