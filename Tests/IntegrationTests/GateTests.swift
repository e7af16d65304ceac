// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

extension Integration {
    /// What holds a new port of a bridge shut until its packets are judged, against a guest that floods from its first
    /// moment on.
    @Suite(.serialized) struct GateTests {
        private static let flood = """
            import socket, sys, time
            frame = b"\\xff" * 6 + b"\\x52\\x54\\0\\0\\0\\x09" + b"\\x88\\xb5" + b"x" * 46
            while True:
                try:
                    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
                    s.bind((sys.argv[1], 0))
                    print("flooding", flush=True)
                    while True:
                        s.send(frame)
                        time.sleep(0.0001)
                except OSError:
                    time.sleep(0.0001)
            """

        /// A guest whose device comes and goes, and which floods broadcasts whenever it has one.
        private final class Flooder {
            let guest: Namespace
            let command: Command
            let site: AgentSite

            init(_ site: AgentSite) throws {
                self.site = site
                guest = try site.site.lab.namespace("flood")
                let script = try site.site.lab.file("flood.py", GateTests.flood)
                command = try Command(guest.command(["python3", script, "eth0"]))
            }

            func plug(_ device: String, upFirst: Bool, bridge: String = "br0") throws {
                let joins = ["link set \(device) up", "link set \(device) master \(bridge)"]
                let lines = upFirst ? joins : joins.reversed()
                try Shell.check(
                    "ip", "-netns", guest.name, "link", "add", "eth0", "type", "veth", "peer", "name", device,
                    "netns", site.host.name)
                try Shell.check("ip", "-netns", guest.name, "link", "set", "eth0", "up")
                try Shell.check(
                    "ip", "-netns", site.host.name, "-batch", "-", input: lines.joined(separator: "\n") + "\n")
            }

            deinit { command.signal(SIGKILL) }
        }

        /// Frames that a guest has received.
        private static func received(_ guest: Namespace, _ device: String = "eth0") throws -> Int {
            let text = try guest.run("ip", "-s", "-o", "link", "show", device)
            // bytes packets errors ... after "RX:".
            let figures = try #require(
                text.components(separatedBy: "RX:").last?.components(separatedBy: "\\").dropFirst().first)
            return try #require(figures.split(separator: " ").compactMap { Int($0) }.dropFirst().first)
        }

        /// Frames that the gate dropped.
        private static func dropped(_ site: AgentSite) throws -> Int {
            let text = try site.host.run("nft", "list", "table", "bridge", "bulkhead-\(site.bulkhead.instance)")
            let words = text.split { $0 == " " || $0 == "\n" }
            return words.indices.filter { words[$0] == "packets" }.reduce(0) { $0 + (Int(words[$1 + 1]) ?? 0) }
        }

        private static let plugs = Seed.count("BULKHEAD_PLUGS", usual: 4)

        @Test(arguments: [true, false]) func aNewGuestThatFloodsGetsNothingThrough(upFirst: Bool) throws {
            let site = try AgentSite()
            let policy = try site.policy("gate: nft")
            try site.bulkhead.apply(policy)
            try site.start(policy)
            let flooder = try Flooder(site)
            let before = try Self.received(site.site.b)
            for round in 0..<Self.plugs {
                try flooder.plug("vm-\(round)x", upFirst: upFirst)
                #expect(try site.isEnforced("vm-\(round)x"), "\(site.agent?.errors ?? "")")
                try site.unplug("vm-\(round)x")
            }
            #expect(try Self.received(site.site.b) == before)
            #expect(flooder.command.output.contains("flooding"))
        }

        /// The gate shuts by itself, and opens for whom the policy judges, with nobody alive.
        @Test func withoutAnAgentItStaysShutUntilTheDeviceIsAdmitted() throws {
            let site = try AgentSite()
            try site.bulkhead.apply(try site.policy("unknown: judge, gate: nft"))
            #expect(try site.bulkhead.status().gate("guests/vm-a") == "nft")
            let flooder = try Flooder(site)
            let before = try Self.received(site.site.b)
            try flooder.plug("vm-x", upFirst: true)
            #expect(try poll(seconds: 20) { try Self.dropped(site) > 20 })
            #expect(try Self.received(site.site.b) == before)
            #expect(try site.bulkhead.status().port("guests/vm-a").uncovered == ["vm-x"])

            let admitted = try site.bulkhead.run("admit", "vm-x")
            #expect(admitted.status == 0, "\(admitted.errors)")
            #expect(admitted.output.contains("enforced as guests/vm-x"), "\(admitted.output)")
            let held = try Self.dropped(site)
            let port = try site.bulkhead.counters().port("guests/vm-x", "out")
            #expect(
                try poll(seconds: 20) {
                    try site.bulkhead.counters().port("guests/vm-x", "out").dropped.packets > port.dropped.packets + 20
                }, "the flood is judged now")
            #expect(try Self.dropped(site) == held, "and not held by the gate")
            #expect(try Self.received(site.site.b) == before)
            #expect(try site.bulkhead.run("status", "--check").status == 0)
        }

        @Test func whatCannotBeAdmittedIsToldByName() throws {
            let site = try AgentSite()
            try site.bulkhead.apply(try site.policy("gate: nft"))
            let none = try site.bulkhead.run("admit", "vm-x")
            #expect(none.status == 1 && none.errors.contains("there is no device 'vm-x'"), "\(none.errors)")
            try site.host.run("ip", "link", "add", "vm-x", "type", "veth", "peer", "name", "vm-x-g")
            let strange = try site.bulkhead.run("admit", "vm-x")
            #expect(strange.status == 1 && strange.errors.contains("no entry of the policy"), "\(strange.errors)")
            let waiting = try site.bulkhead.start("admit", "--wait", "vm-x")
            try site.host.run("ip", "link", "set", "vm-x", "master", "br0")
            #expect(try waiting.wait(seconds: 40).status == 0, "\(waiting.errors)")
            #expect(try site.bulkhead.run("admit", "vm-a").status == 0, "enforced already")
        }

        @Test func aGateThatIsFlushedIsPutBack() throws {
            let site = try AgentSite()
            let policy = try site.policy("gate: nft")
            try site.bulkhead.apply(policy)
            try site.host.run("nft", "flush", "ruleset")
            let told = try site.bulkhead.run("status", "--check")
            #expect(told.status == 3 && told.output.contains("the gate is gone"), "\(told.output)")
            let agent = try site.start(policy)
            let isBack = { try poll(seconds: 20) { try site.bulkhead.status().gate("guests/vm-a") == "nft" } }
            #expect(try isBack(), "\(agent.errors)")
            let table = "bulkhead-\(site.bulkhead.instance)"
            for command in [
                ["nft", "flush", "ruleset"], ["nft", "flush", "set", "bridge", table, "admitted"],
                ["nft", "add", "rule", "bridge", table, "prerouting", "accept"],
            ] {
                _ = try Shell.run(site.host.command(command))
                let isTold = poll(seconds: 20) { agent.errors.contains("repaired: port 'guests'") }
                #expect(isTold, "\(command): \(agent.errors)")
                #expect(try isBack(), "\(command): \(agent.errors)")
            }
        }

        /// An administrator's own tables, other bridges and whoever has another instance are left alone.
        @Test func itComesAndGoesWithThePolicy() throws {
            let site = try AgentSite()
            try site.host.run("nft", "add", "table", "bridge", "mine")
            try site.bulkhead.apply(try site.policy("unknown: drop"))
            let table = "bulkhead-\(site.bulkhead.instance)"
            #expect(try site.host.run("nft", "list", "tables").contains(table), "auto where unknown: drop")
            try site.bulkhead.apply(try site.policy("unknown: drop, gate: none"))
            #expect(try !site.host.run("nft", "list", "tables").contains(table))
            #expect(try site.bulkhead.status().gate("guests/vm-a") == "none")
            try site.bulkhead.apply(try site.policy("gate: nft"))
            #expect(try site.host.run("nft", "list", "tables").contains(table))
            #expect(try site.bulkhead.run("detach", "--all").status == 0)
            #expect(try site.host.run("nft", "list", "tables") == "table bridge mine\n")
        }

        // MARK: VLANs

        private static let hasVLANs = Kinds.has("bridge vlan_filtering 1")

        @Test(.enabled(if: hasVLANs, "the kernel does not filter VLANs at bridges"), arguments: [true, false])
        func byVLANsANewGuestThatFloodsGetsNothingThrough(upFirst: Bool) throws {
            let site = try AgentSite()
            let policy = try site.policy("gate: vlan")
            let flooder = try Flooder(site)
            try site.bulkhead.apply(policy)
            #expect(try site.bulkhead.status().gate("guests/vm-a") == "vlan")
            let before = try Self.received(site.site.b)
            try flooder.plug("vm-x", upFirst: upFirst)
            #expect(poll(seconds: 20) { flooder.command.output.contains("flooding") })
            usleep(500_000)
            #expect(try Self.received(site.site.b) == before, "nobody has judged it yet")
            #expect(try site.bulkhead.run("admit", "vm-x").status == 0)
            #expect(
                try poll(seconds: 20) {
                    try site.bulkhead.counters().port("guests/vm-x", "out").dropped.packets > 20
                })
            #expect(try Self.received(site.site.b) == before)
            #expect(try site.bulkhead.run("status", "--check").status == 0)
        }

        /// Guests that talk while the gate is put up and taken away go on.
        @Test(.enabled(if: hasVLANs, "the kernel does not filter VLANs at bridges"))
        func takingABridgeOverCutsNobodyOff() throws {
            let site = try AgentSite()
            let policies = try ["none", "vlan"].map {
                try site.site.lab.file(
                    "\($0).yaml",
                    """
                    version: 1
                    ports: { guests: { bridge: br0, protects: workload, guard: off, gate: \($0) } }
                    rules: [ { name: ping, service: ping, action: accept } ]
                    """)
            }
            try site.bulkhead.apply(policies[0])
            _ = try site.site.a.run("ping", "-c", "1", "198.51.100.2")
            let ping = try Command(
                site.site.a.command(["ping", "-i", "0.05", "-c", "100", "-W", "2", "198.51.100.2"]))
            for policy in [policies[1], policies[0]] { try site.bulkhead.apply(policy) }
            let result = try ping.wait(seconds: 60)
            #expect(result.output.contains("100 received"), "\(result.output)")
            let bridge = try site.host.run("ip", "-d", "link", "show", "br0")
            #expect(bridge.contains("vlan_filtering 0") && bridge.contains("vlan_default_pvid 1"), "\(bridge)")
        }

        @Test(.enabled(if: hasVLANs, "the kernel does not filter VLANs at bridges"))
        func anAdministratorsVLANsAreLeftAlone() throws {
            let site = try AgentSite()
            try site.host.run("ip", "link", "set", "br0", "type", "bridge", "vlan_filtering", "1")
            try site.host.run("bridge", "vlan", "add", "vid", "7", "dev", "vm-a")
            let before = try site.host.run("bridge", "vlan", "show")
            let result = try site.bulkhead.run("apply", site.policy("gate: vlan"))
            #expect(result.status == 0 && result.errors.contains("its administrator filters VLANs"), "\(result.errors)")
            #expect(try site.host.run("bridge", "vlan", "show") == before)
            #expect(try site.bulkhead.run("status", "--check").status == 3)
        }

        /// A trial that reverts leaves the gates of the policy before it.
        @Test func aTrialsGateIsPutUpWhenItIsConfirmed() throws {
            let site = try AgentSite()
            try site.bulkhead.apply(try site.policy())
            let table = "bulkhead-\(site.bulkhead.instance)"
            let tried = try site.policy("gate: nft", name: "tried.yaml")
            #expect(try site.bulkhead.run("apply", "--trial", "1h", tried).status == 0)
            #expect(try !site.host.run("nft", "list", "tables").contains(table))
            #expect(try site.bulkhead.run("confirm").status == 0)
            #expect(try site.host.run("nft", "list", "tables").contains(table))
        }
    }
}

extension Standing {
    fileprivate func gate(_ port: String) throws -> String? { try self.port(port).gate }
}
