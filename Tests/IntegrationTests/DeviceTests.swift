// SPDX-License-Identifier: Apache-2.0
import Foundation
import Network
import TestSupport
import Testing

extension Integration {
    /// Devices that are missing, go away, belong to others, or are in another namespace.
    @Suite(.serialized) struct DeviceTests {
        private static let web = "  - { name: web, service: tcp/80, action: accept }"

        @Test func anUnknownInterfaceIsNamedAndThePolicyInForceStays() throws {
            let site = try UplinkSite()
            try site.bulkhead.apply(try site.policy(Self.web))
            let wrong = try site.lab.file(
                "wrong.yaml",
                """
                version: 1
                ports:
                  uplink: { interface: up1, protects: host }
                """)
            let result = try site.bulkhead.run("apply", wrong)
            #expect(result.status == 1)
            #expect(result.errors.contains("up1"), "\(result.errors)")
            #expect(try site.bulkhead.status().generation == 1)
            let server = try IPSocket.bound(site.host, .tcp, UplinkSite.v4.host, 80)
            defer { withExtendedLifetime(server) {} }
            #expect(site.network.connects(to: UplinkSite.v4.host, 80))
        }

        @Test func aGuestsDeviceMayGoAndComeBack() throws {
            let site = try BridgeSite()
            let policy = try site.lab.file(
                "policy.yaml",
                """
                version: 1
                ports:
                  a: { interface: vm-a, protects: workload }
                  b: { interface: vm-b, protects: workload }
                defaults: { in: drop, out: accept }
                rules:
                  - { name: web, service: tcp/80, action: accept }
                """)
            try site.bulkhead.apply(policy)
            try site.host.run("ip", "link", "delete", "vm-a")
            #expect(try site.bulkhead.status().port("a").state == "missing")
            #expect(try site.bulkhead.status().port("b").state == "enforcing")
            #expect(try site.bulkhead.json(Applied.self, "apply", "--dry-run", policy).changed)
            let without = try site.bulkhead.run("apply", policy)
            #expect(without.status == 0)
            #expect(without.errors.contains("vm-a"), "\(without.errors)")
            #expect(try !site.bulkhead.json(Applied.self, "apply", "--dry-run", policy).changed)
            // A new device of the same name is open until the next apply.
            try site.lab.veth((site.a, "eth0"), (site.host, "vm-a"))
            try site.lab.address(site.a, "eth0", "198.51.100.1/24")
            try site.host.run("ip", "link", "set", "vm-a", "master", "br0")
            let servers = try [80, 81].map { try IPSocket.bound(site.a, .tcp, "198.51.100.1", $0) }
            defer { withExtendedLifetime(servers) {} }
            try site.bulkhead.apply(policy)
            #expect(try site.bulkhead.status().port("a").state == "enforcing")
            #expect(site.b.connects(to: "198.51.100.1", 80))
            #expect(!site.b.connects(to: "198.51.100.1", 81))
        }

        /// Root of a container controls the devices of its network namespace: devices that are not Ethernet, that face
        /// their user, or whose name is not UTF-8. None of them keeps anybody else's policy from being applied.
        @Test func aContainerDoesNotKeepTheHostFromItsPolicy() throws {
            let site = try BridgeSite()
            func policy(_ port: Int) throws -> String {
                try site.lab.file(
                    "policy.yaml",
                    """
                    version: 1
                    ports:
                      box: { interface: "eth*", netns: \(site.a.name), protects: workload }
                      b: { interface: vm-b, protects: workload }
                    rules:
                      - { name: web, service: tcp/\(port), action: accept }
                    """)
            }
            try site.bulkhead.apply(try policy(80))
            try Shell.check(
                "sh", "-ec", "[ -e /dev/net/tun ] || { mkdir -p /dev/net; mknod /dev/net/tun c 10 200; }")
            try site.a.run(
                "sh", "-ec",
                """
                ip tuntap add eth1 mode tun
                ip link add eth2 link eth0 type macvlan
                ip tuntap add "$(printf 'eth\\377')" mode tap
                ip tuntap add "$(printf 'eth\\376')" mode tap
                """)
            let result = try site.bulkhead.run("apply", try policy(81))
            #expect(result.status == 0, "\(result.errors)")
            for cause in ["eth1 is left out", "eth2 is left out", "not UTF-8"] {
                #expect(result.errors.contains(cause), "\(result.errors)")
            }
            let status = try site.bulkhead.status()
            #expect(status.generation == 2)
            #expect(status.ports.map(\.name) == ["box/eth0", "b"])
            #expect(status.ports.allSatisfy { $0.state == "enforcing" })
        }

        @Test func aPortInAnotherNamespace() throws {
            let site = try BridgeSite()
            let policy = try site.lab.file(
                "policy.yaml",
                """
                version: 1
                ports:
                  inside: { interface: eth0, netns: \(site.b.name), protects: host }
                rules:
                  - { name: web, service: tcp/80, action: accept }
                """)
            let servers = try [80, 81].map { try IPSocket.bound(site.b, .tcp, "2001:db8:1::2", $0) }
            defer { withExtendedLifetime(servers) {} }
            let applied = try site.bulkhead.apply(policy)
            #expect(applied.ports.map(\.netns) == [site.b.name])
            #expect(site.a.connects(to: "2001:db8:1::2", 80))
            #expect(!site.a.connects(to: "2001:db8:1::2", 81))
            let port = try site.bulkhead.status().port("inside")
            #expect(port.netns == site.b.name)
            #expect(port.state == "enforcing")
            #expect(try site.bulkhead.counters().port("inside", "in").reasons["default"] ?? 0 > 0)
            #expect(try site.bulkhead.run("detach", "inside").status == 0)
            #expect(site.a.connects(to: "2001:db8:1::2", 81))
        }

        @Test func aGuestsNamespaceMayGo() throws {
            let site = try BridgeSite()
            let other = try site.lab.namespace("other")
            try site.lab.veth((other, "eth0"), (site.host, "other"))
            let policy = try site.lab.file(
                "policy.yaml",
                """
                version: 1
                ports:
                  a: { interface: vm-a, protects: workload }
                  inside: { interface: eth0, netns: \(other.name), protects: workload }
                """)
            try site.bulkhead.apply(policy)
            #expect(try site.bulkhead.status().port("inside").state == "enforcing")
            try Shell.check("ip", "netns", "delete", other.name)
            #expect(try poll(seconds: 5) { try site.bulkhead.status().port("inside").state == "missing" })
            let again = try site.bulkhead.run("apply", policy)
            #expect(again.status == 0, "\(again.errors)")
            #expect(again.errors.contains("warning: the network namespace"), "\(again.errors)")
            #expect(try site.bulkhead.status().port("a").state == "enforcing")
        }

        /// `ip netns exec` gives a private /sys, so what is pinned there ends with the command.
        @Test func aPrivateMountNamespaceIsRefused() throws {
            let site = try UplinkSite()
            let policy = try site.policy(Self.web)
            for setup in [":", "mount -t bpf bpf /sys/fs/bpf"] {
                let script =
                    "\(setup); exec \(Bulkhead.executable) apply \(policy) --instance \(site.bulkhead.instance)"
                let result = try Shell.run(["ip", "netns", "exec", site.host.name, "sh", "-c", script])
                #expect(result.status == 1)
                #expect(result.errors.contains("nsenter"), "\(result.errors)")
            }
            let server = try IPSocket.bound(site.host, .tcp, UplinkSite.v4.host, 81)
            defer { withExtendedLifetime(server) {} }
            #expect(site.network.connects(to: UplinkSite.v4.host, 81))
        }

        /// Another tool's program on the XDP hook stays.
        @Test func aForeignProgramOnTheXDPHook() throws {
            let site = try UplinkSite()
            let source = try site.lab.file(
                "foreign.c",
                """
                __attribute__((section("xdp"), used)) int foreign_pass(void *ctx) { return 2; }
                char _license[] __attribute__((section("license"), used)) = "GPL";
                """)
            let object = source.replacingOccurrences(of: ".c", with: ".o")
            try Shell.check("clang", "-O2", "-target", "bpf", "-c", source, "-o", object)
            try site.host.run("ip", "link", "set", "up0", "xdpdrv", "obj", object, "sec", "xdp")
            let before = try site.host.run("ip", "link", "show", "up0")
            try #require(before.contains("prog/xdp"))
            let insisting = try site.bulkhead.run("apply", try site.policy(Self.web, port: "mode: xdp"))
            #expect(insisting.status == 1)
            #expect(insisting.errors.contains("foreign_pass"), "\(insisting.errors)")
            let server = try IPSocket.bound(site.host, .tcp, UplinkSite.v4.host, 81)
            defer { withExtendedLifetime(server) {} }
            #expect(site.network.connects(to: UplinkSite.v4.host, 81))
            let applied = try site.bulkhead.apply(try site.policy(Self.web))
            #expect(applied.ports.map(\.mode) == ["tc"])
            #expect(!site.network.connects(to: UplinkSite.v4.host, 81))
            #expect(try site.host.run("ip", "link", "show", "up0").contains("prog/xdp"))
        }

        @Test(arguments: ["auto", "tc", "xdp"]) func theModeAskedForIsTheModeShown(mode: String) throws {
            let site = try UplinkSite()
            let applied = try site.bulkhead.apply(try site.policy(Self.web, port: "mode: \(mode)"))
            let expected = mode == "tc" ? "tc" : "xdp-native"
            #expect(applied.ports.map(\.mode) == [expected])
            let port = try site.bulkhead.status().port("uplink")
            #expect(port.mode == expected)
            #expect(port.hooks == (mode == "tc" ? ["tc-ingress", "tc-egress"] : ["xdp", "tc-ingress", "tc-egress"]))
            #expect(try site.host.run("ip", "link", "show", "up0").contains("xdp") == (mode != "tc"))
            // What XDP drops is not counted again by tc.
            let raw = try PacketSocket(site.network, "net0")
            for family in AddressFamily.allCases {
                for _ in 0..<20 { try raw.send(site.probe(family, to: 1000)) }
            }
            #expect(try poll(seconds: 2) { try site.bulkhead.counters().port("uplink", "in").reasons["default"] == 40 })
            try site.bulkhead.counters().expectExactAccounting()
        }

        /// XDP on a guest's port, if a user chooses it: XDP sees what the guest sends, tc what the guest receives.
        @Test func xdpOnAWorkload() throws {
            let site = try BridgeSite()
            let policy = try site.lab.file(
                "policy.yaml",
                """
                version: 1
                ports:
                  a: { interface: vm-a, protects: workload, mode: xdp, vlans: any }
                defaults: { in: drop, out: drop }
                rules:
                  - { name: web, service: tcp/80, action: accept }
                """)
            let applied = try site.bulkhead.apply(policy)
            #expect(applied.ports.map(\.mode) == ["xdp-native"])
            let server = try IPSocket.bound(site.b, .tcp, "2001:db8:1::2", 80)
            defer { withExtendedLifetime(server) {} }
            #expect(site.a.connects(to: "2001:db8:1::2", 80))
            let mac = try site.b.mac(of: "eth0")
            let raw = try PacketSocket(site.a, "eth0")
            for family in AddressFamily.allCases {
                let probe = Datagram(BridgeSite.address(1, family), BridgeSite.address(2, family), .udp(1, 2))
                for _ in 0..<10 { try raw.send(Frame(probe, to: mac)) }
            }
            #expect(try poll(seconds: 2) { try site.bulkhead.counters().port("a", "out").reasons["default"] == 20 })
            let back = try PacketSocket(site.b, "eth0")
            let guest = try site.a.mac(of: "eth0")
            for _ in 0..<10 { try back.send(Frame(Datagram("198.51.100.2", "198.51.100.1", .udp(1, 2)), to: guest)) }
            #expect(try poll(seconds: 2) { try site.bulkhead.counters().port("a", "in").reasons["default"] == 10 })
            try site.bulkhead.counters().expectExactAccounting()
        }
    }
}
