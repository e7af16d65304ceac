// SPDX-License-Identifier: Apache-2.0
import Datapath
import Host
import Policy

/// A first policy for a host: it names the devices that are there, accepts what is in use now, and says why.
package struct FirstPolicy: Sendable {
    package let text: String

    /// Looks at the host as it is now. Needs no privilege; with it, the programs that listen are known by name.
    package static func ofThisHost() throws -> FirstPolicy {
        let host = try DatapathError.of { () throws(HostError) in try HostInventory.read() }
        return try FirstPolicy(host, OpenSockets.read())
    }

    /// - Parameters:
    ///   - host: The devices of the controller's own network namespace.
    ///   - sockets: What is in use there.
    /// - Throws: ``Refusal`` if no device can be a port.
    package init(_ host: HostInventory, _ sockets: OpenSockets) throws(Refusal) {
        let interfaces = host.namespaces[nil]?.interfaces ?? []
        let ports = FirstPorts(interfaces)
        guard !ports.entries.isEmpty else {
            throw Refusal(
                "this host has no Ethernet device with an address, and no bridge with ports",
                advice: "set up its network first, or write a policy by hand")
        }
        let rules = FirstRules(sockets, own: Set(interfaces.flatMap { $0.addresses.map(\.address) }))
        let day = host.now.map { " on \($0.utc.prefix(10))" } ?? ""
        var lines = [
            "# yaml-language-server: $schema=policy.schema.json",
            "# A first policy for this host, made by `bulkhead init`\(day) from what was in use then: it lets new",
            "# connections in to what listened, and everything out. Read each rule, remove what nobody should",
            "# reach, and name who may with `from`. Then: bulkhead check, bulkhead apply.",
            "version: 1", "", "ports:",
        ]
        for entry in ports.entries {
            lines += entry.comment.map { "  # \($0)" }
            lines.append("  \(entry.name): { \(entry.keys) }")
        }
        lines += ports.leftOut.map { "  # Not filtered: \($0)" }
        lines += [
            "",
            "# For three hours, connections from before are taken over when they are heard of, if the rules let",
            "# them: many are silent for the two hours of the usual keepalive. Until then TCP segments that open",
            "# nothing pass from low ports to high ones, as answers would.",
            "defaults: { in: drop, out: accept, adopt: 3h }", "", "rules:",
        ]
        lines += rules.lines
        text = lines.joined(separator: "\n") + "\n"
    }
}
