// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Control
import Policy
import Rendering

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

            With `--trial` the policy is in force for a while only: unless `confirm` keeps it, what was in force before \
            is in force again then. The kernel sees to that, whatever becomes of this command and of the session. On a \
            terminal the command stays and shows the time that is left. Enter keeps the policy; Ctrl-C goes back at \
            once. Otherwise it returns when the policy is in force.

            Example:
              bulkhead apply policy.yaml
              bulkhead apply --trial 2m policy.yaml
              bulkhead apply --dry-run policy.yaml
              bulkhead apply -m "let the new office in"
            """)

    @Argument(help: "The policy file; /dev/stdin reads a pipe.", completion: .file(extensions: ["yaml", "yml"]))
    var policy = standardPolicyPath
    @Flag(help: "Check and compile the policy against this host, but do not load it.")
    var dryRun = false
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
        guard let trial else { return }
        guard let seconds = WrittenDuration.seconds(trial), (1...Self.longestTrial).contains(seconds) else {
            throw ValidationError("--trial takes a time from 1s to 7d, such as 90s, 5m or 2h, not '\(trial)'")
        }
        if dryRun { throw ValidationError("--trial and --dry-run exclude each other: a dry run changes nothing") }
    }

    func run() throws {
        let controller = try instance.controller
        let prepared = try controller.prepare(policy)
        guard dryRun else {
            let begun = try change.apply(
                prepared, trial: trial.flatMap(WrittenDuration.seconds), controller, output)
            if let begun { try TrialWatch(controller, begun, output).run() }
            return
        }
        Notices.show(prepared.source.loaded.diagnostics + prepared.findings)
        Notices.warn(controller.quarantineWarnings(prepared.source))
        let report = controller.rehearse(prepared)
        Notices.warn(report.warnings)
        try change.checkLockout(prepared, controller, isRehearsal: true)
        try output.show(
            report.json(compiling: prepared.compileTime),
            or: report.words(compiling: prepared.compileTime, isRehearsal: true))
    }
}
