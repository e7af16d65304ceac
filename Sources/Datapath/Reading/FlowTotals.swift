// SPDX-License-Identifier: Apache-2.0

/// The totals of the flow table, summed over CPUs, since the instance was first applied.
public struct FlowTotals: Sendable, Hashable {
    /// Places taken now, including expired flows that were not reclaimed yet.
    public var used: UInt64 = 0
    public var capacity: UInt64 = 0
    public var opened: UInt64 = 0
    public var adopted: UInt64 = 0
    /// Reclaimed after their timeout.
    public var expired: UInt64 = 0
    /// Half-open flows that made room for others.
    public var evicted: UInt64 = 0
    /// New flows that found no room (reason `flow-table-full`).
    public var refused: UInt64 = 0
    /// Flows that a new policy ended.
    public var ended: UInt64 = 0

    public init(
        used: UInt64 = 0, capacity: UInt64 = 0, opened: UInt64 = 0, adopted: UInt64 = 0, expired: UInt64 = 0,
        evicted: UInt64 = 0, refused: UInt64 = 0, ended: UInt64 = 0
    ) {
        self.used = used
        self.capacity = capacity
        self.opened = opened
        self.adopted = adopted
        self.expired = expired
        self.evicted = evicted
        self.refused = refused
        self.ended = ended
    }
}
