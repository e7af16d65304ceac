// SPDX-License-Identifier: Apache-2.0
import Compiler
import Policy

/// What the kernel enforces, as it says itself.
public struct Status: Sendable {
    public enum State: String, Sendable, Hashable {
        case enforcing
        case quarantined
        case missing
    }

    public struct PortStatus: Sendable, Hashable {
        /// A missing device's names are those of the apply.
        public var port: Port
        /// nil where the device is missing.
        public var interfaceIndex: UInt32?
        /// nil where the device is missing.
        public var mode: EnforcementMode?
        /// Of `xdp`, `tc-ingress`, `tc-egress`: where a program of this instance runs.
        public var hooks: [String]
        public var state: State
        /// Other programs that see packets before ours do.
        public var ahead: [String]
        /// What is not as it was applied: a hook that was taken off, a device that was replaced.
        public var problems: [String]
        /// The port's id in events and counters.
        public var device: UInt16
        /// Index of the port's record in the image.
        public var record: Int
        /// In force.
        public var guards: Set<Guard> = []
    }

    public var instance: String
    public var generation: UInt32
    /// The policy's own file, as it was given.
    public var file: String
    /// Of the policy image.
    public var sha256: String
    /// Seconds since 1970.
    public var loadedAt: UInt64
    public var ports: [PortStatus]
    public var memoryBytes: Int
    public var classifier: ClassifierFigures
    public var flows: FlowTotals
    /// Event streams that are being read.
    public var readers: Int
    /// Names in quarantine, those that mean no port now among them.
    public var quarantine: [String]
    /// Dynamic groups, in the policy's order.
    public var groups: [GroupMembers]
}
