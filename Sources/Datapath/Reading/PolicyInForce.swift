// SPDX-License-Identifier: Apache-2.0
import Compiler
import Policy

/// The policy that the kernel holds, read from its own map.
public struct PolicyInForce: Sendable {
    public var generation: UInt32
    /// The policy's own file first.
    public var files: [SourceFile]
    /// Of the policy image, in hexadecimal.
    public var sha256: String
    /// Seconds since 1970.
    public var loadedAt: UInt64
    /// By rank.
    public var rules: [ImageView.RuleRecord]
}
