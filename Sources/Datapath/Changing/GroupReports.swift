// SPDX-License-Identifier: Apache-2.0
import Network

/// What a command made of a dynamic group.
public struct GroupChange: Sendable, Hashable {
    public var group: String
    /// Prefixes that became members, or ceased to be.
    public var changed: Int
    /// Prefixes that were members already and got another time; or that were none and were to be deleted.
    public var others: Int
    /// Of the deleted, or not found, those that are in the group all the same: a shorter prefix covers them.
    public var covered: [Prefix] = []
}

/// A dynamic group as it is.
public struct GroupMembers: Sendable, Hashable {
    public struct Member: Sendable, Hashable {
        public var prefix: Prefix
        /// Nanoseconds that it stays; nil: until it is deleted.
        public var left: UInt64?
        /// Whether the policy takes it out of the group all the same.
        public var exception: Exception?
    }

    /// How much of a member the group's `except` takes away.
    public enum Exception: String, Sendable, Hashable {
        case whole
        case part
    }

    public var name: String
    public var maximum: Int
    /// Nanoseconds that a member stays where no time is given; nil: for ever.
    public var timeout: UInt64?
    /// In no order.
    public var members: [Member]
}
