// SPDX-License-Identifier: Apache-2.0
import Foundation
import Network
import Policy
import TestSupport
import Testing

extension Integration {
    /// Rules that match only so often, or only until a certain time, with real traffic and the real commands.
    @Suite(.serialized) struct ConditionTests {
        /// Two senders at once, on all CPUs, get the burst together and no more.
        @Test(arguments: ["rule", "source"]) func aLimitIsExactUnderLoad(per: String) throws {
            let site = try UplinkSite()
            let rule = "service: udp/53, direction: in, action: accept, stateless: true"
            let limit = "limit: { rate: 1/m, burst: 500, per: \(per) }"
            let policy = try site.policy(
                "  - { name: limited, \(rule), \(limit) }", port: "mode: tc, defaults: { in: drop }")
            try site.bulkhead.apply(policy)
            let frame = site.probe(to: 53)
            let senders = try (0..<4).map { _ in
                let raw = try PacketSocket(site.network, "net0")
                return Background { _ in for _ in 0..<2000 { try raw.send(frame) } }
            }
            for sender in senders { try sender.value() }
            #expect(poll(seconds: 5) { (try? site.bulkhead.counters().port("uplink", "in").seen(8000)) == true })
            #expect(try site.bulkhead.counters().port("uplink", "in").acceptReasons["rule"] == 500)

            // A new policy does not refill the bucket; another limit starts anew.
            let more = "  - { name: first, service: tcp/1, action: drop }\n"
            try site.bulkhead.apply(
                try site.policy(
                    more + "  - { name: limited, \(rule), \(limit) }", port: "mode: tc, defaults: { in: drop }"))
            let raw = try PacketSocket(site.network, "net0")
            for _ in 0..<20 { try raw.send(frame) }
            #expect(poll(seconds: 5) { (try? site.bulkhead.counters().port("uplink", "in").seen(8020)) == true })
            #expect(try site.bulkhead.counters().port("uplink", "in").acceptReasons["rule"] == 500)
        }

        /// A rule that logs counts and streams each packet, and a later rule decides; both count it once, at each hook.
        @Test func aRuleLogsAndGoesOn() throws {
            let site = try UplinkSite()
            let policy = try site.lab.file(
                "policy.yaml",
                """
                version: 1
                ports: { uplink: { interface: up0, protects: host } }
                layers:
                  - { name: first, rules: [{ name: seen, service: udp/1-99, action: log, tag: low }] }
                  - name: second
                    rules:
                      - { name: open, service: udp/53, direction: in, action: accept, stateless: true }
                      - { name: shut, service: udp/54, action: drop }
                """)
            // The host would answer with errors, which count for the rule, too.
            let servers = try [UplinkSite.v4.host, UplinkSite.v6.host].map {
                try IPSocket.bound(site.host, .udp, $0, 53)
            }
            defer { withExtendedLifetime(servers) {} }
            try site.bulkhead.apply(policy)
            let raw = try PacketSocket(site.network, "net0")
            let stream = try site.bulkhead.drops()
            for family in AddressFamily.allCases {
                for port in [53, 54] as [UInt16] { try raw.send(site.probe(family, to: port)) }
            }
            _ = poll(seconds: 5) { stream.output.utf8.count { $0 == 10 } >= 6 }
            let events = try Drop.all(try stream.interrupt().output)
            let expected = ["log seen first low 53", "log seen first low 54", "drop shut second - 54"]
            #expect(
                events.map { "\($0.verdict) \($0.rule ?? "-") \($0.layer ?? "-") \($0.tag ?? "-") \($0.dport ?? 0)" }
                    == expected + expected)
            let counters = try site.bulkhead.counters()
            #expect(counters.rules.map { "\($0.name) \($0.packets)" } == ["seen 4", "open 2", "shut 2"])
            #expect(counters.events.emitted == 2)
            counters.expectExactAccounting()
            let said = try site.bulkhead.run("explain", "192.0.2.1", "192.0.2.2", "udp/54", "--json").output
            let seen = #""tried": [{"rule": "seen", "layer": "first", "why": "logged", "fields": []}]"#
            #expect(said.contains(seen), "\(said)")
            let words = try site.bulkhead.run("explain", "192.0.2.1", "192.0.2.2", "udp/54").output
            #expect(words.contains("rule seen of layer first logs the packet"), "\(words)")
        }

        /// No process is running when the time comes: new connections and the open one end with it.
        @Test func aRuleExpiresByItself() throws {
            let site = try UplinkSite()
            // Load the programs first, which takes a while.
            try site.bulkhead.apply(try site.policy("  - { name: web, action: drop }"))
            let moment = Date(timeIntervalSinceNow: 5)
            let text = Timestamp(nanoseconds: UInt64(moment.timeIntervalSince1970 * 1_000_000_000)).utc
            let policy = try site.policy(
                "  - { name: web, service: tcp/80, direction: in, action: accept, expires: \(text) }",
                port: "defaults: { in: drop, out: drop }")
            try site.bulkhead.apply(policy)
            let server = try IPSocket.bound(site.host, .tcp, UplinkSite.v4.host, 80)
            let client = try IPSocket.connected(site.network, .tcp, UplinkSite.v4.host, 80)
            let session = try server.accept()
            try session.send([1])
            #expect(try client.receive() == [1])
            let said = try site.bulkhead.run("explain", "192.0.2.1", "192.0.2.2", "tcp/80", "--json").output
            #expect(said.contains(#""verdict": "accept""#))
            #expect(said.contains(#""expires": "\#(text)""#), "\(said)")
            Thread.sleep(until: moment.addingTimeInterval(0.1))
            try session.send([2])
            #expect(try client.receive() == nil)
            #expect(!site.network.connects(to: UplinkSite.v4.host, 80))
            let counters = try site.bulkhead.counters()
            #expect((try counters.port("uplink", "out").reasons["policy-changed"] ?? 0) >= 1)
            #expect(
                try site.bulkhead.run("explain", "192.0.2.1", "192.0.2.2", "tcp/80", "--json").output
                    .contains(#""reason": "default""#))
            let check = try site.bulkhead.run("check", policy)
            #expect(check.status == 0)
            #expect((check.output + check.errors).contains("the rule has expired and matches nothing"))
        }
    }
}

extension Counted.Port {
    fileprivate func seen(_ packets: Int) -> Bool { accepted.packets + dropped.packets >= packets }
}
