// SPDX-License-Identifier: Apache-2.0
import Foundation
import Network
import TestSupport
import Testing

extension Integration {
    /// A policy comes into force, stays, changes and goes while packets pass.
    @Suite(.serialized) struct ApplyTests {
        @Test func aPolicyHoldsAfterTheCommandHasExited() throws {
            let site = try UplinkSite()
            let addresses = [UplinkSite.v4.host, UplinkSite.v6.host]
            let servers = try addresses.flatMap { address in
                try [80, 81].map { try IPSocket.bound(site.host, .tcp, address, $0) }
            }
            defer { withExtendedLifetime(servers) {} }
            for address in addresses { #expect(site.network.connects(to: address, 81)) }
            let policy = try site.policy(
                """
                  - { name: web, service: tcp/80, action: accept }
                  - { name: ping, service: ping, action: accept }
                """)
            let applied = try site.bulkhead.apply(policy)
            #expect(applied.generation == 1)
            #expect(applied.changed)
            #expect(applied.rules == 2)
            #expect(applied.ports.map(\.name) == ["uplink"])
            for address in addresses {
                #expect(site.network.connects(to: address, 80))
                #expect(!site.network.connects(to: address, 81))
                try site.network.run("ping", "-c", "1", "-W", "2", "\(address)")
            }
            let port = try site.bulkhead.status().port("uplink")
            #expect(port.state == "enforcing")
            #expect(port.protects == "host")
            #expect(port.interface == "up0")
            let counters = try site.bulkhead.counters()
            // Two requests and their replies.
            #expect(try counters.rule("ping").packets == 4)
            #expect(try counters.port("uplink", "in").reasons["default"] ?? 0 >= 2)
            counters.expectExactAccounting()
            #expect(try site.bulkhead.run("show").output.contains("name: web, service: tcp/80"))
            let again = try site.bulkhead.apply(policy)
            #expect(!again.changed)
            #expect(again.generation == 1)
        }

        /// What both policies deny never passes, what both allow is never lost, and a connection continues.
        @Test func changesUnderTraffic() throws {
            let site = try UplinkSite()
            let policies = try [
                "  - { name: web, service: tcp/80, action: accept }\n"
                    + "  - { name: ok, service: udp/2000, action: accept }",
                "  - { name: no, service: udp/1000, action: drop }\n"
                    + "  - { name: ok, service: [udp/2000, tcp/80], action: accept }",
            ].enumerated().map { try site.policy($1, port: "mode: tc", name: "policy\($0).yaml") }
            try site.bulkhead.apply(policies[0])
            let denied = try IPSocket.bound(site.host, .udp, UplinkSite.v4.host, 1000)
            let allowed = try IPSocket.bound(site.host, .udp, UplinkSite.v4.host, 2000)
            let server = try IPSocket.bound(site.host, .tcp, UplinkSite.v6.host, 80)
            let client = try IPSocket.connected(site.network, .tcp, UplinkSite.v6.host, 80)
            let session = try server.accept()
            let frames = (denied: site.probe(to: 1000), allowed: site.probe(to: 2000))
            let raw = try PacketSocket(site.network, "net0")
            let datagrams = Background { isStopped in
                var sent = 0
                while !isStopped(), sent < 15_000 {
                    try raw.send(frames.denied)
                    try raw.send(frames.allowed)
                    sent += 1
                    usleep(200)
                }
                return sent
            }
            let stream = Background { isStopped in
                var sent = 0
                let piece = [UInt8](repeating: 1, count: 8192)
                while !isStopped() {
                    try client.send(piece, milliseconds: 5000)
                    sent += piece.count
                    usleep(1000)
                }
                return sent
            }
            let reading = Background { isStopped in
                var received = 0
                while let bytes = try session.receive(milliseconds: isStopped() ? 300 : 5000), !bytes.isEmpty {
                    received += bytes.count
                }
                return received
            }
            for round in 1...8 { #expect(try site.bulkhead.apply(policies[round % 2]).generation == round + 1) }
            let (sent, streamed) = (try datagrams.stop(), try stream.stop())
            #expect(sent > 100)
            #expect(try denied.count() == 0)
            #expect(try allowed.count() == sent)
            #expect(try reading.stop() == streamed)
            #expect(streamed > 0)
        }

        @Test func detachOpensThePortAndLeavesNothingBehind() throws {
            let site = try BridgeSite()
            let policy = try site.lab.file(
                "policy.yaml",
                """
                version: 1
                ports:
                  a: { interface: vm-a }
                  b: { interface: vm-b }
                defaults: { in: drop, out: drop }
                """)
            let server = try IPSocket.bound(site.b, .tcp, "2001:db8:1::2", 80)
            defer { withExtendedLifetime(server) {} }
            try site.bulkhead.apply(policy)
            #expect(try site.bulkhead.status().ports.map(\.protects) == ["workload", "workload"])
            #expect(!site.a.connects(to: "2001:db8:1::2", 80))
            #expect(try site.bulkhead.run("detach", "a").status == 0)
            #expect(!site.a.connects(to: "2001:db8:1::2", 80))
            #expect(try site.bulkhead.run("detach", "vm-b").status == 0)
            #expect(site.a.connects(to: "2001:db8:1::2", 80))
            try site.bulkhead.apply(policy)
            #expect(!site.a.connects(to: "2001:db8:1::2", 80))
            #expect(try site.bulkhead.run("detach", "--all").status == 0)
            #expect(site.a.connects(to: "2001:db8:1::2", 80))
            #expect(!FileManager.default.fileExists(atPath: "/sys/fs/bpf/\(site.bulkhead.instance)"))
            for device in ["vm-a", "vm-b"] {
                #expect(try site.host.run("tc", "filter", "show", "dev", device, "ingress").isEmpty)
                #expect(try !site.host.run("ip", "-details", "link", "show", device).contains("xdp"))
            }
            let gone = try site.bulkhead.run("status")
            #expect(gone.status == 1)
            #expect(!gone.errors.isEmpty)
        }

        /// Counters follow a rule by its name, wherever it is in the policy.
        @Test func countersSurviveANewPolicy() throws {
            let site = try UplinkSite()
            let raw = try PacketSocket(site.network, "net0")
            func send(_ count: Int) throws {
                for _ in 0..<count {
                    try raw.send(site.probe(.v4, to: 1000))
                    try raw.send(site.probe(.v6, to: 1000))
                    try raw.send(site.probe(to: 2000))
                }
            }
            let (kept, other) = (
                "  - { name: kept, service: udp/1000, action: drop }",
                "  - { name: other, service: udp/2000, action: accept }"
            )
            try site.bulkhead.apply(try site.policy(kept + "\n" + other))
            try send(5)
            #expect(try poll(seconds: 2) { try site.bulkhead.counters().rule("kept").packets == 10 })
            try site.bulkhead.apply(
                try site.policy(
                    "  - { name: new, service: udp/3000, action: drop }\n"
                        + "  - { name: renamed, service: udp/2000, action: accept }\n" + kept))
            let between = try site.bulkhead.counters()
            #expect(between.generation == 2)
            #expect(between.rules.map(\.name) == ["new", "renamed", "kept"])
            #expect(between.rules.map(\.packets) == [0, 0, 10])
            try send(3)
            #expect(try poll(seconds: 2) { try site.bulkhead.counters().rule("kept").packets == 16 })
            let after = try site.bulkhead.counters()
            // Three datagrams and the host's answers. It listens on none of the ports; its errors are related, and
            // rate-limited.
            #expect((3...6).contains(try after.rule("renamed").packets))
            #expect(try after.port("uplink", "in").reasons["rule"] == 16)
            #expect(try after.rule("kept").bytes == 8 * (14 + 20 + 9) + 8 * (14 + 40 + 9))
            // A rule that comes back starts from zero.
            try site.bulkhead.apply(try site.policy(other))
            #expect(try site.bulkhead.counters().rule("other").packets == 0)
            try site.bulkhead.counters().expectExactAccounting()
        }

        /// A port's counts are not lost with the port: the events still add up.
        @Test func aPortThatGoesLeavesItsCounts() throws {
            let site = try BridgeSite()
            func policy(_ ports: String) throws -> String {
                try site.lab.file(
                    "policy.yaml",
                    """
                    version: 1
                    ports: { \(ports) }
                    defaults: { in: drop, out: drop }
                    rules: []
                    """)
            }
            let a = "a: { interface: vm-a, protects: workload }"
            try site.bulkhead.apply(try policy(a + ", b: { interface: vm-b, protects: workload }"))
            let datagram = Datagram(BridgeSite.address(2, .v4), BridgeSite.address(1, .v4), .udp())
            let sender = try PacketSocket(site.b, "eth0")
            for _ in 0..<7 { try sender.send(Frame(datagram, to: try site.a.mac(of: "eth0"))) }
            let before = try site.bulkhead.counters()
            #expect(try before.port("b", "out").reasons["default"] == 7)
            #expect(before.removed.dropped.packets == 0)
            try site.bulkhead.apply(try policy(a))
            let after = try site.bulkhead.counters()
            #expect(after.removed.dropped.packets >= 7)
            after.expectExactAccounting()
            // A port that comes back starts from zero.
            try site.bulkhead.apply(try policy(a + ", b: { interface: vm-b, protects: workload }"))
            #expect(try site.bulkhead.counters().port("b", "out").reasons["default"] == nil)
            try site.bulkhead.counters().expectExactAccounting()
        }

        @Test func twoInstancesSideBySide() throws {
            let site = try BridgeSite()
            let second = Bulkhead(site.lab, in: site.host, instance: "-second")
            func policy(_ port: String, _ allowed: Int) throws -> String {
                try site.lab.file(
                    "\(port)-\(allowed).yaml",
                    """
                    version: 1
                    ports: { \(port): { interface: vm-\(port) } }
                    defaults: { in: accept, out: accept }
                    rules:
                      - { name: only, service: [tcp/\(allowed), ping], action: accept }
                      - { name: others, service: tcp/80-89, action: drop }
                    """)
            }
            let servers = try [80, 81, 82].map { try IPSocket.bound(site.b, .tcp, "198.51.100.2", $0) }
            defer { withExtendedLifetime(servers) {} }
            func open() -> [Bool] { [80, 81, 82].map { site.a.connects(to: "198.51.100.2", $0) } }
            try site.bulkhead.apply(try policy("a", 80))
            #expect(open() == [true, false, false])
            // On the other port; both must accept.
            try second.apply(try policy("b", 80))
            #expect(open() == [true, false, false])
            try second.apply(try policy("b", 81))
            #expect(open() == [false, false, false])
            // On the same port; again both must accept.
            try second.apply(try policy("a", 80))
            #expect(open() == [true, false, false])
            try second.apply(try policy("a", 82))
            #expect(open() == [false, false, false])
            #expect(try second.status().ports.count == 1)
            #expect(try site.bulkhead.run("detach", "--all").status == 0)
            #expect(open() == [false, false, true])
            #expect(try second.run("detach", "--all").status == 0)
            #expect(open() == [true, true, true])
        }

        @Test func twoAppliesAtOnce() throws {
            let site = try UplinkSite()
            let policies = try [1001, 1002].map {
                try site.policy("  - { name: only, service: udp/\($0), action: accept }", name: "p\($0).yaml")
            }
            try site.bulkhead.apply(policies[0])
            let probe = try PolicyProbe(site)
            for _ in 0..<4 {
                let runs = try policies.map { try site.bulkhead.start("apply", $0) }
                let results = try runs.map { try $0.wait() }
                #expect(results.contains { $0.status == 0 })
                for result in results where result.status != 0 {
                    #expect(result.status == 1)
                    #expect(result.errors.contains("another bulkhead"), "\(result.errors)")
                }
                let passed = try probe.passing()
                #expect(passed == [1001] || passed == [1002], "\(passed)")
            }
        }

        /// An apply killed at any moment leaves the old policy or the new one whole, and the next apply works.
        @Test func aKilledApplyLeavesAWholePolicy() throws {
            let site = try UplinkSite()
            let policies = try [1001, 1002].map {
                try site.policy("  - { name: only, service: udp/\($0), action: accept }", name: "p\($0).yaml")
            }
            try site.bulkhead.apply(policies[0])
            let probe = try PolicyProbe(site)
            #expect(try probe.passing() == [1001])
            let clock = ContinuousClock()
            let usual = try clock.measure { try site.bulkhead.apply(policies[1]) } / .microseconds(1)
            var random = SystemRandomNumberGenerator()
            var killed = 0
            for round in 0..<24 {
                let command = try site.bulkhead.start("apply", policies[round % 2])
                usleep(UInt32.random(in: 0...UInt32(usual * 1.1), using: &random))
                command.signal(SIGKILL)
                if try command.wait().status == 128 + SIGKILL { killed += 1 }
                let passed = try probe.passing()
                #expect(passed == [1001] || passed == [1002], "\(passed)")
            }
            #expect(killed > 0)
            try site.bulkhead.apply(policies[0])
            #expect(try probe.passing() == [1001])
            try site.bulkhead.counters().expectExactAccounting()
            #expect(try site.bulkhead.status().port("uplink").state == "enforcing")
        }

        /// The same for the first apply: either the port is open, or the policy is in force as a whole.
        @Test func aKilledFirstApplyLeavesAllOrNothing() throws {
            let site = try UplinkSite()
            let policy = try site.policy("  - { name: only, service: udp/1001, action: accept }")
            let probe = try PolicyProbe(site)
            let clock = ContinuousClock()
            let usual = try clock.measure { try site.bulkhead.apply(policy) } / .microseconds(1)
            var random = SystemRandomNumberGenerator()
            for _ in 0..<8 {
                _ = try site.bulkhead.run("detach", "--all")
                #expect(try probe.passing() == [1001, 1002])
                let command = try site.bulkhead.start("apply", policy)
                usleep(UInt32.random(in: 0...UInt32(usual), using: &random))
                command.signal(SIGKILL)
                try command.wait()
                let passed = try probe.passing()
                #expect(passed == [1001] || passed == [1001, 1002], "\(passed)")
            }
            try site.bulkhead.apply(policy)
            #expect(try probe.passing() == [1001])
        }
    }
}

/// Finds with real datagrams which of ports 1001 and 1002 the policy in force accepts.
struct PolicyProbe {
    private let site: UplinkSite
    private let raw: PacketSocket
    private let sockets: [(port: UInt16, socket: IPSocket)]

    init(_ site: UplinkSite) throws {
        self.site = site
        raw = try PacketSocket(site.network, "net0")
        sockets = try [1001, 1002].map { ($0, try IPSocket.bound(site.host, .udp, UplinkSite.v4.host, $0)) }
    }

    func passing() throws -> [UInt16] {
        for (port, _) in sockets { try raw.send(site.probe(to: port)) }
        return try sockets.filter { try $0.socket.count(quiet: 40) == 1 }.map(\.port)
    }
}
