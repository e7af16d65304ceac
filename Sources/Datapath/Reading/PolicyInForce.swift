// SPDX-License-Identifier: Apache-2.0
import Compiler
import Policy

/// The policy that the kernel holds, read from its map.
public struct PolicyInForce: Sendable {
    public var text: PolicyText
    /// Seconds since 1970.
    public var loadedAt: UInt64
    /// By rank.
    public var rules: [ImageView.RuleRecord]

    public var generation: UInt32 { text.generation }
    public var files: [SourceFile] { text.files }
    public var sha256: String { text.sha256 }
}
