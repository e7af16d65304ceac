// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Control
import Policy
import Rendering
import Requests

struct ApplyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "apply",
        abstract: "Load a policy into the kernel and put it in force.",
        discussion: """
            The change is one atomic step: each packet is judged by the whole old policy or by the whole new one. The \
            new policy is in force when the command returns, and no process has to stay. If anything fails, the old \
            policy stays in force. A rule that accepts a connection also admits its replies and related ICMP errors, \
            unless the rule is `stateless`.

            A policy that would cut the session that the command is run over (SSH, also through sudo, tmux and screen) \
            is refused, unless `--force` or `--trial` is given.

            With `--trial` the policy is in force for a while only: unless `confirm` keeps it, what was in force \
            before is in force again then. The kernel sees to that, whatever becomes of this command and of the \
            session. On a terminal the command stays and shows the time that is left. Enter keeps the policy; Ctrl-C \
            goes back at once. Otherwise it returns when the policy is in force.

            With `--boot`, as the unit `bulkhead.service` starts it, devices that are missing are no reason to refuse \
            a policy. If the policy is refused all the same, the policy in force stays. Where none is, the last one \
            that was in force is taken, else /etc/bulkhead/fallback.yaml, else every device is closed; the command \
            then exits with 1. `--in-force` applies the policy in force again, to devices that came since, and does \
            nothing if there are none.

            Example:
              bulkhead apply policy.yaml
              bulkhead apply --trial 2m policy.yaml
              bulkhead apply --dry-run policy.yaml
              bulkhead apply -m "let the new office in"
              bulkhead apply --in-force
            """)

    @Argument(help: "The policy file; - is standard input.", completion: .file(extensions: ["yaml", "yml"]))
    var policy = standardPolicyPath
    @Flag(help: "Check and compile the policy against this host, but do not load it.")
    var dryRun = false
    @Flag(help: "Put something in force in any case, as a host that starts needs it.")
    var boot = false
    @Flag(help: "Apply the policy in force again, to devices that came since.")
    var inForce = false
    @Option(
        help: ArgumentHelp(
            "Go back by itself after this time (90s, 5m, 2h, 1d), unless it is confirmed.", valueName: "duration"))
    var trial: String?
    @OptionGroup var change: ChangeOptions
    @OptionGroup var instance: InstanceOptions
    @OptionGroup var output: OutputOptions

    /// The longest trial, in seconds.
    private static let longestTrial = 7 * 86400

    func validate() throws {
        if [boot, inForce, dryRun].count(where: \.self) > 1 {
            throw ValidationError("--boot, --in-force and --dry-run exclude each other")
        }
        guard let trial else { return }
        guard let seconds = WrittenDuration.seconds(trial), (1...Self.longestTrial).contains(seconds) else {
            throw ValidationError("--trial takes a time from 1s to 7d, such as 90s, 5m or 2h, not '\(trial)'")
        }
        if dryRun { throw ValidationError("--trial and --dry-run exclude each other: a dry run changes nothing") }
        if boot || inForce { throw ValidationError("--trial is for a new policy: not for --boot, nor for --in-force") }
    }

    func run() throws {
        if !boot, !inForce, !dryRun, let socket = instance.socket {
            return try wait(try socket.make(try sent(), output))
        }
        if !dryRun { try instance.requireKernel(for: "apply --boot, apply --in-force") }
        let controller = try instance.controller
        if boot { return try applyAtBoot(controller) }
        if inForce { return try takeDevices(controller) }
        let prepared = try controller.prepare(policy)
        if dryRun { return try change.rehearse(prepared, controller, output) }
        var begun: UInt32?
        try instance.noting(trial == nil ? "apply" : "apply --trial", policy, change.terms) {
            begun = try change.apply(prepared, trial: trial.flatMap(WrittenDuration.seconds), controller, output)
        }
        try wait(begun)
    }

    /// - Parameter generation: The one whose trial has begun.
    private func wait(_ generation: UInt32?) throws {
        if let generation { try TrialWatch(instance, generation, output).run() }
    }

    /// What the agent is sent: it reads no files of ours.
    private func sent() throws -> Change {
        guard let files = try instance.controller.files(of: policy), !files.isEmpty else {
            throw Refusal("\(policy) and its files are too large to be sent to the agent", advice: "run it as root")
        }
        return .apply(SentPolicy(files), trial: trial.flatMap(WrittenDuration.seconds), change.terms)
    }

    private func applyAtBoot(_ controller: Controller) throws {
        var made: BootApply?
        do {
            try instance.noting("apply --boot", policy) { made = try controller.applyAtBoot(policy) }
        } catch let nothing as NothingAtBoot {
            tell(nothing.refused)
            StandardError.line("Error: no policy is in force, and this host is open")
            throw ExitCode.failure
        }
        guard let boot = made else { return }
        tell(boot.refused)
        try show(boot.applied)
        guard !boot.refused.isEmpty else { return }
        StandardError.line("warning: in force is \(boot.choice.name)")
        throw ExitCode.failure
    }

    private func tell(_ refused: [(choice: PolicyAtBoot, error: any Error)]) {
        for (choice, error) in refused {
            Notices.show((error as? Refusal)?.diagnostics ?? [])
            let reason = Words(failure: error) ?? "\("\(error)")"
            StandardError.line("Error: \(choice.name) is passed over: \(reason)")
        }
    }

    private func takeDevices(_ controller: Controller) throws {
        if let applied = try controller.takeDevices() {
            try show(applied)
        } else if !output.isJSON {
            try StandardOutput.line("no device has come that the policy in force means; nothing was changed" as Words)
        }
    }

    private func show(_ applied: AppliedPolicy) throws {
        Notices.show(applied.prepared.source.loaded.diagnostics + applied.prepared.findings)
        Notices.warn(applied.report.warnings)
        try output.show(
            applied.report.json(compiling: applied.prepared.compileTime),
            or: applied.report.words(compiling: applied.prepared.compileTime, isRehearsal: false))
    }
}
