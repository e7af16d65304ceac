// SPDX-License-Identifier: Apache-2.0
import Glibc
import Network
import TestSupport
import Testing

extension Integration {
    /// Connections through policies without rules for replies.
    @Suite(.serialized) struct FlowTests {
        private static let closed = "defaults: { in: drop, out: drop }"
        private static let web = "  - { name: web, service: tcp/80, direction: in, action: accept }"
        private static let addresses = [UplinkSite.v4.host, UplinkSite.v6.host]

        @Test func repliesPassWithoutARule() throws {
            let site = try UplinkSite()
            let rules = """
                \(Self.web)
                  - { name: dns, service: udp/53, direction: in, action: accept }
                  - { name: ping, service: ping, direction: in, action: accept }
                """
            try site.bulkhead.apply(try site.policy(rules, port: Self.closed))
            for address in Self.addresses {
                let server = try IPSocket.bound(site.host, .tcp, address, 80)
                let client = try IPSocket.connected(site.network, .tcp, address, 80)
                let session = try server.accept()
                try client.send([1, 2, 3])
                #expect(try session.receive() == [1, 2, 3])
                try session.send([4, 5])
                #expect(try client.receive() == [4, 5])
                try site.network.run("ping", "-c", "2", "-W", "2", "\(address)")
                #expect(!site.network.connects(to: address, 81))
                let flows = try site.bulkhead.run("flows", "--json").output.split(separator: "\n")
                #expect(flows.contains { $0.contains(#""dport": 80"#) && $0.contains(#""state": "established""#) })
                #expect(flows.allSatisfy { $0.contains(#""port": "uplink""#) })
            }
            #expect(try site.bulkhead.run("status", "--json").output.contains(#""capacity": 262144"#))
        }

        /// A connection continues while policies allow it, and ends with the first that does not.
        @Test func aConnectionOutlivesPoliciesThatAllowIt() throws {
            let site = try UplinkSite()
            try site.bulkhead.apply(try site.policy(Self.web, port: Self.closed))
            let server = try IPSocket.bound(site.host, .tcp, UplinkSite.v4.host, 80)
            let client = try IPSocket.connected(site.network, .tcp, UplinkSite.v4.host, 80)
            let session = try server.accept()
            for name in ["one", "two"] {
                let rule = "  - { name: \(name), service: \"tcp/*\", direction: in, action: accept }"
                #expect(try site.bulkhead.apply(try site.policy(rule, port: Self.closed)).changed)
                try session.send([7])
                #expect(try client.receive() == [7])
            }
            let none = "  - { name: none, service: tcp/80, action: drop }"
            try site.bulkhead.apply(try site.policy(none, port: Self.closed))
            try session.send([8])
            #expect(try client.receive() == nil)
            let counters = try site.bulkhead.counters()
            #expect(try counters.port("uplink", "out").reasons["policy-changed"] == 1)
        }

        /// Loading a policy does not cut connections that it allows.
        @Test func whatWasThereBeforeIsAdopted() throws {
            let site = try UplinkSite()
            let server = try IPSocket.bound(site.host, .tcp, UplinkSite.v6.host, 80)
            let client = try IPSocket.connected(site.network, .tcp, UplinkSite.v6.host, 80)
            let session = try server.accept()
            try site.bulkhead.apply(try site.policy(Self.web, port: Self.closed))
            try session.send([1])
            #expect(try client.receive() == [1])
            try client.send([2])
            #expect(try session.receive() == [2])
            let flows = try site.bulkhead.run("flows", "--json").output
            #expect(flows.contains(#""state": "established", "adopted": true"#))
        }

        /// Traffic that an earlier policy passed without a flow is adopted by one that needs flows, however long the
        /// port has been filtered.
        @Test func whatPassedWithoutAFlowIsAdopted() throws {
            let site = try UplinkSite()
            func policy(_ rules: String, _ name: String) throws -> String {
                try site.lab.file(
                    name,
                    """
                    version: 1
                    ports:
                      uplink: { interface: up0, protects: host }
                    defaults: { in: drop, out: drop, adopt: 1s }
                    rules:
                    \(rules)
                    """)
            }
            let free = """
                  - { name: free, service: "tcp/*", action: accept, stateless: true }
                  - { name: back, service: { protocol: tcp, sourcePorts: 80 }, action: accept, stateless: true }
                """
            try site.bulkhead.apply(try policy(free, "free.yaml"))
            let connections = try Self.addresses.map { address in
                let server = try IPSocket.bound(site.host, .tcp, address, 80)
                let client = try IPSocket.connected(site.network, .tcp, address, 80)
                return (server: server, client: client, session: try server.accept())
            }
            #expect(try site.bulkhead.run("flows", "--json").lines.isEmpty)
            usleep(1_100_000)
            try site.bulkhead.apply(try policy(Self.web, "tracked.yaml"))
            for connection in connections {
                try connection.session.send([1])
                #expect(try connection.client.receive() == [1])
            }
            let counters = try site.bulkhead.counters()
            #expect(try counters.port("uplink", "out").acceptReasons["adopted"] == 2)
            #expect(try site.bulkhead.run("flows", "--json").lines.count == 2)
        }

        /// Traffic that is accepted both ways takes no slot in the table, and continues under a policy that accepts
        /// only one direction.
        @Test func datagramsThatNeededNoFlowAreAdopted() throws {
            let site = try UplinkSite()
            try site.bulkhead.apply(try site.policy("  - { name: all, action: accept }", name: "open.yaml"))
            let ends = try [UplinkSite.v4, UplinkSite.v6].map { addresses in
                (
                    server: try IPSocket.connected(site.host, .udp, addresses.network, 40000, from: 53),
                    client: try IPSocket.connected(site.network, .udp, addresses.host, 53, from: 40000)
                )
            }
            for end in ends {
                try end.client.send([1])
                #expect(try end.server.receive() == [1])
            }
            #expect(try !site.bulkhead.run("flows", "--json").output.contains(#""dport": 53"#))
            let dns = "  - { name: dns, service: udp/53, direction: in, action: accept }"
            try site.bulkhead.apply(try site.policy(dns, port: Self.closed))
            for end in ends {
                try end.server.send([2])
                #expect(try end.client.receive() == [2])
                try end.client.send([3])
                #expect(try end.server.receive() == [3])
            }
            #expect(try site.bulkhead.counters().port("uplink", "out").acceptReasons["adopted"] == 2)
            // What the new policy accepts in neither direction is not adopted.
            let stranger = try IPSocket.connected(site.host, .udp, UplinkSite.v4.network, 40001, from: 54)
            try stranger.send([4])
            #expect(try site.bulkhead.counters().port("uplink", "out").reasons["default", default: 0] >= 1)
        }

        /// After the `adopt` time, an earlier connection that was silent meanwhile is not adopted; with `0s` none ever
        /// is.
        @Test(arguments: [0, 1]) func adoptingEnds(seconds: UInt32) throws {
            let site = try UplinkSite()
            let connections = try Self.addresses.map { address in
                let server = try IPSocket.bound(site.host, .tcp, address, 80)
                let client = try IPSocket.connected(site.network, .tcp, address, 80)
                return (server: server, client: client, session: try server.accept())
            }
            let policy = try site.lab.file(
                "adopt.yaml",
                """
                version: 1
                ports:
                  uplink: { interface: up0, protects: host }
                defaults: { in: drop, out: drop, adopt: \(seconds)s }
                rules:
                \(Self.web)
                """)
            try site.bulkhead.apply(policy)
            usleep(seconds * 1_100_000)
            for (number, connection) in connections.enumerated() {
                try connection.client.send([1])
                #expect(try connection.session.receive(milliseconds: 200) == nil)
                let dropped = try site.bulkhead.counters().port("uplink", "in").reasons["invalid-state", default: 0]
                #expect(dropped > number)
                // A new connection is opened and answered.
                #expect(site.network.connects(to: Self.addresses[number], 80))
            }
        }
    }
}
