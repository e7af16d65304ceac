// SPDX-License-Identifier: Apache-2.0
import Network
import TestSupport
import Testing

/// A host with two uplinks, `up0` and `up1`: it sends through the first and receives through the second.
final class UplinksSite: Sendable {
    let lab: Lab
    let host: Namespace
    let network: Namespace
    let bulkhead: Bulkhead

    static func ends(_ family: AddressFamily) -> (host: IPAddress, network: IPAddress) {
        family == .v4 ? ("203.0.113.2", "203.0.113.1") : ("2001:db8:2::2", "2001:db8:2::1")
    }

    init() throws {
        lab = try Lab()
        host = try lab.namespace("host")
        network = try lab.namespace("net")
        for number in 0...1 {
            try lab.veth((network, "net\(number)"), (host, "up\(number)"))
            let prefixes = (["192.0.2.", "198.51.100."][number], "2001:db8:1\(number)::")
            try lab.address(network, "net\(number)", "\(prefixes.0)1/24", "\(prefixes.1)1/64")
            try lab.address(host, "up\(number)", "\(prefixes.0)2/24", "\(prefixes.1)2/64")
        }
        bulkhead = Bulkhead(lab, in: host)
        for family in AddressFamily.allCases {
            let ends = Self.ends(family)
            let bits = family == .v4 ? 32 : 128
            try lab.address(host, "lo", "\(ends.host)/\(bits)")
            try lab.address(network, "lo", "\(ends.network)/\(bits)")
            let (there, back) = family == .v4 ? ("192.0.2.1", "198.51.100.2") : ("2001:db8:10::1", "2001:db8:11::2")
            // The neighbours are static: an IPv6 host solicits from the address that it will send from, and would be
            // answered through the other uplink.
            try host.run("ip", "neigh", "add", there, "lladdr", "\(network.mac(of: "net0"))", "dev", "up0")
            try network.run("ip", "neigh", "add", back, "lladdr", "\(host.mac(of: "up1"))", "dev", "net1")
            try host.run(
                "ip", "route", "add", "\(ends.network)", "via", there, "dev", "up0", "src", "\(ends.host)")
            try network.run(
                "ip", "route", "add", "\(ends.host)", "via", back, "dev", "net1", "src", "\(ends.network)")
        }
        for end in [host, network] {
            try end.run("sh", "-ec", "for file in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 0 > $file; done")
        }
    }

    /// Puts a policy with these entries into force. The host may open connections, and none may be opened to it.
    func apply(_ entries: String...) throws {
        let policy = try lab.file(
            "policy.yaml",
            """
            version: 1
            ports:
            \(entries.map { "  " + $0 }.joined(separator: "\n"))
            defaults: { in: drop, out: accept, adopt: 0s }
            """)
        try bulkhead.apply(policy)
    }

    /// Whether the network answers the host's echo request.
    func pings(_ family: AddressFamily) throws -> Bool {
        let words = ["ping", "-c", "1", "-W", "1", "\(Self.ends(family).network)"]
        return try Shell.run(host.command(words)).status == 0
    }

    /// Whether the network's answers to the host arrive over a new connection.
    func echoes(_ kind: IPSocket.Kind, _ family: AddressFamily) throws -> Bool {
        let ends = Self.ends(family)
        let client: IPSocket
        let server: IPSocket
        switch kind {
        case .udp:
            server = try IPSocket.connected(network, .udp, ends.host, 4000, from: 5000)
            client = try IPSocket.connected(host, .udp, ends.network, 5000, from: 4000)
        case .tcp:
            let listener = try IPSocket.bound(network, .tcp, ends.network, 5000)
            guard let made = try? IPSocket.connected(host, .tcp, ends.network, 5000, milliseconds: 500) else {
                return false
            }
            client = made
            server = try listener.accept()
        }
        try client.send([1])
        guard try server.receive() == [1] else { return false }
        try server.send([2])
        return try client.receive() == [2]
    }
}
