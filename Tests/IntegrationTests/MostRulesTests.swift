// SPDX-License-Identifier: Apache-2.0
import TestSupport
import Testing

extension Integration {
    /// As many rules as a policy may have, on a real device.
    @Suite(.serialized) struct MostRulesTests {
        private static let count = 262_144

        /// Each rule but the last is for another sender or service.
        private static let rules: String = {
            var text = ""
            for number in 0..<count - 1 {
                let (address, port) = (number >> 1, 1_000 + number & 1)
                text +=
                    "  - { name: r\(number), from: 198.\(18 + address >> 16).\(address >> 8 & 255).\(address & 255), "
                text += "service: udp/\(port), action: drop }\n"
            }
            return text + "  - { name: last, from: 192.0.2.1, service: udp/9, action: drop }\n"
        }()

        @Test func theLastOfTheMostRulesDecides() throws {
            let site = try UplinkSite()
            let policy = try site.policy(Self.rules)
            let clock = ContinuousClock()
            let start = clock.now
            let result = try Shell.run(site.bulkhead.command(["apply", policy]), seconds: 120)
            try #require(result.status == 0, "\(result.errors)")
            print("apply of \(Self.count) rules: \((clock.now - start) / .seconds(1)) s")
            let socket = try PacketSocket(site.network, "net0")
            try socket.send(site.probe(to: 9))
            try socket.send(site.probe(to: 1_001, sender: "198.19.255.254"))
            try socket.send(site.probe(to: 1_000, sender: "198.19.255.255"))
            let counters = try site.bulkhead.counters()
            #expect(counters.rules.count == Self.count)
            #expect(try counters.rule("last").packets == 1)
            #expect(try counters.rule("r262141").packets == 1)
            #expect(try counters.rule("r262142").packets == 1)
            #expect(counters.rules.reduce(0) { $0 + $1.packets } == 3)
            // One more is refused, and the policy in force stays.
            let more = try site.policy(Self.rules + "  - { name: more, action: drop }\n", name: "more.yaml")
            let refused = try Shell.run(site.bulkhead.command(["apply", more]), seconds: 120)
            #expect(refused.status == 1)
            #expect(refused.errors.contains("262145 rules, at most 262144 are allowed"), "\(refused.errors)")
            #expect(try site.bulkhead.status().generation == 1)
        }
    }
}
