// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Control
import Rendering

struct StatusCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Show what the kernel enforces, port by port.",
        discussion: """
            The state is read from the kernel's own maps and hooks. A port is `enforcing`, `quarantined`, or `missing` \
            if its device is gone or was detached. Other programs that see packets before Bulkhead are named.

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
