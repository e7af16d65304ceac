// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Requests

struct DetachCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "detach",
        abstract: "Take ports, or the whole instance, out of the kernel.",
        discussion: """
            A detached port passes all traffic at once. The next `apply` binds it again if the policy still names it.

            Example:
              bulkhead detach web-1
              bulkhead detach guests/tap9 uplink
              bulkhead detach --all
            """)

    @Argument(
        help: ArgumentHelp("Ports, each an entry, entry/device or a device.", valueName: "port"),
        completion: .names(.ports))
    var ports: [String] = []
    @Flag(help: "Detach every port and remove the instance: programs, maps and counters.")
    var all = false
    @OptionGroup var instance: InstanceOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        if all != ports.isEmpty { throw ValidationError("name the ports to detach, or give --all") }
    }

    func run() throws {
        try instance.make(all ? .detachAll : .detach(ports), output)
    }
}
