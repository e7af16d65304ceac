// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Requests

struct StatusCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Show what the kernel enforces, port by port.",
        discussion: """
            The state is what the kernel has on the hooks at this moment. `enforcing`: the policy judges every packet. \
            `quarantined`: nothing passes. `missing`: there is no device. `unfiltered`: the device is there and its \
            packets pass unjudged, because it was made anew since the `apply`, or because a program was taken off. \
            `detached`: they pass since `bulkhead detach`. `bulkhead apply` is the remedy for the last two.

            Devices that an entry means by a pattern or a bridge and that pass unjudged are named; JSON has them in \
            `uncovered`. So are members of a bridge that no entry means, where others are filtered, other programs \
            that see packets before Bulkhead, and guests that the inventory refuses, with the reason; JSON has these \
            in `notAdmitted`.

            Example:
              bulkhead status
              bulkhead status --check > /dev/null || echo "not all is filtered"
              bulkhead status --json | jq '.ports[] | select(.state != "enforcing")'
            """)

    @Flag(help: "End with status 3 where a port is not enforced as the policy wants it.")
    var check = false
    @OptionGroup var instance: InstanceOptions
    @OptionGroup var output: OutputOptions

    func run() throws {
        try instance.show(.status(checks: check), output)
    }
}
