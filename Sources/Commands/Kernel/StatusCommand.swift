// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Control
import Rendering

struct StatusCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Show what the kernel enforces, port by port.",
        discussion: """
            Read from the kernel's own maps and hooks. A port is `enforcing`, `quarantined`, or `missing` where its \
            device does not \
            exist; programs of others that see packets first are named.

            Example:
              bulkhead status
              bulkhead status --json | jq '.ports[] | select(.state != "enforcing")'
            """)

    @OptionGroup var instance: InstanceOptions
    @OptionGroup var output: OutputOptions

    func run() throws {
        let status = try instance.controller.status()
        try output.show(status.json, or: status.words(Palette.standardOutput))
    }
}
