// SPDX-License-Identifier: Apache-2.0
import Network
import TestSupport
import Testing

extension Integration {
    /// A router of three zones, each a bridge or a link of its own, kept apart as a container host keeps its networks.
    @Suite(.serialized) struct ViaTests {
        ///     wan (wan0) ---- (up0) router: blue with c0, c1; green0 ---- (eth0) c0, c1, g0
        private struct Site {
            let lab: Lab
            let router: Namespace
            let wan: Namespace
            let blue: [Namespace]
            let green: Namespace
            let bulkhead: Bulkhead

            static func address(_ zone: Int, _ number: Int, _ family: AddressFamily) -> IPAddress {
                let v4: UInt32 = [0xcb00_7100, 0xc633_6400, 0xc000_0200][zone]
                return family == .v4
                    ? IPAddress(v4: v4 + UInt32(number))
                    : IPAddress(v6: UInt128(0x2001_0db8_0000_0000 + UInt64(zone)) << 64 + UInt128(number))
            }

            init() throws {
                let lab = try Lab()
                self.lab = lab
                let router = try lab.namespace("router")
                self.router = router
                wan = try lab.namespace("wan")
                blue = try (0...1).map { try lab.namespace("blue\($0)") }
                green = try lab.namespace("green")
                bulkhead = Bulkhead(lab, in: router)
                try lab.veth((wan, "eth0"), (router, "up0"))
                for (number, namespace) in blue.enumerated() {
                    try lab.veth((namespace, "eth0"), (router, "c\(number)"))
                }
                try lab.veth((green, "eth0"), (router, "green0"))
                try lab.bridge(router, "blue", ports: ["c0", "c1"])
                for (zone, device) in ["up0", "blue", "green0"].enumerated() {
                    // A router asks for the neighbours of others' packets from its link-local address.
                    try lab.address(
                        router, device, "\(Self.address(zone, 1, .v4))/24", "\(Self.address(zone, 1, .v6))/64",
                        "fe80::\(zone + 1)/64")
                }
                try router.run(
                    "sh", "-ec",
                    """
                    echo 1 > /proc/sys/net/ipv4/ip_forward; echo 1 > /proc/sys/net/ipv6/conf/all/forwarding
                    for file in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 0 > $file; done
                    """)
                for (zone, number, end) in [(0, 9, wan), (1, 10, blue[0]), (1, 11, blue[1]), (2, 20, green)] {
                    for family in AddressFamily.allCases {
                        let bits = family == .v4 ? 24 : 64
                        try lab.address(end, "eth0", "\(Self.address(zone, number, family))/\(bits)")
                        try end.run(
                            "ip", family == .v4 ? "-4" : "-6", "route", "add", "default", "via",
                            "\(Self.address(zone, 1, family))")
                    }
                }
            }

            func apply(_ rules: String) throws {
                try bulkhead.apply(
                    try lab.file(
                        "policy.yaml",
                        """
                        version: 1
                        ports:
                          uplink: { interface: up0, protects: host }
                          blue: { interface: blue, protects: host }
                          green: { interface: green0, protects: host }
                          containers: { interface: "c?", protects: workload, vlans: none }
                        defaults: { in: accept, out: drop, adopt: 0s }
                        rules:
                        \(rules)
                        """))
            }

            /// Whether a datagram arrives.
            func talks(_ from: (Namespace, Int, Int), _ to: (Namespace, Int, Int), _ family: AddressFamily) throws
                -> Bool
            {
                let there = Self.address(to.1, to.2, family)
                let server = try IPSocket.bound(to.0, .udp, there, 7000)
                let client = try IPSocket.connected(from.0, .udp, there, 7000, from: 7001)
                try client.send([1])
                return try server.count(quiet: 300) > 0
            }
        }

        private static let isolation = """
              - { name: out, via: [blue, green], at: uplink, action: accept }
              - { name: own, via: host, action: accept }
              - { name: within-blue, via: "containers", at: containers, direction: in, action: accept }
              - { name: guests, direction: out, at: containers, action: accept }
              - { name: to-guests, via: [blue, uplink, host], at: containers, action: accept }
            """

        @Test(arguments: AddressFamily.allCases) func zonesAreKeptApart(family: AddressFamily) throws {
            let site = try Site()
            try site.apply(Self.isolation)
            let ends: [(name: String, end: (Namespace, Int, Int))] = [
                ("wan", (site.wan, 0, 9)), ("blue", (site.blue[0], 1, 10)), ("blue2", (site.blue[1], 1, 11)),
                ("green", (site.green, 2, 20)), ("router", (site.router, 1, 1)),
            ]
            func talks(_ from: String, _ to: String) throws -> Bool {
                let one = try #require(ends.first { $0.name == from }).end
                let two = try #require(ends.first { $0.name == to }).end
                return try site.talks(one, two, family)
            }
            #expect(try talks("blue", "wan"))
            #expect(try talks("green", "wan"))
            #expect(try talks("router", "green"))
            #expect(try talks("router", "blue"))
            #expect(try talks("blue", "blue2"))
            #expect(try !talks("blue", "green"))
            #expect(try !talks("green", "blue"))
            #expect(try !talks("wan", "green"))
            #expect(try !talks("wan", "blue"))
            let counted = try site.bulkhead.counters()
            #expect(try counted.rule("out").packets == 2)
            #expect(try counted.rule("within-blue").packets == 1)
        }

        /// A flow goes on after a change of policy as long as packets from where it was opened are accepted.
        @Test(arguments: AddressFamily.allCases) func aFlowIsJudgedByWhereItCameFrom(family: AddressFamily) throws {
            let site = try Site()
            let rule = "  - { name: out, via: ZONE, at: uplink, action: accept }"
            try site.apply(rule.replacing("ZONE", with: "green"))
            let server = try IPSocket.bound(site.wan, .udp, Site.address(0, 9, family), 7000)
            let client = try IPSocket.connected(site.green, .udp, Site.address(0, 9, family), 7000, from: 7001)
            try client.send([1])
            #expect(try server.count(quiet: 300) == 1)
            try site.apply(rule.replacing("ZONE", with: "[green, host]"))
            try client.send([2])
            #expect(try server.count(quiet: 300) == 1)
            try site.apply(rule.replacing("ZONE", with: "blue"))
            try client.send([3])
            #expect(try server.count(quiet: 300) == 0)
            #expect(try site.bulkhead.counters().port("uplink", "out").reasons["policy-changed"] == 1)
        }

        /// `explain` follows the kernel's routes and takes each port by where the packet came from.
        @Test func explainKnowsTheWay() throws {
            let site = try Site()
            try site.apply(Self.isolation)
            func verdict(_ from: IPAddress, _ to: IPAddress) throws -> String {
                try site.bulkhead.json(Explained.self, "explain", "\(from)", "\(to)", "udp/7000").verdict
            }
            let (green, wan) = (Site.address(2, 20, .v4), Site.address(0, 9, .v4))
            #expect(try verdict(green, wan) == "accept")
            #expect(try verdict(wan, green) == "drop")
            #expect(try verdict(green, Site.address(1, 10, .v4)) == "drop")
            func verdict(via: String) throws -> String {
                try site.bulkhead.json(
                    Explained.self, "explain", "\(green)", "\(wan)", "udp/7000", "--at", "uplink", "--direction", "out",
                    "--via", via
                ).verdict
            }
            #expect(try verdict(via: "green") == "accept")
            #expect(try verdict(via: "host") == "accept")
            #expect(try verdict(via: "uplink") == "drop")
        }
    }
}
