// SPDX-License-Identifier: Apache-2.0
import Network
import TestSupport
import Testing

extension Integration {
    /// An entry that names the members of a bridge.
    @Suite(.serialized) struct BridgeTests {
        @Test(arguments: ["judge", "drop"]) func membersOfABridge(unknown: String) throws {
            let site = try BridgeSite()
            let c = try site.lab.namespace("c")
            try site.lab.veth((c, "eth0"), (site.host, "vm-c"))
            try site.lab.address(c, "eth0", "198.51.100.3/24", "2001:db8:1::3/64")
            try site.host.run("ip", "link", "set", "vm-c", "master", "br0")
            let policy = try site.lab.file(
                "policy.yaml",
                """
                version: 1
                ports:
                  b: { interface: vm-b }
                  guests:
                    bridge: br0
                    unknown: \(unknown)
                defaults: { in: drop, out: accept }
                rules:
                  - { name: web, service: [tcp/80, ping], action: accept }
                """)
            let applied = try site.bulkhead.apply(policy)
            #expect(applied.ports.map(\.name).sorted() == ["b", "guests/vm-a", "guests/vm-c"])
            let servers = try [(site.b, "198.51.100.2"), (site.a, "2001:db8:1::1")].flatMap { guest, address in
                try [80, 81].map { try IPSocket.bound(guest, .tcp, try #require(IPAddress(address)), $0) }
            }
            defer { withExtendedLifetime(servers) {} }
            let isJudged = unknown == "judge"
            // From a member that only the bridge's entry names to one with its own entry, and between two members that
            // only the bridge's entry names.
            for guest in [site.a, c] { #expect(guest.connects(to: "198.51.100.2", 80) == isJudged) }
            #expect(c.connects(to: "2001:db8:1::1", 80) == isJudged)
            #expect(!c.connects(to: "2001:db8:1::1", 81))
            let counters = try site.bulkhead.counters()
            if !isJudged { #expect(try counters.port("guests/vm-c", "out").accepted.packets == 0) }
            counters.expectExactAccounting()
            if !isJudged {
                // What drops the packet is the entry's own key, not the policy's defaults.
                let stream = try site.bulkhead.drops("--port", "guests/vm-c", "--count", "1")
                _ = c.connects(to: "198.51.100.2", 80)
                let drop = try #require(try Drop.all(try stream.wait(seconds: 5).output).first)
                #expect(drop.reason == "not-admitted")
                #expect(drop.source == "\(policy):6", "\(drop.source ?? "null")")
            }
            #expect(try site.bulkhead.run("detach", "guests").status == 0)
            // After neighbour discovery was dropped, the kernel tries again after a second.
            #expect(poll(seconds: 5) { c.connects(to: "2001:db8:1::1", 81) })
        }
    }
}
