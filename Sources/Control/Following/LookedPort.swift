// SPDX-License-Identifier: Apache-2.0
import Datapath
import Policy

/// What a look at the host found of one port.
package struct LookedPort: Sendable, Hashable {
    package var port: Port
    package var state: Status.State
    /// Whether its packets are judged as the policy wants it; see ``Status/PortStatus/isAsIntended``.
    package var isAsIntended: Bool
    /// Of its entry, if that names a bridge: what holds new ports of it.
    package var gate: PortEntry.Gate?
    package var gateProblem: String?
    /// Devices that its entry means, and that pass unjudged.
    package var uncovered: Int
    /// Programs of others that see packets first.
    package var ahead: Int

    package init(
        port: Port, state: Status.State, isAsIntended: Bool = true, gate: PortEntry.Gate? = nil,
        gateProblem: String? = nil, uncovered: Int = 0, ahead: Int = 0
    ) {
        self.port = port
        self.state = state
        self.isAsIntended = isAsIntended
        self.gate = gate
        self.gateProblem = gateProblem
        self.uncovered = uncovered
        self.ahead = ahead
    }

    init(_ status: Status.PortStatus) {
        self.init(
            port: status.port, state: status.state, isAsIntended: status.isAsIntended, gate: status.gate,
            gateProblem: status.gateProblem, uncovered: status.uncovered?.count ?? 0, ahead: status.ahead.count)
    }

    /// Why the host is not filtered as the policy wants it; nil: at this port it is. A guest may be switched off.
    package var shortcoming: String? {
        if !isAsIntended || state == .missing && port.protects == .host { return "is \(state.rawValue)" }
        if gateProblem != nil { return "has a gate that is not as the policy wants it" }
        if uncovered > 0 { return "has devices that pass unjudged" }
        return nil
    }
}
