// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Control
import Rendering

struct CheckCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Parse, resolve and compile a policy; report every problem.",
        discussion: """
            Needs no privilege and changes nothing. Says which side each port protects where the policy leaves it to \
            the device. \
            `accept` admits replies and related ICMP errors too, unless a rule is `stateless`.

            Example:
              bulkhead check policy.yaml
              bulkhead check --strict --json policy.yaml
            """)

    @Argument(help: "The policy's file.", completion: .file(extensions: ["yaml", "yml"]))
    var policy = standardPolicyPath
    @Flag(help: "Warnings fail too.")
    var strict = false
    @OptionGroup var instance: InstanceOptions
    @OptionGroup var output: OutputOptions

    func run() throws {
        let report = try instance.controller.check(policy)
        let isValid = report.isValid(isStrict: strict)
        if output.isJSON {
            try StandardOutput.line(report.json(isStrict: strict))
        } else {
            Notices.show(report.diagnostics)
            if isValid { try StandardOutput.write(report.words(policy)) }
        }
        if !isValid { throw ExitCode.failure }
    }
}
