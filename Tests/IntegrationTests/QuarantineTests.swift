// SPDX-License-Identifier: Apache-2.0
import Datapath
import Foundation
import Network
import TestSupport
import Testing

extension Integration {
    /// A port is quarantined and released while everything else goes on.
    @Suite(.serialized) struct QuarantineTests {
        /// The output of `quarantine --json` and `release --json`.
        private struct Change: Decodable {
            var quarantined: [String]?
            var released: [String]?
            var ports: [String]
            var changed: Bool
        }

        private static let two = """
            version: 1
            ports:
              a: { interface: vm-a, protects: workload }
              b: { interface: vm-b, protects: workload }
            defaults: { in: accept, out: accept }
            """

        /// All members of the bridge belong to one entry.
        private static let guests = """
            version: 1
            ports:
              guests: { bridge: br0 }
            defaults: { in: accept, out: accept }
            """

        private static func pings(_ guest: Namespace, _ address: String) throws -> Bool {
            try Shell.run(guest.command(["ping", "-c", "1", "-W", "1", address])).status == 0
        }

        @Test func anOpenConnectionStopsAtOnceAndGoesOn() throws {
            let site = try BridgeSite()
            try site.bulkhead.apply(try site.lab.file("policy.yaml", Self.two))
            for (address, other) in [("198.51.100.2", "198.51.100.1"), ("2001:db8:1::2", "2001:db8:1::1")] {
                let server = try IPSocket.bound(site.b, .tcp, try #require(IPAddress(address)), 80)
                let client = try IPSocket.connected(site.a, .tcp, try #require(IPAddress(address)), 80)
                let session = try server.accept()
                try client.send([1])
                #expect(try session.receive() == [1])

                let cut = try site.bulkhead.json(Change.self, "quarantine", "vm-b")
                #expect(cut.quarantined == ["b"] && cut.ports == ["b"] && cut.changed)
                try client.send([2])
                try session.send([3])
                #expect(try session.receive(milliseconds: 400) == nil)
                #expect(try client.receive(milliseconds: 400) == nil)
                #expect(try !Self.pings(site.a, address))
                #expect(try !Self.pings(site.b, other))
                #expect(try site.bulkhead.status().port("b").state == "quarantined")
                #expect(try site.bulkhead.status().port("a").state == "enforcing")
                #expect(try !site.bulkhead.json(Change.self, "quarantine", "b").changed)

                #expect(try site.bulkhead.json(Change.self, "release", "b").released == ["b"])
                // TCP sends again what was lost.
                #expect(try session.receive(milliseconds: 5000) == [2])
                #expect(try client.receive(milliseconds: 5000) == [3])
                #expect(try site.bulkhead.status().port("b").state == "enforcing")
                #expect(try !site.bulkhead.json(Change.self, "release", "b").changed)
            }
            let counters = try site.bulkhead.counters()
            #expect(try counters.port("b", "in").reasons["quarantine"] ?? 0 > 0)
            #expect(try counters.port("b", "out").reasons["quarantine"] ?? 0 > 0)
            counters.expectExactAccounting()
        }

        @Test func explainAndDropsNameIt() throws {
            let site = try UplinkSite()
            try site.bulkhead.apply(
                try site.policy("  - { name: all, action: accept }", port: "defaults: { in: accept, out: accept }"))
            #expect(try site.bulkhead.run("quarantine", "uplink").output == "uplink is cut off: nothing passes\n")
            let stream = try site.bulkhead.drops("--reason", "quarantine", "--count", "1")
            try PacketSocket(site.network, "net0").send(site.probe(to: 53))
            #expect(poll(seconds: 5) { !stream.isRunning })
            let drop = try #require(try Drop.all(stream.output).first)
            #expect(drop.reason == "quarantine" && drop.port == "uplink" && drop.rule == nil)
            let words = ["explain", "192.0.2.1", "192.0.2.2", "udp/53", "--at", "uplink", "--direction", "in"]
            let said = try Shell.run(site.bulkhead.command(words + ["--json"])).output
            #expect(said.contains(#""verdict": "drop", "reason": "quarantine""#), "\(said)")
            #expect(try site.bulkhead.run("status").output.contains("quarantined: uplink\n"))
            #expect(try site.bulkhead.run("detach", "uplink").errors.contains("uplink was quarantined"))
        }

        /// Ports, entries, and names that the policy has not any more.
        @Test func allAreReleased() throws {
            let site = try BridgeSite()
            try site.bulkhead.apply(try site.lab.file("two.yaml", Self.two))
            #expect(try site.bulkhead.run("release", "--all").output == "nothing was in quarantine\n")
            for port in ["a", "b"] { #expect(try site.bulkhead.run("quarantine", port).status == 0) }
            #expect(try !Self.pings(site.a, "198.51.100.2"))
            let less = try site.lab.file("less.yaml", Self.two.replacingOccurrences(of: "  b:", with: "  c:"))
            try site.bulkhead.apply(less)
            let released = try site.bulkhead.json(Change.self, "release", "--all")
            #expect(released.released == ["a", "b"] && released.ports == ["a"] && released.changed)
            // After address resolution was dropped, the kernel tries again after a second.
            #expect(try poll(seconds: 5) { try Self.pings(site.a, "198.51.100.2") })
            #expect(try !site.bulkhead.json(Change.self, "release", "--all").changed)
            #expect(try site.bulkhead.run("release").status == 64)
            #expect(try site.bulkhead.run("release", "a", "--all").status == 64)
        }

        /// An entry's name covers devices that come later; a device that comes back under its name is the same port.
        @Test func theNameCounts() throws {
            let site = try BridgeSite()
            let policy = try site.lab.file("policy.yaml", Self.guests)
            try site.bulkhead.apply(policy)
            #expect(try site.bulkhead.json(Change.self, "quarantine", "guests/vm-b").quarantined == ["guests/vm-b"])
            try site.host.run("ip", "link", "delete", "vm-b")
            #expect(try site.bulkhead.run("apply", policy).status == 0)
            try site.lab.veth((site.b, "eth0"), (site.host, "vm-b"))
            try site.lab.address(site.b, "eth0", "198.51.100.2/24")
            try site.host.run("ip", "link", "set", "vm-b", "master", "br0")
            let applied = try site.bulkhead.run("apply", policy)
            #expect(applied.status == 0 && !applied.errors.contains("quarantine"), "\(applied.errors)")
            #expect(try site.bulkhead.status().port("guests/vm-b").state == "quarantined")
            #expect(try !Self.pings(site.a, "198.51.100.2"))
            let counted = try site.bulkhead.counters()
            #expect(try counted.port("guests/vm-b", "in").accepted.packets == 0)
            #expect(try counted.port("guests/vm-b", "out").accepted.packets == 0)

            #expect(
                try site.bulkhead.json(Change.self, "quarantine", "guests").ports.sorted() == [
                    "guests/vm-a", "guests/vm-b",
                ])
            let c = try site.lab.namespace("c")
            try site.lab.veth((c, "eth0"), (site.host, "vm-c"))
            try site.host.run("ip", "link", "set", "vm-c", "master", "br0")
            try site.bulkhead.apply(policy)
            for port in ["guests/vm-a", "guests/vm-b", "guests/vm-c"] {
                #expect(try site.bulkhead.status().port(port).state == "quarantined")
            }
            let one = try site.bulkhead.run("release", "vm-c")
            #expect(one.status == 1 && one.errors.contains("bulkhead release guests"), "\(one.errors)")
            #expect(try site.bulkhead.json(Change.self, "release", "guests").released == ["guests", "guests/vm-b"])
            // After address resolution was dropped, the kernel tries again after a second.
            #expect(try poll(seconds: 5) { try Self.pings(site.a, "198.51.100.2") })
        }

        @Test func aPolicyWithoutThePortKeepsItAndSaysSo() throws {
            let site = try BridgeSite()
            let whole = try site.lab.file("whole.yaml", Self.two)
            let less = try site.lab.file("less.yaml", Self.two.replacingOccurrences(of: "  b:", with: "  c:"))
            try site.bulkhead.apply(whole)
            #expect(try site.bulkhead.run("quarantine", "b").status == 0)
            for words in [["check", less], ["apply", less]] {
                let result = try Shell.run(site.bulkhead.command(words))
                #expect(result.status == 0)
                #expect(result.errors.contains("'b' is quarantined and no port of this policy"), "\(result.errors)")
            }
            #expect(try Self.pings(site.a, "198.51.100.2"))
            #expect(try site.bulkhead.run("status", "--json").output.contains(#""quarantine": ["b"]"#))
            try site.bulkhead.apply(whole)
            #expect(try site.bulkhead.status().port("b").state == "quarantined")
            #expect(try !Self.pings(site.a, "198.51.100.2"))
            let unknown = try site.bulkhead.run("quarantine", "web")
            #expect(unknown.status == 1)
            #expect(unknown.errors.contains("no port of instance '\(site.bulkhead.instance)' is called 'web'"))
            try site.bulkhead.apply(less)
            #expect(try site.bulkhead.json(Change.self, "release", "b").released == ["b"])
            #expect(try site.bulkhead.run("apply", whole).status == 0)
            #expect(try site.bulkhead.status().port("b").state == "enforcing")
        }

        /// Policies keep changing meanwhile, and each change of the quarantine is in force when its command returns.
        @Test func noApplyLosesIt() throws {
            let site = try BridgeSite()
            let policies = try ["one", "two"].map { name in
                try site.lab.file(
                    "\(name).yaml", Self.two + "\nrules:\n  - { name: \(name), service: tcp/1, action: drop }\n")
            }
            try site.bulkhead.apply(policies[0])
            let applying = site.bulkhead.applyInTurn(policies)
            let (sender, receiver) = (try PacketSocket(site.a, "eth0"), try PacketSocket(site.b, "eth0"))
            func passes() throws -> Bool {
                try sender.send(Frame(Datagram("198.51.100.1", "198.51.100.2", .udp(5, 6)), to: site.b.mac(of: "eth0")))
                return try !receiver.receiveAll(quiet: 30).isEmpty
            }
            for round in 1...15 {
                #expect(try site.bulkhead.run("quarantine", "b").status == 0)
                #expect(try !passes(), "round \(round)")
                #expect(try site.bulkhead.status().port("b").state == "quarantined")
                #expect(try !passes(), "round \(round), later")
                #expect(try site.bulkhead.run("release", "b").status == 0)
                #expect(try passes(), "round \(round), released")
            }
            #expect(try applying.stop() > 5)
        }
    }
}
