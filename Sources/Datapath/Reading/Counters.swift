// SPDX-License-Identifier: Apache-2.0
import Policy
import Wire

/// The kernel's counters, summed over CPUs.
public struct Counters: Sendable {
    /// One port in one direction.
    public struct PortCount: Sendable, Hashable {
        public var port: Port
        public var direction: Direction
        public var accepted: Count
        /// Rejected packets included.
        public var dropped: Count
        /// Dropped packets by reason, in the contract's order; reasons without packets are left out.
        public var drops: [ReasonCount]
        /// Accepted packets by reason, in the same form.
        public var accepts: [ReasonCount]
        /// Rejected packets that got no answer.
        public var unanswered: UInt64 = 0
    }

    public struct ReasonCount: Sendable, Hashable {
        public var reason: Reason
        public var packets: UInt64
    }

    public struct RuleCount: Sendable, Hashable {
        public var name: String
        public var count: Count
        /// nil if the policy names no layers.
        public var layer: String?
    }

    /// What became of the events; drops and accepts are counted apart.
    public struct Events: Sendable, Hashable {
        /// Drops that reached at least one ring.
        public var emitted: UInt64
        /// Drops that no reader wanted, or that sampling held back.
        public var suppressed: UInt64
        /// Drops that a reader wanted, and that found no room.
        public var lost: UInt64
        public var acceptsEmitted: UInt64
        public var acceptsSuppressed: UInt64
        public var acceptsLost: UInt64
        /// Packets that found no image or no port record, and passed.
        public var unjudged: UInt64
    }

    /// When they were read, in nanoseconds since 1970.
    public var time: UInt64
    public var generation: UInt32
    public var ports: [PortCount]
    /// The totals of all ports that are no longer in force.
    public var removed: (accepted: Count, dropped: Count)
    /// In the policy's order.
    public var rules: [RuleCount]
    public var events: Events
    public var flows: FlowTotals
}
