// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Control
import Requests

struct ConfirmCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "confirm",
        abstract: "Keep the policy that is on trial.",
        discussion: """
            The policy that `apply --trial` put in force stays in force. It is too late once the trial has ended and a \
            packet was judged by what was in force before. With a generation nothing is kept but that one: a script \
            that names it cannot keep another's trial.

            Example:
              bulkhead confirm
              bulkhead confirm 8
            """)

    @Argument(
        help: ArgumentHelp("The generation that is on trial.", valueName: "generation"),
        completion: .names(.generations))
    var generation: UInt32?
    @OptionGroup var instance: InstanceOptions
    @OptionGroup var output: OutputOptions

    func run() throws {
        try instance.make(.confirm(generation), output)
    }
}
