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

    /// A trial that has begun.
    public struct TrialStart: Sendable, Hashable {
        /// The generation that is in force again after the trial; nil: none.
        public var base: UInt32?
        /// Nanoseconds since 1970, by the wall clock as it is now.
        public var until: UInt64
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
    /// nil: the policy stays in force.
    public var trial: TrialStart?
    /// What was not done as asked for, and why; for people.
    public var warnings: [String] = []
}
