// SPDX-License-Identifier: Apache-2.0
import Network
import Policy
import TestSupport
import Testing

extension Integration {
    /// The scope of a flow: where it admits packets, and where it does not.
    @Suite(.serialized) struct FlowScopeTests {
        // MARK: Two uplinks

        /// A connection opened through one uplink is answered through the other.
        @Test func uplinksOfOneEntryShareFlows() throws {
            let site = try UplinksSite()
            try site.apply("uplinks: { interface: [up0, up1], protects: host }")
            for family in AddressFamily.allCases {
                #expect(try site.pings(family), "IP\(family)")
                #expect(try site.echoes(.udp, family), "IP\(family)")
                #expect(try site.echoes(.tcp, family), "IP\(family)")
            }
            for device in ["up0", "up1"] {
                // All answers came through the second uplink, and were admitted by a flow.
                let counted = try site.bulkhead.counters().port("uplinks/\(device)", "in")
                #expect((counted.acceptReasons["established", default: 0] > 0) == (device == "up1"))
                #expect(counted.dropped.packets == 0)
            }
            try site.bulkhead.counters().expectExactAccounting()
        }

        /// Uplinks of two entries do not share flows.
        @Test func uplinksOfTwoEntriesDoNot() throws {
            let site = try UplinksSite()
            try site.apply(
                "one: { interface: up0, protects: host }", "two: { interface: up1, protects: host }")
            for family in AddressFamily.allCases {
                #expect(try !site.pings(family))
                #expect(try !site.echoes(.udp, family))
                #expect(try !site.echoes(.tcp, family))
            }
            #expect(try site.bulkhead.counters().port("two", "in").reasons["default", default: 0] >= 6)
            #expect(try site.bulkhead.run("flows", "--json").lines.allSatisfy { $0.contains(#""port": "one""#) })
        }

        // MARK: Two ports of a bridge

        private static func guests(_ b: String, _ site: BridgeSite) throws -> String {
            try site.lab.file(
                "policy.yaml",
                """
                version: 1
                ports:
                  a: { interface: vm-a, protects: workload, defaults: { in: drop, out: accept } }
                  b: { interface: vm-b, protects: workload, defaults: { in: \(b), out: drop } }
                defaults: { adopt: 0s }
                """)
        }

        /// Guest a may send, and its port has a flow; guest b accepts nothing.
        @Test func aFlowAtTheFirstPortIsNoneAtTheSecond() throws {
            let site = try BridgeSite()
            try site.bulkhead.apply(try Self.guests("drop", site))
            for family in AddressFamily.allCases {
                let address = BridgeSite.address(2, family)
                let server = try IPSocket.bound(site.b, .udp, address, 5000)
                let client = try IPSocket.connected(site.a, .udp, address, 5000)
                for _ in 0..<3 { try client.send([1]) }
                #expect(try server.receive(milliseconds: 200) == nil)
                #expect(!site.a.connects(to: address, 80))
            }
            let counters = try site.bulkhead.counters()
            #expect(try counters.port("a", "out").dropped.packets == 0)
            #expect(try counters.port("b", "in").reasons["default", default: 0] >= 8)
            #expect(try counters.port("b", "in").reasons.count == 1)
            let flows = try site.bulkhead.run("flows", "--json").lines
            #expect(flows.count == 4 && flows.allSatisfy { $0.contains(#""port": "a""#) })
        }

        /// The same for a connection that both ports had accepted, once b's port no longer accepts it.
        @Test func aFlowThatEndsAtTheSecondPort() throws {
            let site = try BridgeSite()
            try site.bulkhead.apply(try Self.guests("accept", site))
            let servers = try AddressFamily.allCases.map { family in
                let server = try IPSocket.bound(site.b, .udp, BridgeSite.address(2, family), 5000)
                let client = try IPSocket.connected(site.a, .udp, BridgeSite.address(2, family), 5000)
                try client.send([1])
                #expect(try server.receive() == [1])
                return (server, client)
            }
            try site.bulkhead.apply(try Self.guests("drop", site))
            for (server, client) in servers {
                for _ in 0..<3 { try client.send([2]) }
                #expect(try server.receive(milliseconds: 200) == nil)
            }
            let counters = try site.bulkhead.counters()
            #expect(try counters.port("a", "out").dropped.packets == 0)
            #expect(try counters.port("b", "in").reasons == ["policy-changed": 2, "default": 4])
        }

        // MARK: A device that takes another's place

        /// A device to which only replies may be sent.
        private static func listening(at device: String, _ protects: Protects, _ site: BridgeSite) throws -> String {
            let defaults = protects == .host ? "in: accept, out: drop" : "in: drop, out: accept"
            return try site.lab.file(
                "\(device).yaml",
                """
                version: 1
                ports:
                  at-\(device): { interface: \(device), protects: \(protects.rawValue) }
                defaults: { \(defaults) }
                """)
        }

        /// A device reuses the number of one that is gone, or an entry that of another entry. A reply to the earlier
        /// one finds none of its flows.
        @Test(arguments: Protects.allCases) func whoTakesAnothersPlaceHasNoneOfItsFlows(protects: Protects) throws {
            let site = try BridgeSite()
            let policies = try ["vm-a", "vm-b", "vm-c"].map { try Self.listening(at: $0, protects, site) }
            try site.bulkhead.apply(policies[0])
            let (a, b) = try (PacketSocket(site.a, "eth0"), PacketSocket(site.b, "eth0"))
            let replies = AddressFamily.allCases.map { family in
                Frame(Datagram(BridgeSite.address(2, family), BridgeSite.address(1, family), .udp(53, 4000)))
            }
            for (family, reply) in zip(AddressFamily.allCases, replies) {
                let (own, other) = (BridgeSite.address(1, family), BridgeSite.address(2, family))
                try a.send(Frame(Datagram(own, other, .udp(4000, 53)), from: Frame.peer, to: Frame.guest))
                try b.send(reply)
            }
            #expect(try a.receiveAll() == replies)
            #expect(try site.bulkhead.run("flows", "--json").lines.count == 2)
            // The number is free once a generation without the device has been in force.
            try site.bulkhead.apply(policies[1])
            let c = try site.lab.namespace("c")
            try site.lab.veth((c, "eth0"), (site.host, "vm-c"))
            try site.host.run("ip", "link", "delete", "vm-a")
            try site.host.run("ip", "link", "set", "vm-c", "master", "br0")
            try site.bulkhead.apply(policies[2])
            #expect(try site.bulkhead.run("flows", "--json").lines.isEmpty)
            let heard = try PacketSocket(c, "eth0")
            for reply in replies { try b.send(reply) }
            #expect(try heard.receiveAll().isEmpty)
            let direction = protects == .host ? "out" : "in"
            #expect(try site.bulkhead.counters().port("at-vm-c", direction).reasons["default"] == 2)
        }
    }
}
