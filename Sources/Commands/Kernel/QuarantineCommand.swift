// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Requests

struct QuarantineCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "quarantine",
        abstract: "Cut a port off at once: nothing passes it in either direction.",
        discussion: """
            The port is cut off when the command returns, open connections included, whatever the policy says. Its \
            drops have the reason `quarantine`. The quarantine follows the port's name until `release`: it outlives a \
            new `apply`, and a device that is unplugged and comes back. An entry's name cuts off all its ports, also \
            those that appear later.

            Example:
              bulkhead quarantine web-1
              bulkhead quarantine guests/tap9
            """)

    @Argument(help: "A port: an entry, entry/device or a device.", completion: .names(.ports))
    var port: String
    @OptionGroup var instance: InstanceOptions
    @OptionGroup var output: OutputOptions

    func run() throws {
        try instance.make(.quarantine(port), output)
    }
}

struct ReleaseCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "release",
        abstract: "End a port's quarantine: the policy judges its traffic again.",
        discussion: """
            The release is in force when the command returns. Connections that were open go on if they have not \
            expired. An entry's name releases all its ports.

            Example:
              bulkhead release web-1
              bulkhead release guests
              bulkhead release --all
            """)

    @Argument(
        help: "A port: an entry, entry/device or a device; or a quarantined name that the policy no longer has.",
        completion: .names(.ports))
    var port: String?
    @Flag(help: "Release everything that is in quarantine.")
    var all = false
    @OptionGroup var instance: InstanceOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        if all == (port != nil) { throw ValidationError("name the port to release, or give --all") }
    }

    func run() throws {
        try instance.make(.release(port), output)
    }
}
