// SPDX-License-Identifier: Apache-2.0
import Network

/// What a change did to a dynamic group.
public struct GroupChange: Sendable, Hashable {
    public var group: String
    /// Prefixes that became members, or ceased to be.
    public var changed: Int
    /// Prefixes to add that were members already, and got the new time; or prefixes to delete that were not members.
    public var others: Int
    /// Prefixes to delete that are still in the group, because a shorter prefix covers them.
    public var covered: [Prefix] = []
}

/// A dynamic group, with its members now.
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
    /// The most members that it may have.
    public var maximum: Int
    /// Nanoseconds that a member stays if no time is given; nil: until it is deleted.
    public var timeout: UInt64?
    /// In no particular order.
    public var members: [Member]
}
