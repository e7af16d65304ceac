// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Control
import Rendering

struct AdmitCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "admit",
        abstract: "Have the policy in force judge one device now, and open its bridge's gate for it.",
        discussion: """
            For hooks of what starts guests: when the command has returned with 0, every packet of the device is \
            judged, and the gate of its bridge lets it through. It needs no agent. A device that is enforced already \
            is no error.

            With `--wait`, a device that is not there yet, or is not in its bridge yet, is waited for, half a minute \
            at most.

            Example:
              bulkhead admit tap-web1
              bulkhead admit --wait vnet3
            """)

    @Argument(help: "The name of a device.")
    var device: String
    @Flag(help: "Wait until the device is there.")
    var wait = false
    @OptionGroup var instance: InstanceOptions
    @OptionGroup var output: OutputOptions

    /// How long a hypervisor may take, which has called us and goes on when we are done.
    private static let patience = Duration.seconds(30)

    func run() throws {
        try instance.requireKernel(for: "admit")
        try instance.noting("admit", device) {
            let admission = try instance.controller.admit(device, waiting: wait ? Self.patience : nil)
            Notices.warn(admission.warnings)
            try output.show(admission.json, or: admission.words)
        }
    }
}
