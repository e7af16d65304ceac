// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Requests

struct LogCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "log",
        abstract: "List the generations: who put which policy in force, when and why.",
        discussion: """
            The newest is first. The last ten policies are kept in the kernel with all of their files, and go with the \
            instance. If the same policy was applied several times in a row, its first and last generation are listed. \
            All texts together may have 128 MiB. The oldest that have no room lose their text, and are listed as \
            `text not kept`: `rollback` and `show` cannot bring them back.

            Example:
              bulkhead log
              bulkhead log --json | jq '.generations[] | select(.inForce).user'
            """)

    @OptionGroup var instance: InstanceOptions
    @OptionGroup var output: OutputOptions

    func run() throws {
        try instance.show(.generations, output)
    }
}
