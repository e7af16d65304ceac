// SPDX-License-Identifier: Apache-2.0
import Policy

/// The policy that stands in where the host starts and there is no other: nothing passes any device but what keeps the
/// links up (ARP, neighbour discovery, DHCP), so that the host is reachable as soon as a policy allows it.
package enum ClosedPolicy {
    /// What it is called where a policy's file is named.
    package static let name = "closed-at-boot"

    /// Names every device that can be filtered: a pattern would be refused for one that is not Ethernet.
    static func text(_ devices: [HostInterface]) -> String {
        let names = devices.filter(\.canBeClosed).map { quoted($0.name) }
        let ports = names.isEmpty ? "{}" : "\n  closed: { interface: [\(names.joined(separator: ", "))], guard: off }"
        return """
            # Written by bulkhead: the host started, and no policy could be put in force.
            version: 1
            ports: \(ports)
            defaults: { in: drop, out: drop, adopt: 0s }

            """
    }

    private static func quoted(_ name: String) -> String {
        "\"" + name.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"") + "\""
    }
}

extension HostInterface {
    fileprivate var canBeClosed: Bool {
        guard kind != .loopback, isEthernet, isNameText, !Glob.isPattern(name) else { return false }
        if case .nothing = facing { return false }
        return true
    }
}
