// SPDX-License-Identifier: Apache-2.0
import Host

/// What the instance remembers of a generation besides its image: who put it in force, when, why, and from which files.
public struct GenerationRecord: Sendable, Hashable, Codable {
    public var generation: UInt32
    /// Nanoseconds since 1970, when it was put in force.
    public var time: UInt64
    public var rules: Int
    /// Of the policy's text, see ``PolicyText/sha256``.
    public var sha256: String
    /// The policy's own file.
    public var file: String
    public var note: ApplyNote
    /// The files that the policy was read from, its own first; empty: they were too large.
    public var files: [File]

    /// A file, and where its bytes are kept.
    public struct File: Sendable, Hashable, Codable {
        /// As the policy calls it.
        public var path: String
        /// Whether it is a list of addresses, and not a part of the policy's text.
        public var isList: Bool
        public var size: Int
        /// The name of the text that has its bytes: the SHA-256 of that text.
        public var text: String
        /// Where in the text its bytes start.
        public var offset: Int
    }

    /// The texts that its files are in, each with its size.
    var texts: [String: Int] {
        Dictionary(files.map { ($0.text, $0.offset + $0.size) }, uniquingKeysWith: max)
    }
}

/// What whoever puts a policy in force wants to be remembered.
public struct ApplyNote: Sendable, Hashable, Codable {
    public var person: Operator
    /// Where relative paths start.
    public var directory: String?
    /// Why, in the person's words.
    public var message: String?
    /// The generation whose texts these are; nil: they were read from files.
    public var rollbackOf: UInt32?

    public init(
        person: Operator, directory: String? = nil, message: String? = nil, rollbackOf: UInt32? = nil
    ) {
        self.person = person
        self.directory = directory
        self.message = message
        self.rollbackOf = rollbackOf
    }
}
