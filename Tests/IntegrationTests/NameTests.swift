// SPDX-License-Identifier: Apache-2.0
import Foundation
import Network
import TestSupport
import Testing

extension Integration {
    /// A device's names: a renamed device stays the same port, and an alternative name is as good as its name.
    @Suite(.serialized) struct NameTests {
        private static let rules = """
            defaults: { in: drop, out: accept }
            rules:
              - { name: web, service: tcp/80, action: accept }
            """

        private static func rename(_ namespace: Namespace, _ from: String, _ to: String) throws {
            // Not every kernel renames a device that is up.
            try namespace.run(
                "sh", "-ec", "ip link set \(from) down; ip link set \(from) name \(to); ip link set \(to) up")
        }

        /// Commands show the device's current name; the policy stays in force on it.
        @Test(arguments: ["tc", "xdp"]) func aRenamedDeviceIsShownAsItIsCalled(mode: String) throws {
            let site = try UplinkSite()
            let policy = { (name: String) in
                try site.lab.file(
                    "\(name).yaml",
                    "version: 1\nports:\n  uplink: { interface: \(name), protects: host, mode: \(mode) }\n\(Self.rules)"
                )
            }
            let before = try site.bulkhead.apply(try policy("up0")).ports[0].mode
            let server = try IPSocket.bound(site.host, .tcp, UplinkSite.v4.host, 80)
            let client = try IPSocket.connected(site.network, .tcp, UplinkSite.v4.host, 80)
            let session = try server.accept()
            try Self.rename(site.host, "up0", "wan0")
            let port = try site.bulkhead.status().port("uplink")
            #expect(port.interface == "wan0" && port.state == "enforcing" && port.ahead == [], "\(port)")
            let drops = try site.bulkhead.drops("--port", "wan0", "--count", "1")
            let sender = try PacketSocket(site.network, "net0")
            try sender.send(site.probe(to: 9))
            let drop = try JSONDecoder().decode(Drop.self, from: Data(try drops.wait(seconds: 10).output.utf8))
            #expect(drop.port == "uplink" && drop.interface == "wan0", "\(drop)")
            let counted = try site.bulkhead.counters().port("uplink", "in")
            #expect(counted.interface == "wan0" && counted.reasons["default"] == 1, "\(counted)")

            // The policy now uses the new name. It is the same device, with its programs, counters and connections.
            let after = try site.bulkhead.apply(try policy("wan0"))
            #expect(after.changed && after.ports[0].mode == before, "\(after)")
            #expect(try site.bulkhead.counters().port("uplink", "in").reasons["default"] == 1)
            try client.send([1])
            #expect(try session.receive() == [1])
            #expect(try site.bulkhead.counters().port("uplink", "in").reasons["policy-changed"] == nil)
            #expect(try site.bulkhead.status().port("uplink").problems == [])
            // No device has the old name.
            let gone = try site.bulkhead.run("apply", try policy("up0"))
            #expect(gone.status == 1 && gone.errors.contains("\"up0\" does not exist"), "\(gone.errors)")
        }

        private static func bridgePolicy(_ site: BridgeSite) throws -> String {
            try site.lab.file("policy.yaml", "version: 1\nports:\n  guests: { bridge: br0, guard: off }\n\(Self.rules)")
        }

        /// The port gets a new name, and its quarantine stays.
        @Test func aRenamedMemberOfABridge() throws {
            let site = try BridgeSite()
            let policy = try Self.bridgePolicy(site)
            try site.bulkhead.apply(policy)
            let server = try IPSocket.bound(site.a, .tcp, "198.51.100.1", 80)
            defer { withExtendedLifetime(server) {} }
            #expect(site.b.connects(to: "198.51.100.1", 80))
            #expect(try site.bulkhead.run("quarantine", "guests/vm-a").status == 0)
            try Self.rename(site.host, "vm-a", "vm-new")
            // The bridge forwards to a device that was down only when the kernel has told of its carrier, up to a
            // second later.
            let words = ["bridge", "link", "show", "dev", "vm-new"]
            #expect(
                try poll(seconds: 20) {
                    try Shell.run(site.host.command(words)).output.contains("state forwarding")
                })
            #expect(!site.b.connects(to: "198.51.100.1", 80))
            #expect(try site.bulkhead.status().port("guests/vm-a").interface == "vm-new")
            #expect(try site.bulkhead.status().port("guests/vm-a").problems.count == 1)
            #expect(try site.bulkhead.apply(policy).changed)
            #expect(try site.bulkhead.status().port("guests/vm-new").state == "quarantined")
            #expect(!site.b.connects(to: "198.51.100.1", 80))
            #expect(try site.bulkhead.counters().port("guests/vm-new", "in").reasons["quarantine"] ?? 0 > 0)
            #expect(try site.bulkhead.run("release", "vm-new").status == 0)
            #expect(site.b.connects(to: "198.51.100.1", 80))
            #expect(try !site.bulkhead.apply(policy).changed)
        }

        /// Two devices that swap their names stay the same ports.
        @Test func namesAreExchanged() throws {
            let site = try BridgeSite()
            let policy = try Self.bridgePolicy(site)
            try site.bulkhead.apply(policy)
            let probe = try PacketSocket(site.b, "eth0")
            let mac = try site.a.mac(of: "eth0")
            for _ in 1...3 { try probe.send(Frame(Datagram("198.51.100.2", "198.51.100.1", .udp(1, 2)), to: mac)) }
            #expect(
                try poll(seconds: 5) { try site.bulkhead.counters().port("guests/vm-a", "in").dropped.packets == 3 })
            for (from, to) in [("vm-a", "vm-c"), ("vm-b", "vm-a"), ("vm-c", "vm-b")] {
                try Self.rename(site.host, from, to)
            }
            try site.bulkhead.apply(policy)
            #expect(try site.bulkhead.counters().port("guests/vm-b", "in").dropped.packets == 3)
            #expect(try site.bulkhead.counters().port("guests/vm-a", "in").dropped.packets == 0)
            #expect(try site.bulkhead.status().ports.allSatisfy { $0.state == "enforcing" && $0.problems == [] })
        }

        @Test func alternativeNames() throws {
            let site = try BridgeSite()
            let long = "guest-of-the-tenant-in-the-second-floor"
            try site.host.run("ip", "link", "property", "add", "dev", "vm-a", "altname", long, "altname", "vm-first")
            try site.host.run("ip", "link", "property", "add", "dev", "br0", "altname", "switch")
            let policy = { (ports: String) in
                try site.lab.file("policy.yaml", "version: 1\nports:\n\(ports)\n\(Self.rules)")
            }
            let one = try site.bulkhead.apply(try policy("  a: { interface: \(long), protects: workload, guard: off }"))
            #expect(one.ports.map(\.interface) == ["vm-a"])
            let server = try IPSocket.bound(site.a, .tcp, "198.51.100.1", 81)
            defer { withExtendedLifetime(server) {} }
            #expect(!site.b.connects(to: "198.51.100.1", 81))
            #expect(try site.bulkhead.status().port("a").interface == "vm-a")
            for word in [long, "vm-first", "vm-a", "a", "a/vm-first"] {
                for command in ["quarantine", "release"] {
                    let result = try site.bulkhead.run(command, word)
                    #expect(result.status == 0, "\(command) \(word): \(result.errors)")
                    #expect(
                        try site.bulkhead.status().port("a").state
                            == (command == "release" ? "enforcing" : "quarantined"))
                }
                let asked = try site.bulkhead.run(
                    "explain", "198.51.100.2", "198.51.100.1", "tcp/81", "--at", word, "--direction", "in")
                #expect(asked.status == 0 && asked.output.contains("drop"), "\(word): \(asked.errors)\(asked.output)")
            }
            // A pattern that matches two of a device's names binds it once.
            let many = try site.bulkhead.apply(
                try policy("  a: { interface: \"*first*\", protects: workload }\n  b: { bridge: switch, guard: off }"))
            #expect(many.ports.map(\.name).sorted() == ["a/vm-a", "b/vm-b"])
            let both = try site.bulkhead.apply(
                try policy("  a: { interface: [\"vm-*\", \"gu*\"], protects: workload }"))
            #expect(both.ports.map(\.name).sorted() == ["a/vm-a", "a/vm-b"])
            let detached = try site.bulkhead.run("detach", "vm-first")
            #expect(detached.status == 0, "\(detached.errors)")
            #expect(site.b.connects(to: "198.51.100.1", 81))
        }
    }
}
