// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Control
import Rendering

struct ShowCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Print the text of the policy in force.",
        discussion: """
            The text comes from the kernel's own copy, not from the file that was applied. A policy of several files \
            is printed file by file, each under a comment with its name. Into a file or pipe the text is printed byte \
            for byte. On a terminal, control characters are escaped.

            Example:
              bulkhead show > policy.yaml
            """)

    @OptionGroup var instance: InstanceOptions
    @OptionGroup var output: OutputOptions
    @Option(help: ArgumentHelp("Fail unless this generation is in force; earlier ones are not kept.", valueName: "n"))
    var generation: UInt32?

    func run() throws {
        let policy = try instance.controller.policyInForce()
        if let generation, generation != policy.generation {
            throw Refusal(
                "generation \(generation) is not in force; earlier generations are not kept in this version",
                advice: "generation \(policy.generation) is in force: leave out --generation to see it")
        }
        try output.show(policy.json, or: policy.words(isTerminal: StandardOutput.isTerminal))
    }
}
