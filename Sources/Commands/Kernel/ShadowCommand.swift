// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Control
import Rendering

struct ShadowCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "shadow",
        abstract: "Stream what another policy would do otherwise with live traffic.",
        discussion: """
            Nothing changes for any packet: the policy in force judges, counts and streams as before. Each packet \
            that it has judged is then judged by POLICY too, as if that came into force at that moment. Packets that \
            would be accepted, dropped or rejected instead are shown, with the rule and the line of both policies. At \
            the end all of them are counted, by rule.

            The stream is a sample where many packets change at once; the counts at its end are not. It ends with \
            Ctrl-C, with --count, or with its process, and leaves nothing in the kernel. If another policy comes into \
            force, it ends too, with status 1. One shadow can run at a time. It needs CAP_SYS_ADMIN.

            `may` stands before a verdict that depends on a limit which only POLICY has, or has with other figures: \
            such a rule is taken to match. A later fragment follows its first, and is not compared.

            Example:
              bulkhead shadow new.yaml
              bulkhead shadow new.yaml --count 20 --json | jq -r 'select(.src) | .src'
            """)

    @Argument(
        help: ArgumentHelp("The policy file to compare with the policy in force.", valueName: "policy"),
        completion: .file(extensions: ["yaml", "yml"]))
    var policy: String
    @Option(help: ArgumentHelp("End after this many packets.", valueName: "n"))
    var count: Int?
    @OptionGroup var instance: InstanceOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        if let count, count < 1 { throw ValidationError("--count is a number from 1") }
    }

    func run() throws {
        Interruption.catchSignals()
        let stream = try instance.controller.shadow(policy)
        Notices.show(stream.diagnostics)
        Notices.warn(stream.warnings)
        StandardError.line("comparing with generation \(stream.generation)")
        let summary = try stream.read(until: Interruption.isRequested || StandardOutput.isClosed, atMost: count) {
            let words = ShadowWords($0)
            if output.isJSON {
                try StandardOutput.line(words.json)
            } else {
                try StandardOutput.line(words.line(Palette.standardOutput, now: WallClock.now))
            }
        }
        try output.show(summary.json, or: summary.words)
        if let refusal = summary.refusal { throw refusal }
    }
}
