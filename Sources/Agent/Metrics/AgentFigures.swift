// SPDX-License-Identifier: Apache-2.0
import Control
import Synchronization

/// What the agent knows of the host, and what it did.
struct AgentFigures: Sendable {
    /// What the latest look found.
    enum Finding: Sendable {
        /// There was none yet.
        case unknown
        case noPolicy
        case ports([LookedPort])
    }

    var finding = Finding.unknown
    /// When the latest look that did not fail ended.
    var lookedAt: ContinuousClock.Instant?
    var looks: UInt64 = 0
    var failedLooks: UInt64 = 0
    /// How often the policy in force was bound again.
    var bindings: UInt64 = 0
    /// What somebody had taken off or flushed, and was put back.
    var repairedPrograms: UInt64 = 0
    var repairedGates: UInt64 = 0
    /// Ports that are left to the operator, now and ever.
    var fights = 0
    var fightsBegun: UInt64 = 0
    var reloads: UInt64 = 0
    var failedReloads: UInt64 = 0
    /// Nanoseconds since 1970; 0: never.
    var reloadedAt: UInt64 = 0
    var reloadFailedAt: UInt64 = 0
    /// Devices of guests that the agent's latest binding did not admit.
    var guestsNotAdmitted = 0
    /// How often the kernel had no room for events.
    var lostEvents: UInt64 = 0
}

/// Where the thread that follows the host leaves its figures for others. Neither waits for the other for longer than a
/// copy takes.
final class AgentBoard: Sendable {
    private let figures = Mutex(AgentFigures())

    func note(_ body: (inout AgentFigures) -> Void) { figures.withLock { body(&$0) } }

    var now: AgentFigures { figures.withLock { $0 } }
}
