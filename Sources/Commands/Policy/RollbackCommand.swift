// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Control
import Rendering

struct RollbackCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rollback",
        abstract: "Put an earlier policy in force again.",
        discussion: """
            The policy is read from what the kernel kept of it: its own file, the files that it includes and its lists \
            of addresses are as they were then. It is compiled for the devices that this host has now, and gets a new \
            number. Without a generation it is the latest one with another policy than the one in force, so a second \
            `rollback` undoes the first. As `apply` does, it refuses a policy that would cut the session that it is \
            run over, unless `--force` is given.

            While a policy is on trial, `rollback` without a generation ends the trial, and does nothing else: what \
            was in force before is in force again at once.

            Example:
              bulkhead rollback
              bulkhead rollback 7 -m "the new mail rules broke the office"
            """)

    @Argument(
        help: ArgumentHelp("The generation to go back to, as `log` lists it.", valueName: "generation"),
        completion: .names(.generations))
    var generation: UInt32?
    @OptionGroup var change: ChangeOptions
    @OptionGroup var instance: InstanceOptions
    @OptionGroup var output: OutputOptions

    func run() throws {
        if try instance.change(output, { .rollback(generation, change.terms) }) { return }
        try instance.noting("rollback", generation.map { "\($0)" }, change.terms) { try goBack(instance.controller) }
    }

    private func goBack(_ controller: Controller) throws {
        if generation == nil, let ended = try controller.endTrial() {
            Notices.warn(ended.warnings)
            return try output.show(ended.json, or: ended.words)
        }
        let past = try controller.past(generation)
        try change.apply(PreparedPolicy(past.source), rollbackOf: past.generation, controller, output)
    }
}
