// SPDX-License-Identifier: Apache-2.0
import Compiler
import Policy
import Wire

/// How a port is enforced.
public enum EnforcementMode: String, Sendable, Hashable {
    case tc
    case xdpNative = "xdp-native"
    case xdpGeneric = "xdp-generic"
}

/// What an apply did, or would do.
public struct ApplyReport: Sendable {
    public struct Port: Sendable, Hashable {
        public var name: String
        public var interface: String
        public var namespace: String?
        /// nil: the device is missing, or, in a rehearsal, not enforced yet.
        public var mode: EnforcementMode?
        public var isMissing: Bool
    }

    /// The generation in force after it; 0 where there is none.
    public var generation: UInt32
    /// false: the same policy at the same ports was in force already, and nothing was touched.
    public var changed: Bool
    public var rules: Int
    public var ports: [Port]
    public var loadMilliseconds: Double = 0
    /// Kernel memory of all maps of the instance; of a rehearsal, of the image alone.
    public var memoryBytes: Int
    /// What was done otherwise than asked for, and why; for people.
    public var warnings: [String] = []
}

/// What the kernel enforces, as it says itself.
public struct Status: Sendable {
    public enum State: String, Sendable, Hashable {
        case enforcing
        case quarantined
        case missing
    }

    public struct Port: Sendable, Hashable {
        public var name: String
        /// The entry's name.
        public var entry: String
        public var interface: String
        public var namespace: String?
        /// nil where the device is missing.
        public var interfaceIndex: UInt32?
        public var protects: Protects
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
        /// What else the kernel calls the device.
        public var alternativeNames: [String] = []
    }

    public var instance: String
    public var generation: UInt32
    /// The policy's own file, as it was given.
    public var file: String
    /// Of the policy image.
    public var sha256: String
    /// Seconds since 1970.
    public var loadedAt: UInt64
    public var ports: [Port]
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

public struct Count: Sendable, Hashable {
    public var packets: UInt64
    public var bytes: UInt64

    public init(packets: UInt64 = 0, bytes: UInt64 = 0) {
        self.packets = packets
        self.bytes = bytes
    }

    static func + (left: Count, right: Count) -> Count {
        Count(packets: left.packets &+ right.packets, bytes: left.bytes &+ right.bytes)
    }
}

/// The kernel's counters, summed over CPUs.
public struct Counters: Sendable {
    /// One port in one direction.
    public struct Port: Sendable, Hashable {
        public var name: String
        public var interface: String
        public var namespace: String?
        public var direction: Direction
        public var accepted: Count
        /// Rejects are drops.
        public var dropped: Count
        /// Dropped packets by reason, those that are zero left out, in the contract's order.
        public var drops: [ReasonCount]
        /// Accepted packets by reason, likewise.
        public var accepts: [ReasonCount]
        /// Of the dropped, rejected packets that got no answer.
        public var unanswered: UInt64 = 0
    }

    public struct ReasonCount: Sendable, Hashable {
        public var reason: Reason
        public var packets: UInt64
    }

    public struct Rule: Sendable, Hashable {
        public var name: String
        public var count: Count
    }

    /// What became of the events; drops and accepts apart.
    public struct Events: Sendable, Hashable {
        public var emitted: UInt64
        public var suppressed: UInt64
        public var lost: UInt64
        public var acceptsEmitted: UInt64
        public var acceptsSuppressed: UInt64
        public var acceptsLost: UInt64
        /// Packets that found no image or no port record, and passed.
        public var unjudged: UInt64
    }

    public var generation: UInt32
    public var ports: [Port]
    /// Of all ports that were in force and are not any more.
    public var removed: (accepted: Count, dropped: Count)
    /// In the policy's order.
    public var rules: [Rule]
    public var events: Events
    public var flows: FlowTotals
}

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
