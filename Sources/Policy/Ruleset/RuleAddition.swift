// SPDX-License-Identifier: Apache-2.0

/// That a match puts an end of the packet into a dynamic group.
public struct RuleAddition: Sendable, Hashable {
    public enum End: String, Sendable, Hashable, CaseIterable {
        case source
        case destination
    }

    /// Index in ``Ruleset/dynamicGroups``.
    public var group: Int
    /// How long it stays; nil: the group's timeout, or until it is deleted if it has none.
    public var seconds: Int?
    public var end: End

    /// Different ones of one policy.
    public static let most = 255

    public init(group: Int, seconds: Int? = nil, end: End = .source) {
        self.group = group
        self.seconds = seconds
        self.end = end
    }
}
