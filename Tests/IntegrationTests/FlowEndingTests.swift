// SPDX-License-Identifier: Apache-2.0
import Foundation
import Network
import TestSupport
import Testing

extension Integration {
    /// `flows` with its filters, and `flows --kill`.
    @Suite(.serialized) struct FlowEndingTests {
        private struct Listed: Decodable {
            var port: String
            var src: String
            var dst: String
            var `protocol`: String
            var dport: Int?
            var state: String
        }

        private struct Killed: Decodable { var killed: Int }

        private static func policy(_ site: UplinkSite, adopt: Int) throws -> String {
            try site.lab.file(
                "policy.yaml",
                """
                version: 1
                ports:
                  uplink: { interface: up0, protects: host }
                defaults: { in: drop, out: drop, adopt: \(adopt)s }
                services: { site: [tcp/80, tcp/81] }
                rules:
                  - { name: web, service: site, direction: in, action: accept }
                  - { name: dns, service: udp/53, direction: in, action: accept }
                  - { name: ping, service: ping, direction: in, action: accept }
                """)
        }

        private struct Connection {
            let client: IPSocket
            let session: IPSocket
            private let server: IPSocket

            init(_ site: UplinkSite, _ address: IPAddress, _ port: UInt16) throws {
                server = try IPSocket.bound(site.host, .tcp, address, port)
                client = try IPSocket.connected(site.network, .tcp, address, port)
                session = try server.accept()
            }

            func passes(_ byte: UInt8) throws -> Bool {
                try client.send([byte])
                return try session.receive(milliseconds: 300) == [byte]
            }
        }

        /// Connections to two services in both families, one of them half-open, and an echo.
        private static func listed(_ site: UplinkSite, _ words: String...) throws -> [Listed] {
            let result = try Shell.run(site.bulkhead.command(["flows", "--json"] + words))
            #expect(result.status == 0, "\(result.errors)")
            return try result.lines.map { try JSONDecoder().decode(Listed.self, from: Data($0.utf8)) }
        }

        @Test func filtersSelectAndTheListIsSorted() throws {
            let site = try UplinkSite()
            try site.bulkhead.apply(try Self.policy(site, adopt: 0))
            let held = try [UplinkSite.v6.host, UplinkSite.v4.host].flatMap { address in
                try [81, 80].map { try Connection(site, address, $0) }
            }
            let raw = try PacketSocket(site.network, "net0")
            try raw.send(site.probe(to: 53, sender: "192.0.2.77"))
            try site.network.run("ping", "-c", "1", "-W", "2", "192.0.2.2")
            let all = try Self.listed(site)
            let order = all.map { "\($0.src) \($0.protocol) \($0.dport ?? 0)" }
            #expect(
                order == [
                    "192.0.2.1 icmp 0", "192.0.2.1 tcp 80", "192.0.2.1 tcp 81", "192.0.2.77 udp 53",
                    "2001:db8::1 tcp 80", "2001:db8::1 tcp 81",
                ])
            #expect(all.allSatisfy { $0.port == "uplink" })
            func count(_ words: String...) throws -> Int {
                try Shell.run(site.bulkhead.command(["flows", "--json"] + words)).lines.count
            }
            #expect(try count("--service", "tcp/80") == 2)
            #expect(try count("--service", "site") == 4)
            #expect(try count("--service", "ping") == 1)
            #expect(try count("--service", "dns", "--service", "tcp/81") == 3)
            #expect(try count("--host", "192.0.2.64/26") == 1)
            #expect(try count("--host", "192.0.2.2") == 4)
            #expect(try count("--host", "2001:db8::/64", "--service", "tcp/80") == 1)
            #expect(try count("--state", "established", "--service", "tcp/*") == 4)
            #expect(try count("--state", "opening") == 1)
            #expect(try count("--state", "opening", "--state", "established", "--service", "site") == 4)
            #expect(try count("--port", "up0") == 6)
            #expect(try count("--port", "uplink", "--host", "198.51.100.0/24") == 0)
            let unknown = try site.bulkhead.run("flows", "--port", "downlink")
            #expect(unknown.status == 1 && unknown.errors.contains("no port is called 'downlink'"), "\(unknown.errors)")
            #expect(try site.bulkhead.run("flows", "--state", "open").status == 64)
            withExtendedLifetime(held) {}
        }

        /// Within the time of `adopt` as after it: the next segment is of no connection, and is not adopted.
        @Test(arguments: [0, 120], AddressFamily.allCases)
        func aKilledConnectionIsOver(adopt: Int, family: AddressFamily) throws {
            let site = try UplinkSite()
            try site.bulkhead.apply(try Self.policy(site, adopt: adopt))
            let address = family == .v4 ? UplinkSite.v4.host : UplinkSite.v6.host
            let (ended, kept) = (try Connection(site, address, 80), try Connection(site, address, 81))
            #expect(try ended.passes(1))
            #expect(try kept.passes(1))
            let before = try site.bulkhead.counters()
            #expect(try site.bulkhead.json(Killed.self, "flows", "--kill", "--service", "tcp/80").killed == 1)
            #expect(try Self.listed(site).map(\.dport) == [81])
            let after = try site.bulkhead.counters()
            // A mark against adopting keeps its place.
            #expect(after.flows.used == before.flows.used - (adopt == 0 ? 1 : 0))
            #expect(after.flows.ended == before.flows.ended + 1)
            #expect(try !ended.passes(2))
            try ended.session.send([3])
            #expect(try ended.client.receive(milliseconds: 300) == nil)
            let counters = try site.bulkhead.counters()
            // No rule accepts what the server sends.
            for (direction, reason) in [("in", "invalid-state"), ("out", "default")] {
                let port = try counters.port("uplink", direction)
                #expect(port.reasons[reason, default: 0] >= 1, "\(direction)")
                #expect(port.acceptReasons["adopted"] == nil)
            }
            #expect(try kept.passes(2))
            // A new connection is judged by the rules.
            #expect(site.network.connects(to: address, 80))
            // A second time there is nothing to end of the first.
            #expect(try site.bulkhead.run("flows", "--kill", "--host", "198.51.100.7").output == "0 flows ended\n")
        }

        /// The answer to a datagram does not pass any more; the next question opens a flow anew.
        @Test func aKilledExchangeOfDatagrams() throws {
            let site = try UplinkSite()
            try site.bulkhead.apply(try Self.policy(site, adopt: 120))
            let server = try IPSocket.connected(site.host, .udp, UplinkSite.v4.network, 40000, from: 53)
            let client = try IPSocket.connected(site.network, .udp, UplinkSite.v4.host, 53, from: 40000)
            try client.send([1])
            #expect(try server.receive() == [1])
            try server.send([2])
            #expect(try client.receive() == [2])
            let result = try site.bulkhead.run("flows", "--kill", "--port", "uplink", "--state", "answered")
            #expect(result.output == "1 flow ended\n", "\(result.errors)")
            try server.send([3])
            #expect(try client.receive(milliseconds: 300) == nil)
            try client.send([4])
            #expect(try server.receive() == [4])
            try server.send([5])
            #expect(try client.receive() == [5])
        }

        @Test func killNeedsAFilter() throws {
            let site = try UplinkSite()
            try site.bulkhead.apply(try Self.policy(site, adopt: 0))
            let connection = try Connection(site, UplinkSite.v4.host, 80)
            let refused = try site.bulkhead.run("flows", "--kill")
            #expect(refused.status == 64)
            #expect(refused.errors.contains("--port, --host, --service or --state"), "\(refused.errors)")
            #expect(try site.bulkhead.run("flows", "--kill", "--service", "no-such").status == 1)
            #expect(try connection.passes(1))
        }

        /// More flows than a bucket has places, so that some are in the reserve: all of them go, and their places are
        /// free again.
        @Test func thousandsAreKilled() throws {
            let site = try UplinkSite()
            try site.bulkhead.apply(try Self.policy(site, adopt: 0))
            let raw = try PacketSocket(site.network, "net0")
            for port in UInt16(10_000)..<13_000 { try raw.send(site.probe(to: 53, from: port)) }
            #expect(try poll(seconds: 5) { try site.bulkhead.counters().flows.used == 3000 })
            #expect(try site.bulkhead.json(Killed.self, "flows", "--kill", "--state", "opening").killed == 3000)
            #expect(try site.bulkhead.counters().flows.used == 0)
            #expect(try Self.listed(site).isEmpty)
        }
    }
}
