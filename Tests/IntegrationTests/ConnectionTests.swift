// SPDX-License-Identifier: Apache-2.0
import Foundation
import Network
import TestSupport
import Testing

extension Integration {
    /// Rules with `connections`, with traffic on all CPUs and the real commands.
    @Suite(.serialized) struct ConnectionTests {
        private struct Killed: Decodable { var killed: Int }

        private static func policy(_ site: UplinkSite, _ name: String, _ connections: String) throws -> String {
            let rule = "name: \(name), service: udp/53, direction: in, action: accept, connections: { \(connections) }"
            return try site.policy("  - { \(rule) }", port: "mode: tc, defaults: { in: drop }")
        }

        /// Sends openings of as many conversations at once, half of them by IPv6, each from a port of its own.
        private static func flood(_ site: UplinkSite, _ ports: ClosedRange<UInt16>) throws {
            let senders = try (0..<4).map { number in
                let raw = try PacketSocket(site.network, "net0")
                let family: AddressFamily = number % 2 == 0 ? .v4 : .v6
                let own = ports.filter { Int($0 / 2) % 2 == number / 2 }
                return Background { _ in for port in own { try raw.send(site.probe(family, to: 53, from: port)) } }
            }
            for sender in senders { try sender.value() }
        }

        /// How many packets the rule accepted, once so many have come.
        private static func accepted(_ site: UplinkSite, of packets: Int) throws -> Int? {
            #expect(poll(seconds: 10) { (try? site.bulkhead.counters().port("uplink", "in").seen(packets)) == true })
            return try site.bulkhead.counters().port("uplink", "in").acceptReasons["rule"]
        }

        @Test func theCountIsExactUnderLoadAndWhateverEndsAFlow() throws {
            let site = try UplinkSite()
            try site.bulkhead.apply(try Self.policy(site, "few", "max: 300, per: source"))
            try Self.flood(site, 1001...3000)
            #expect(try Self.accepted(site, of: 4000) == 600)

            // A new policy changes nothing for the rule that keeps its name.
            try site.bulkhead.apply(try Self.policy(site, "few", "max: 301, per: source"))
            try Self.flood(site, 3001...3100)
            #expect(try Self.accepted(site, of: 4200) == 602)

            // A command gives places back.
            #expect(try site.bulkhead.json(Killed.self, "flows", "--kill", "--host", "192.0.2.1").killed == 301)
            try Self.flood(site, 4001...4500)
            #expect(try Self.accepted(site, of: 5200) == 903)

            // So does the end of a port.
            #expect(try site.bulkhead.run("detach", "uplink").status == 0)
            try site.bulkhead.apply(try Self.policy(site, "few", "max: 10, per: rule"))
            let before = try site.bulkhead.counters().port("uplink", "in").acceptReasons["rule"] ?? 0
            let packets = try site.bulkhead.counters().port("uplink", "in")
            try Self.flood(site, 5001...5100)
            #expect(
                poll(seconds: 10) {
                    (try? site.bulkhead.counters().port("uplink", "in").seen(
                        packets.accepted.packets + packets.dropped.packets + 200)) == true
                })
            // Both families count together then.
            #expect(try site.bulkhead.counters().port("uplink", "in").acceptReasons["rule"] == before + 10)
        }
    }
}

extension Counted.Port {
    fileprivate func seen(_ packets: Int) -> Bool { accepted.packets + dropped.packets >= packets }
}
