// SPDX-License-Identifier: Apache-2.0
import Policy
import Wire

/// The policy that the kernel holds, read from its own map.
public struct PolicyInForce: Sendable {
    public struct Rule: Sendable, Hashable {
        public var name: String
        /// Column 1: the image keeps no columns.
        public var location: SourceLocation
        public var action: Action
        public var log: Bool
    }

    public var generation: UInt32
    /// The policy's own file first.
    public var files: [SourceFile]
    /// Of the policy image, in hexadecimal.
    public var sha256: String
    /// Seconds since 1970.
    public var loadedAt: UInt64
    /// By rank.
    public var rules: [Rule]
}
