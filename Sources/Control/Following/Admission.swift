// SPDX-License-Identifier: Apache-2.0
import Datapath
import Policy

/// What admitting a device came to.
package struct Admission: Sendable {
    package let port: Port
    package let generation: UInt32
    /// What the apply said that took the device; empty if it was enforced already.
    package let warnings: [String]
}

extension Controller {
    /// Has the policy in force judge one device now, and opens the gate of its bridge for it; also where no agent runs.
    ///
    /// - Parameters:
    ///   - device: A device's name.
    ///   - time: How long to wait for a device that is not there yet, or that no entry means yet; nil: not at all.
    /// - Throws: ``Refusal`` if there is no such device, or no entry means it.
    package func admit(_ device: String, waiting time: Duration? = nil) throws -> Admission {
        let clock = ContinuousClock()
        let end = clock.now + (time ?? .zero)
        var warnings: [String] = []
        while true {
            let status = try instance.enforcement()
            if let port = status.judged(device) {
                return Admission(port: port.port, generation: status.generation, warnings: warnings)
            }
            if status.means(device) {
                warnings = try follow()?.report.warnings ?? []
                let status = try instance.enforcement()
                if let port = status.judged(device) {
                    return Admission(port: port.port, generation: status.generation, warnings: warnings)
                }
            }
            guard clock.now < end else { throw notAdmitted(device, status) }
            Pause.wait(.milliseconds(20), until: { false })
        }
    }

    private func notAdmitted(_ device: String, _ status: Enforcement) -> Refusal {
        if status.means(device) {
            return Refusal(
                "device '\(device)' cannot be enforced", advice: "'bulkhead status' and 'bulkhead check' say why")
        }
        let names = (try? PolicySource.devicesOfThisHost()) ?? []
        guard names.contains(where: { $0.isNamed { $0 == device } }) else {
            return Refusal("there is no device '\(device)'", advice: "with --wait it is waited for")
        }
        return Refusal(
            "no entry of the policy in force means device '\(device)'",
            advice: "name it in an entry, or put it into a bridge that an entry names; then admit it again")
    }
}

extension Enforcement {
    /// The port of a device of this name, if all its packets are judged.
    fileprivate func judged(_ device: String) -> Status.PortStatus? {
        ports.first { status in
            (status.port.interface == device || status.port.alternativeNames.contains(device))
                && (status.state == .enforcing || status.state == .quarantined) && status.change == nil
        }
    }

    /// Whether an entry means a device of this name that is not judged as it should be.
    fileprivate func means(_ device: String) -> Bool {
        ports.contains { status in
            status.uncovered?.contains(device) == true
                || status.change != nil && status.change != .gone
                    && (status.port.interface == device || status.port.alternativeNames.contains(device))
        }
    }
}
