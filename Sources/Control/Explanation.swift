// SPDX-License-Identifier: Apache-2.0
import Compiler
import Policy
import Simulation
import Wire

/// What became of a packet on its way.
package struct Explanation: Sendable {
    package struct Hop: Sendable {
        package var port: String
        package var direction: Direction
        package var verdict: Action
        package var reason: Reason?
        /// The rule that decided, where one did.
        package var rule: ImageView.RuleRecord?
        /// What decided, where that is written in the policy; column 0.
        package var source: SourceLocation?

        package init(port: String, _ direction: Direction, _ outcome: Simulator.Outcome) {
            self.port = port
            self.direction = direction
            verdict = outcome.verdict
            reason = outcome.reason
            rule = outcome.decided
            source = outcome.source
        }
    }

    package var hops: [Hop]
    /// That of the policy in force; nil where another was asked.
    package var generation: UInt32?

    /// That of the first port that does not let the packet pass, else `accept`.
    package var verdict: Action { hops.first { $0.verdict != .accept }?.verdict ?? .accept }
}
