// SPDX-License-Identifier: Apache-2.0

/// How many of the flows that a rule opened may be open: while there are as many, it matches no further.
public struct RuleConnections: Sendable, Hashable {
    public var maximum: Int
    /// Whose flows are counted together.
    public var per: RuleLimit.Subject
    /// The bits of an address that tell one subject from another.
    public var v4Prefix = RuleLimit.standardV4Prefix
    public var v6Prefix = RuleLimit.standardV6Prefix

    public init(maximum: Int, per: RuleLimit.Subject = .rule) {
        self.maximum = maximum
        self.per = per
    }
}

extension RuleConnections: CustomStringConvertible {
    public var description: String {
        let isStandard = v4Prefix == RuleLimit.standardV4Prefix && v6Prefix == RuleLimit.standardV6Prefix
        return "connections \(maximum) per \(per.rawValue)" + (isStandard ? "" : " /\(v4Prefix) /\(v6Prefix)")
    }
}
