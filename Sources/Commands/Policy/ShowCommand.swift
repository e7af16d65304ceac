// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Requests

struct ShowCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Print the text of the policy in force, or of an earlier one.",
        discussion: """
            The text comes from the kernel's own copy, not from the file that was applied. A policy of several files \
            is printed file by file, each under a comment with its name. Into a file or pipe the text is printed byte \
            for byte. On a terminal, control characters are escaped.

            Example:
              bulkhead show > policy.yaml
              bulkhead show --generation 7
            """)

    @OptionGroup var instance: InstanceOptions
    @OptionGroup var output: OutputOptions
    @Option(
        help: ArgumentHelp("An earlier generation, as `log` lists it.", valueName: "n"),
        completion: .names(.generations))
    var generation: UInt32?

    func run() throws {
        try instance.show(.policy(generation), output)
    }
}
