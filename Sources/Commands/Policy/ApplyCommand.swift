// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Control
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
            is refused, unless `--force` is given.

            Example:
              bulkhead apply policy.yaml
              bulkhead apply --dry-run policy.yaml
              bulkhead apply -m "let the new office in"
            """)

    @Argument(help: "The policy file; /dev/stdin reads a pipe.", completion: .file(extensions: ["yaml", "yml"]))
    var policy = standardPolicyPath
    @Flag(help: "Check and compile the policy against this host, but do not load it.")
    var dryRun = false
    @Option(help: ArgumentHelp("Not supported yet.", valueName: "duration", visibility: .hidden))
    var trial: String?
    @OptionGroup var change: ChangeOptions
    @OptionGroup var instance: InstanceOptions
    @OptionGroup var output: OutputOptions

    func run() throws {
        if trial != nil {
            throw Refusal(
                "apply --trial is not supported yet",
                advice: "to be safe from locking yourself out, arm a way back first, such as: "
                    + "systemd-run --on-active=2m bulkhead detach --all")
        }
        let controller = try instance.controller
        let prepared = try controller.prepare(policy)
        guard dryRun else {
            try change.apply(prepared, controller, output)
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
