// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Datapath
import Policy
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
        let instance = try Instance(instance.name)
        let status = try instance.status()
        if output.isJSON {
            try StandardOutput.line(status.json)
        } else {
            try StandardOutput.write(status.words(Palette.standardOutput))
        }
    }
}
