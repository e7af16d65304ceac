// SPDX-License-Identifier: Apache-2.0
import Datapath
import Policy

extension Controller {
    /// The guests that are not admitted at ports, and why. The kernel knows that they are not. Why, the policy in force
    /// knows when it is read again with the inventory of this moment.
    func refusedGuests(_ ports: [Status.PortStatus]) -> [Status.RefusedGuest] {
        // Where none is, which is nearly always, nothing is read.
        let refused = ports.filter { $0.isNotAdmitted && $0.uncovered == nil && $0.interfaceIndex != nil }
        guard !refused.isEmpty else { return [] }
        let known = knownRefusals()
        return refused.map { status in
            let guest = known["\(status.port.entry)/\(status.port.interface)"]
            return Status.RefusedGuest(
                port: status.port, workload: guest?.workload,
                why: guest?.refusal ?? "the inventory has changed since the apply: apply again")
        }
    }

    /// By entry and device.
    private func knownRefusals() -> [String: WorkloadPort] {
        guard let policy = try? instance.policyInForce(),
            let ruleset = try? PolicySource(inForce: policy, of: instance).loaded.ruleset
        else { return [:] }
        let all = ruleset.entries.filter { $0.part == nil }.flatMap { entry in
            entry.guests.filter { $0.refusal != nil }.map { ("\(entry.name)/\($0.device)", $0) }
        }
        return Dictionary(all) { first, _ in first }
    }
}
