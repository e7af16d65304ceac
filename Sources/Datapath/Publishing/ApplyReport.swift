// SPDX-License-Identifier: Apache-2.0
import Policy

/// What an apply did, or would do.
public struct ApplyReport: Sendable {
    public struct PortReport: Sendable, Hashable {
        public var port: Port
        /// nil: the device is missing, or, in a rehearsal, not enforced yet.
        public var mode: EnforcementMode?
        public var isMissing: Bool
    }

    /// The generation in force after it; 0: none.
    public var generation: UInt32
    /// false: the same policy at the same ports was in force already, and nothing was touched.
    public var changed: Bool
    public var rules: Int
    public var ports: [PortReport]
    /// From the first check to the end, without compiling; 0 in a rehearsal.
    public var loadMilliseconds: Double = 0
    /// Kernel memory of all maps of the instance; in a rehearsal, of the image alone.
    public var memoryBytes: Int
    /// What was not done as asked for, and why; for people.
    public var warnings: [String] = []
}
