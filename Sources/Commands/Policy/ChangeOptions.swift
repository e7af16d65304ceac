// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Control
import Rendering
import Requests

/// What every command takes that puts a policy in force.
struct ChangeOptions: ParsableArguments {
    @Option(
        name: .shortAndLong,
        help: ArgumentHelp("Why the policy is changed; `log` shows it.", valueName: "text"))
    var message: String?
    @Flag(help: "Apply a policy also if it cuts the session that this command is run over.")
    var force = false

    /// As the agent is told. It cannot look at the session of another user's process.
    var terms: Change.Terms {
        Change.Terms(message: message, isForced: force, session: Environment["SSH_CONNECTION"])
    }

    /// Puts a policy in force, and shows what was done.
    ///
    /// - Parameters:
    ///   - generation: The generation that the policy is taken from; nil: it was read from files.
    ///   - seconds: How long it is on trial; nil: it stays in force.
    /// - Returns: the generation whose trial has begun.
    @discardableResult
    func apply(
        _ prepared: PreparedPolicy, rollbackOf generation: UInt32? = nil, trial seconds: Int? = nil,
        _ controller: Controller, _ output: OutputOptions
    ) throws -> UInt32? {
        // A trial goes back by itself.
        try announce(prepared, controller, asksLockout: seconds == nil)
        let report = try controller.apply(prepared, because: message, rollbackOf: generation, trial: seconds)
        Notices.warn(report.warnings)
        // What is on trial is kept when it is confirmed.
        if report.trial == nil { Notices.warn([controller.keep(prepared)].compactMap(\.self)) }
        if !report.changed, message != nil {
            Notices.warn(["the message was not kept, because nothing was changed"])
        }
        try output.show(
            report.json(compiling: prepared.compileTime),
            or: report.words(compiling: prepared.compileTime, isRehearsal: false))
        return report.trial == nil ? nil : report.generation
    }

    /// Says what would be done, and changes nothing.
    func rehearse(_ prepared: PreparedPolicy, _ controller: Controller, _ output: OutputOptions) throws {
        try announce(prepared, controller, isRehearsal: true)
        let report = controller.rehearse(prepared)
        Notices.warn(report.warnings)
        try output.show(
            report.json(compiling: prepared.compileTime),
            or: report.words(compiling: prepared.compileTime, isRehearsal: true))
    }

    /// Shows what is to be said before a policy is put in force.
    ///
    /// - Parameters:
    ///   - asksLockout: Whether a policy that would cut the session is refused.
    ///   - isRehearsal: Whether it is only said that it would be refused.
    private func announce(
        _ prepared: PreparedPolicy, _ controller: Controller, asksLockout: Bool = true, isRehearsal: Bool = false
    ) throws {
        Notices.show(prepared.source.loaded.diagnostics + prepared.findings)
        Notices.warn(controller.quarantineWarnings(prepared.source))
        if asksLockout { try checkLockout(prepared, controller, isRehearsal: isRehearsal) }
    }

    /// Looks whether the policy would cut the session, unless that is to be overridden.
    ///
    /// - Parameter isRehearsal: Whether to say only that `apply` would refuse the policy.
    /// - Throws: ``Refusal`` if it would, and this is no rehearsal.
    private func checkLockout(_ policy: PreparedPolicy, _ controller: Controller, isRehearsal: Bool) throws {
        if force { return }
        switch controller.lockout(policy) {
        case .none: break
        case .cuts(let refusal) where isRehearsal: Notices.warn(["apply would be refused: \(refusal.cause)"])
        case .cuts(let refusal): throw refusal
        case .unknown(let warning): Notices.warn([warning])
        }
    }
}
