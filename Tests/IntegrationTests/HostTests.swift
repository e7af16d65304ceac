// SPDX-License-Identifier: Apache-2.0
import Foundation
import Network
import TestSupport
import Testing

extension Integration {
    /// The reserved group `host` with the real command and the kernel's own tables: the host's addresses at the moment.
    @Suite(.serialized) struct HostTests {
        /// Finds which of a policy's rules decides about a datagram, from their counters before and after.
        private struct Judge {
            let bulkhead: Bulkhead
            let raw: PacketSocket
            let mac: MACAddress

            func rule(
                to address: IPAddress, from source: IPAddress? = nil, sourceLocation: SourceLocation = #_sourceLocation
            ) throws -> String? {
                let sender = source ?? (address.family == .v4 ? "203.0.113.200" : "2001:db8:ffff::200")
                let before = try bulkhead.counters().rules
                try raw.send(Frame(Datagram(sender, address, .udp(40000, 9)), to: mac))
                var name: String?
                _ = try poll(seconds: 5) {
                    let after = try bulkhead.counters()
                    name = try before.first { try after.rule($0.name).packets > $0.packets }?.name
                    return name != nil
                }
                return name
            }
        }

        /// Without flows, so that rules judge each packet.
        private static let rules = """
              - { name: mine, to: host, service: udp/9, action: accept, stateless: true }
              - { name: claimed, from: host, service: udp/9, action: accept, stateless: true }
              - { name: rest, service: udp/9, action: drop }
            """

        private static func forward(_ namespace: Namespace, _ isOn: Bool) throws {
            for family in ["ipv4", "ipv6"] {
                try namespace.run("sh", "-c", "echo \(isOn ? 1 : 0) > /proc/sys/net/\(family)/conf/all/forwarding")
            }
        }

        private static let late: [IPAddress] = ["198.51.100.50", "2001:db8:50::50"]

        private static func change(_ namespace: Namespace, _ verb: String, _ address: IPAddress, _ device: String)
            throws
        {
            // A thread of the kernel puts an address of IPv6 into the table that says what is the host's.
            let wait = "; timeout 10 sh -c 'until ip -6 route show table local | grep -q \"\(address) \"; do :; done'"
            let words = address.family == .v4 || verb == "del" ? "" : " nodad\(wait)"
            try namespace.run("sh", "-c", "ip addr \(verb) \(address)/\(address.family.bits) dev \(device)\(words)")
        }

        /// At boot, with DHCP, or when an address moves from host to host, the address comes after `apply`.
        @Test(arguments: ["tc", "native", "generic"], [false, true])
        func anAddressCountsAsSoonAsItComesOrGoes(mode: String, forwards: Bool) throws {
            let site = try UplinkSite()
            if mode == "generic" { try site.refuseNativeXDP() }
            try Self.forward(site.host, forwards)
            let applied = try site.bulkhead.apply(
                try site.policy(Self.rules, port: mode == "tc" ? "mode: tc" : "mode: xdp"))
            #expect(applied.ports[0].mode == (mode == "tc" ? "tc" : "xdp-\(mode)"))
            let judge = Judge(bulkhead: site.bulkhead, raw: try PacketSocket(site.network, "net0"), mac: site.mac)
            for address in Self.late {
                #expect(try judge.rule(to: address) == "rest")
                for device in ["up0", "lo"] {
                    try Self.change(site.host, "add", address, device)
                    #expect(try judge.rule(to: address) == "mine", "\(address) on \(device)")
                    #expect(try judge.rule(to: address.next) == "rest")
                    try Self.change(site.host, "del", address, device)
                    #expect(try judge.rule(to: address) == "rest", "\(address) no longer on \(device)")
                }
                // Any address of a network that has no device of its own.
                let network = Prefix(address, length: address.family.bits - 8)
                try site.host.run(
                    "ip", address.family == .v4 ? "-4" : "-6", "route", "add", "local", "\(network)", "dev", "lo")
                #expect(try judge.rule(to: address.next) == "mine")
            }
            for (address, rule) in [
                ("192.0.2.2", "mine"), ("2001:db8::2", "mine"), ("127.0.0.1", "mine"), ("::1", "mine"),
                // Neighbours, broadcast, multicast, and addresses without a route.
                ("192.0.2.1", "rest"), ("2001:db8::1", "rest"), ("192.0.2.255", "rest"), ("255.255.255.255", "rest"),
                ("224.0.0.251", "rest"), ("ff02::fb", "rest"), ("8.8.8.8", "rest"), ("2001:db8:1234::", "rest"),
                // A router has the anycast address of each of its networks.
                ("2001:db8::", forwards ? "mine" : "rest"),
            ] as [(IPAddress, String)] {
                #expect(try judge.rule(to: address) == rule, "\(address)")
            }
            #expect(try judge.rule(to: "192.0.2.1", from: "192.0.2.2") == "claimed")
        }

        /// Forwarded traffic is not for the host, whatever the routes are.
        @Test func whatARouterForwardsIsNotForIt() throws {
            let site = try UplinkSite()
            let inside = try site.lab.namespace("in")
            try site.lab.veth((inside, "eth0"), (site.host, "in0"))
            // A router solicits its neighbours from a link-local address.
            try site.lab.address(site.host, "in0", "203.0.113.1/24", "2001:db8:2::1/64", "fe80::1/64")
            try site.lab.address(inside, "eth0", "203.0.113.2/24", "2001:db8:2::2/64")
            try Self.forward(site.host, true)
            for (namespace, device, via) in [
                (inside, "eth0", ["203.0.113.1", "2001:db8:2::1"]),
                (site.network, "net0", ["192.0.2.2", "2001:db8::2"]),
            ] {
                for gateway in via {
                    try namespace.run(
                        "ip", gateway.contains(":") ? "-6" : "-4", "route", "add", "default", "via", gateway, "dev",
                        device)
                }
            }
            try site.bulkhead.apply(
                try site.policy(
                    "  - { name: mine, to: host, action: accept }", port: "defaults: { in: drop, out: accept }"))
            for (own, other) in [("203.0.113.1", "203.0.113.2"), ("2001:db8:2::1", "2001:db8:2::2")]
                as [(IPAddress, IPAddress)]
            {
                let servers = try [IPSocket.bound(site.host, .tcp, own, 80), IPSocket.bound(inside, .tcp, other, 80)]
                defer { withExtendedLifetime(servers) {} }
                #expect(site.network.connects(to: own, 80))
                #expect(!site.network.connects(to: other, 80))
                _ = try site.bulkhead.run("detach", "uplink")
                #expect(site.network.connects(to: other, 80))
                try site.bulkhead.apply(
                    try site.policy(
                        "  - { name: mine, to: host, action: accept }", port: "defaults: { in: drop, out: accept }"))
            }
        }

        /// A bridge's members have no addresses, but the bridge has. Bridged traffic is not for the host.
        @Test(arguments: [false, true]) func aGuestAndTheHostsAddressesOnItsBridge(forwards: Bool) throws {
            let site = try BridgeSite()
            try Self.forward(site.host, forwards)
            let policy = try site.lab.file(
                "policy.yaml",
                """
                version: 1
                ports:
                  a: { interface: vm-a, protects: workload, guard: off, defaults: { in: drop, out: drop } }
                rules:
                \(Self.rules)
                """)
            try site.bulkhead.apply(policy)
            let mac = try site.host.mac(of: "br0")
            let guest = Judge(bulkhead: site.bulkhead, raw: try PacketSocket(site.a, "eth0"), mac: mac)
            let elsewhere = try site.lab.namespace("far")
            try site.lab.veth((elsewhere, "eth0"), (site.host, "up0"))
            for family in AddressFamily.allCases {
                let gateway: IPAddress = family == .v4 ? "198.51.100.254" : "2001:db8:1::254"
                #expect(try guest.rule(to: gateway) == "rest")
                try Self.change(site.host, "add", gateway, "br0")
                #expect(try guest.rule(to: gateway) == "mine")
                #expect(try guest.rule(to: BridgeSite.address(2, family)) == "rest")
                // The addresses of its other devices too.
                let other: IPAddress = family == .v4 ? "203.0.113.7" : "2001:db8:9::7"
                try Self.change(site.host, "add", other, "up0")
                #expect(try guest.rule(to: other) == "mine")
                // What the host sends to the guest, and what another guest sends with the host's address or its own.
                let back = Judge(
                    bulkhead: site.bulkhead, raw: try PacketSocket(site.b, "eth0"), mac: try site.a.mac(of: "eth0"))
                #expect(try back.rule(to: BridgeSite.address(1, family), from: gateway) == "claimed")
                #expect(try back.rule(to: BridgeSite.address(1, family)) == "rest")
                try Self.change(site.host, "del", gateway, "br0")
                #expect(try guest.rule(to: gateway) == "rest")
            }
        }

        /// The same link-local address may be the host's on one link and a neighbour's on another.
        @Test func aLinkLocalAddressIsTheHostsOnItsOwnLink() throws {
            let site = try BridgeSite()
            try site.lab.bridge(site.host, "br1", ports: [])
            try site.bulkhead.apply(
                try site.lab.file(
                    "policy.yaml",
                    """
                    version: 1
                    ports:
                      a: { interface: vm-a, protects: workload, guard: off, defaults: { in: drop, out: drop } }
                    rules:
                    \(Self.rules)
                    """))
            let guest = Judge(
                bulkhead: site.bulkhead, raw: try PacketSocket(site.a, "eth0"), mac: try site.host.mac(of: "br0"))
            for device in ["br1", "br0"] {
                try site.host.run("ip", "addr", "add", "fe80::1/64", "dev", device, "nodad")
                #expect(try guest.rule(to: "fe80::1") == (device == "br0" ? "mine" : "rest"))
            }
            try site.host.run("ip", "addr", "del", "fe80::1/64", "dev", "br1")
            #expect(try guest.rule(to: "fe80::1") == "mine")
            try site.host.run("ip", "addr", "del", "fe80::1/64", "dev", "br0")
            #expect(try guest.rule(to: "fe80::1") == "rest")
        }

        /// A link-local address of a VLAN of the bridge is the host's at the bridge's ports.
        @Test(.enabled(if: Kinds.has("vlan id 5 link base"), "the kernel has no VLAN devices"))
        func aLinkLocalAddressOfAVLANOfTheBridge() throws {
            let site = try BridgeSite()
            try site.host.run("ip", "link", "add", "link", "br0", "name", "br0.5", "type", "vlan", "id", "5")
            try site.host.run("ip", "link", "set", "br0.5", "up")
            try site.bulkhead.apply(
                try site.lab.file(
                    "policy.yaml",
                    """
                    version: 1
                    ports:
                      a: { interface: vm-a, protects: workload, guard: off, defaults: { in: drop, out: drop } }
                    rules:
                    \(Self.rules)
                    """))
            let guest = Judge(
                bulkhead: site.bulkhead, raw: try PacketSocket(site.a, "eth0"), mac: try site.host.mac(of: "br0"))
            #expect(try guest.rule(to: "fe80::5") == "rest")
            try site.host.run("ip", "addr", "add", "fe80::5/64", "dev", "br0.5", "nodad")
            #expect(try guest.rule(to: "fe80::5") == "mine")
        }

        /// A router has the same link-local address on each of its devices, with one route for each.
        @Test func aLinkLocalAddressOfManyDevices() throws {
            let site = try UplinkSite()
            let devices = (1...300).map { "link add p\($0) type veth peer name q\($0)" }
            let ends = (1...300).flatMap { ["p\($0)", "q\($0)"] }
            let rest = ends.flatMap { ["link set \($0) up", "addr add fe80::1/64 dev \($0) nodad"] }
            try site.host.run("ip", "-batch", try site.lab.file("devices", (devices + rest).joined(separator: "\n")))
            try site.host.run("ip", "addr", "add", "fe80::1/64", "dev", "up0", "nodad")
            try site.bulkhead.apply(try site.policy(Self.rules))
            let judge = Judge(bulkhead: site.bulkhead, raw: try PacketSocket(site.network, "net0"), mac: site.mac)
            #expect(try judge.rule(to: "fe80::1") == "mine")
            // Every device has the anycast address of its link's routers.
            try Self.forward(site.host, true)
            #expect(try judge.rule(to: "fe80::") == "mine")
            try site.host.run("ip", "addr", "del", "fe80::1/64", "dev", "up0")
            #expect(try judge.rule(to: "fe80::1") == "rest")
        }

        /// Routing tables whose numbers share a chain of the kernel's hash with the host's own table.
        @Test func manyTablesOfRoutes() throws {
            let site = try UplinkSite()
            try site.bulkhead.apply(try site.policy(Self.rules))
            let judge = Judge(bulkhead: site.bulkhead, raw: try PacketSocket(site.network, "net0"), mac: site.mac)
            let tables = (1...12).map { 255 + 256 * $0 }.flatMap {
                [
                    "route add 198.51.100.0/24 dev up0 table \($0)",
                    "-6 route add 2001:db8:9::/64 dev up0 table \($0)",
                ]
            }
            for line in tables { try site.host.run("sh", "-ec", "ip \(line)") }
            for address in [UplinkSite.v4.host, UplinkSite.v6.host] {
                #expect(try judge.rule(to: address) == "mine")
                #expect(try judge.rule(to: address.next) == "rest")
            }
        }

        /// The addresses of a VRF are the host's on the VRF's devices, and nowhere else.
        @Test(.enabled(if: Kinds.has("vrf table 77"), "the kernel has no VRFs")) func inAVRF() throws {
            let site = try UplinkSite()
            try site.host.run("ip", "link", "add", "red", "type", "vrf", "table", "1077")
            try site.host.run("ip", "link", "set", "red", "up")
            let inside = try site.lab.namespace("in")
            try site.lab.veth((inside, "eth0"), (site.host, "in0"))
            try site.host.run("ip", "link", "set", "in0", "master", "red")
            try site.lab.address(site.host, "in0", "203.0.113.1/24", "2001:db8:2::1/64")
            try site.bulkhead.apply(
                try site.lab.file(
                    "policy.yaml",
                    """
                    version: 1
                    ports:
                      uplink: { interface: up0, protects: host }
                      inside: { interface: in0, protects: host }
                    rules:
                    \(Self.rules)
                    """))
            let member = Judge(
                bulkhead: site.bulkhead, raw: try PacketSocket(inside, "eth0"), mac: try site.host.mac(of: "in0"))
            let other = Judge(bulkhead: site.bulkhead, raw: try PacketSocket(site.network, "net0"), mac: site.mac)
            for address in ["203.0.113.1", "2001:db8:2::1"] as [IPAddress] {
                #expect(try member.rule(to: address) == "mine")
                #expect(try member.rule(to: address.next) == "rest")
                #expect(try other.rule(to: address) == "rest")
            }
            for address in ["192.0.2.2", "2001:db8::2"] as [IPAddress] {
                #expect(try other.rule(to: address) == "mine")
            }
            for address in Self.late {
                try Self.change(site.host, "add", address, "red")
                #expect(try member.rule(to: address) == "mine")
                try Self.change(site.host, "del", address, "red")
                #expect(try member.rule(to: address) == "rest")
            }
        }

        /// The kernel generates a temporary address, which was unknown at `apply`.
        @Test func aPrivacyAddress() throws {
            let site = try UplinkSite()
            try site.bulkhead.apply(try site.policy(Self.rules))
            try site.host.run("sh", "-c", "echo 2 > /proc/sys/net/ipv6/conf/up0/use_tempaddr")
            try site.host.run("ip", "addr", "add", "2001:db8:5::2/64", "dev", "up0", "mngtmpaddr", "nodad")
            var temporary: IPAddress?
            _ = try poll(seconds: 5) {
                let words = try site.host.run("ip", "-6", "-o", "addr", "show", "dev", "up0", "temporary", "-tentative")
                    .split(separator: " ")
                temporary =
                    words.lazy.compactMap { try? Prefix(parsing: String($0.prefix { $0 != "/" })) }
                    .first { $0.address.family == .v6 }?.address
                return temporary != nil
            }
            let address = try #require(temporary)
            #expect(address != "2001:db8:5::2")
            let judge = Judge(bulkhead: site.bulkhead, raw: try PacketSocket(site.network, "net0"), mac: site.mac)
            #expect(try judge.rule(to: address) == "mine")
        }

        /// A port in another namespace uses that namespace's addresses.
        @Test func eachNamespaceHasItsOwn() throws {
            let site = try BridgeSite()
            try site.lab.address(site.host, "br0", "203.0.113.1/24")
            let policy = try site.lab.file(
                "policy.yaml",
                """
                version: 1
                ports:
                  inside: { interface: eth0, netns: \(site.b.name), protects: host, \
                defaults: { in: drop, out: accept } }
                rules:
                \(Self.rules)
                """)
            try site.bulkhead.apply(policy)
            let judge = Judge(
                bulkhead: site.bulkhead, raw: try PacketSocket(site.a, "eth0"), mac: try site.b.mac(of: "eth0"))
            #expect(try judge.rule(to: "198.51.100.2") == "mine")
            #expect(try judge.rule(to: "203.0.113.1") == "rest")
            try Self.change(site.b, "add", "203.0.113.9", "lo")
            #expect(try judge.rule(to: "203.0.113.9") == "mine")
            // `explain` uses the port's namespace too.
            for (address, rule) in [("203.0.113.9", "mine"), ("203.0.113.1", "rest")] {
                let result = try site.bulkhead.run(
                    "explain", "198.51.100.1", address, "udp/9", "--at", "inside", "--direction", "in")
                #expect(result.output.contains(rule), "\(result.output)\(result.errors)")
            }
        }

        /// What the host sends is from the host; what it forwards is not.
        @Test func whatTheHostSends() throws {
            let site = try UplinkSite()
            try site.bulkhead.apply(
                try site.policy(
                    "  - { name: sent, from: host, action: accept }", port: "defaults: { in: accept, out: drop }"))
            let server = try IPSocket.bound(site.network, .tcp, "192.0.2.1", 80)
            defer { withExtendedLifetime(server) {} }
            #expect(site.host.connects(to: "192.0.2.1", 80))
            try site.host.run("ip", "addr", "del", "192.0.2.2/24", "dev", "up0")
            try site.host.run("ip", "addr", "add", "192.0.2.77/24", "dev", "up0")
            #expect(site.host.connects(to: "192.0.2.1", 80))
            #expect(try site.bulkhead.counters().rule("sent").packets >= 2)
        }

        /// The filter ends a connection within a second after its address is gone.
        @Test func aConnectionEndsWithItsAddress() throws {
            let site = try UplinkSite()
            try site.bulkhead.apply(
                try site.policy(
                    "  - { name: mine, to: host, action: accept, direction: in }",
                    port: "defaults: { in: drop, out: accept }"))
            try Self.change(site.host, "add", "198.51.100.50", "up0")
            try site.network.run("ip", "route", "add", "198.51.100.50/32", "dev", "net0")
            let server = try IPSocket.bound(site.host, .tcp, "198.51.100.50", 80)
            let client = try IPSocket.connected(site.network, .tcp, "198.51.100.50", 80)
            let session = try server.accept()
            try client.send([1])
            #expect(try session.receive() == [1])
            #expect(try site.bulkhead.counters().port("uplink", "in").reasons["policy-changed"] ?? 0 == 0)
            try Self.change(site.host, "del", "198.51.100.50", "up0")
            let ended = try poll(seconds: 3) {
                try? client.send([2])
                return try site.bulkhead.counters().port("uplink", "in").reasons["policy-changed"] ?? 0 > 0
            }
            #expect(ended)
        }
    }
}

/// Kinds of devices that not every kernel has.
enum Kinds {
    /// - Parameter words: The arguments of `ip link add` after `type`; `link DEVICE` at the end names the lower device.
    static func has(_ words: String) -> Bool {
        guard let lab = try? Lab(), let namespace = try? lab.namespace("kinds") else { return false }
        let parts = words.components(separatedBy: " link ")
        let lower = parts.count > 1 ? "link \(parts[1]) " : ""
        let result = try? Shell.run(
            namespace.command([
                "sh", "-c", "ip link add base type bridge; ip link add \(lower)name probe type \(parts[0])",
            ]))
        return result?.status == 0
    }
}

extension IPAddress {
    fileprivate var next: IPAddress { IPAddress(family: family, value: value + 1) }
}
