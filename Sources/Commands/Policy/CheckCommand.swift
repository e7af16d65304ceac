// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Control
import Rendering

struct CheckCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Parse, resolve and compile a policy, prove its assertions, and report every problem.",
        discussion: """
            Reports every problem at once, with file, line and column. Needs no privilege and changes nothing. Devices \
            that this host does not have are warnings. Where the policy does not say which side a port protects, \
            `check` says what the device implies.

            Assertions are proved over every possible packet; one that fails is an error with a packet that shows it. \
            Rules that can never match are warnings. What is only worth a look, such as a rule that changes no \
            verdict, is a note, and notes never fail. With --live, which needs the right to read counters, a rule that \
            has matched no packet while it has been in force gets a note that says since when.

            Example:
              bulkhead check policy.yaml
              bulkhead check --strict --json policy.yaml
              bulkhead check --live
            """)

    @Argument(help: "The policy file; - is standard input.", completion: .file(extensions: ["yaml", "yml"]))
    var policy = standardPolicyPath
    @Flag(help: "Fail on warnings too.")
    var strict = false
    @Flag(help: "Name the rules in force that have matched no packet.")
    var live = false
    @OptionGroup var instance: InstanceOptions
    @OptionGroup var output: OutputOptions

    func run() throws {
        let report = try instance.controller.check(policy, isLive: live)
        let isValid = report.isValid(isStrict: strict)
        if output.isJSON {
            try StandardOutput.line(report.json(isStrict: strict))
        } else {
            Notices.show(report.diagnostics, withNotes: true)
            if isValid {
                try StandardOutput.write(report.words(policy))
            } else {
                StandardError.line(report.refusal(policy))
            }
        }
        if !isValid { throw ExitCode.failure }
    }
}
