// SPDX-License-Identifier: Apache-2.0
import Datapath
import Policy

/// What an apply at the start of the host came to.
package struct BootApply: Sendable {
    /// The policy that is in force now.
    package let choice: PolicyAtBoot
    package let applied: AppliedPolicy
    /// What was tried before it, and why it was refused.
    package let refused: [(choice: PolicyAtBoot, error: any Error)]
}

/// No policy could be put in force when the host started, not even one that closes it.
package struct NothingAtBoot: Error, CustomStringConvertible {
    /// What was tried, and why it was refused.
    package let refused: [(choice: PolicyAtBoot, error: any Error)]

    package var description: String { "no policy could be put in force" }
}

/// A policy that was put in force.
package struct AppliedPolicy: Sendable {
    package let prepared: PreparedPolicy
    package let report: ApplyReport
}

extension Controller {
    /// Puts a policy in force when the host starts, before its network. Never leaves the host open: what cannot be put
    /// in force is passed over for the next of ``PolicyAtBoot/candidates(_:)``. Devices that are missing are no reason
    /// to refuse a policy; ``takeDevices()`` takes them when they are there.
    ///
    /// - Throws: ``NothingAtBoot`` if all were refused; what the first was refused for, if a policy is in force, which
    ///   then stays.
    package func applyAtBoot(_ path: String) throws -> BootApply {
        var refused: [(choice: PolicyAtBoot, error: any Error)] = []
        for choice in PolicyAtBoot.candidates(path) {
            do {
                guard let applied = try apply(choice) else { continue }
                if case .file = choice { keep(applied.prepared) }
                // A device that came meanwhile found no policy to ask for.
                _ = try? takeDevices()
                return BootApply(choice: choice, applied: applied, refused: refused)
            } catch {
                if (try? policyInForce()) != nil { throw error }
                refused.append((choice, error))
            }
        }
        throw NothingAtBoot(refused: refused)
    }

    private func apply(_ choice: PolicyAtBoot) throws -> AppliedPolicy? {
        try waiting {
            let generation = numberInForce()
            guard let prepared = try choice.prepare(instance, keptFile) else { return nil }
            let report = try prepared.apply(
                to: instance, .now(choice.message, rollbackOf: nil), onto: generation)
            return AppliedPolicy(prepared: prepared, report: report)
        }
    }

    /// Applies the policy in force again if devices pass unjudged that it means, because they came after the apply.
    /// While a policy is on trial, the devices alone are taken, for it and for its base.
    ///
    /// - Returns: nil: there are none, or not by the fault of an apply.
    package func takeDevices() throws -> AppliedPolicy? {
        try takeDevices { $0.file == ClosedPolicy.name || $0.hasComers }
    }

    /// Applies the policy in force again, as it was read, for the devices that there are now.
    ///
    /// - Parameter isNeeded: Whether there is something to do; asked again after each apply, because what came
    ///   meanwhile was not seen.
    /// - Returns: nil: there is nothing to do.
    func takeDevices(where isNeeded: (Enforcement) -> Bool) throws -> AppliedPolicy? {
        var last: AppliedPolicy?
        for _ in 0..<8 {
            guard let applied = try takeDevicesOnce(where: isNeeded) else { break }
            // What is told is what was done.
            if last == nil || applied.report.changed { last = applied }
            if !applied.report.changed { break }
        }
        return last
    }

    private func takeDevicesOnce(where isNeeded: (Enforcement) -> Bool) throws -> AppliedPolicy? {
        try waiting {
            let status = try instance.enforcement()
            guard isNeeded(status) else { return nil }
            let prepared = try preparedForComers(status)
            if let trial = status.trial {
                let report = try instance.takeDevices(
                    onTrial: status.generation, prepared.source.loaded.bindings, base: try bindings(ofBase: trial.base))
                return AppliedPolicy(prepared: prepared, report: report)
            }
            let report = try prepared.apply(
                to: instance, .now("for devices that came", rollbackOf: nil), onto: status.generation)
            return AppliedPolicy(prepared: prepared, report: report)
        }
    }

    /// The policy in force for the devices that there are now. Where this program compiled it, only its ports are bound
    /// anew: the rules of a large one would take seconds.
    private func preparedForComers(_ status: Enforcement) throws -> PreparedPolicy {
        if status.file == ClosedPolicy.name { return try PreparedPolicy(.closed()) }
        let source: PolicySource
        do throws(DatapathError) {
            let kept = try instance.keptPolicy(status.generation)
            if let again = PreparedPolicy.again(kept, for: instance) { return again }
            source = try PolicySource(kept: kept, of: instance, awaitsDevices: true)
        } catch {
            // Its texts may be gone because another generation has come into force.
            var error = error
            error.isBusy = numberInForce() != status.generation
            throw error
        }
        return try PreparedPolicy(source)
    }

    /// What the base of a trial asks for at the devices that there are now. Without its texts nobody knows: it takes
    /// the devices when the trial has ended.
    private func bindings(ofBase generation: UInt32?) throws -> [PortBinding] {
        guard let generation, let kept = try? instance.keptPolicy(generation) else { return [] }
        return try PolicySource(kept: kept, of: instance, awaitsDevices: true).loaded.bindings
    }

    /// 0: none is.
    private func numberInForce() -> UInt32 { (try? policyInForce())?.text.generation ?? 0 }

    /// Runs `body` again and again while others change the instance, for so long at most.
    func waiting<Result>(_ time: Duration = .seconds(60), _ body: () throws -> Result) throws -> Result {
        let clock = ContinuousClock()
        let end = clock.now + time
        while true {
            do {
                return try body()
            } catch let error as DatapathError where error.isBusy && clock.now < end {
                // Those that wait do not all come back at once.
                Pause.wait(.milliseconds(Int.random(in: 20...100)), until: { false })
            }
        }
    }
}

extension Enforcement {
    /// Whether a device passes unjudged that the policy means, and that nobody detached.
    fileprivate var hasComers: Bool {
        ports.contains { $0.state == .unfiltered || !($0.uncovered ?? []).isEmpty }
    }
}
