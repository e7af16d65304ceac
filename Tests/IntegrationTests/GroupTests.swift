// SPDX-License-Identifier: Apache-2.0
import Foundation
import Network
import TestSupport
import Testing

extension Integration {
    /// The members of a dynamic group change while the policy is in force, with the real command and real traffic.
    @Suite(.serialized) struct GroupTests {
        /// The output of `group ... --json`.
        private struct Change: Decodable {
            var group: String
            var added: Int?
            var refreshed: Int?
            var deleted: Int?
            var absent: Int?
            var covered: [String]?
        }

        private struct Listed: Decodable {
            struct Member: Decodable {
                var address: String
                var left: Double?
            }
            var group: String
            var max: Int
            var timeout: Int?
            var members: [Member]
        }

        /// The network is denied while it is blocked, and accepted while it is a friend.
        private static func policy(_ site: UplinkSite, max: Int = 65536, name: String = "policy.yaml") throws -> String
        {
            try site.lab.file(
                name,
                """
                version: 1
                ports:
                  uplink: { interface: up0, protects: host, defaults: { in: drop, out: accept } }
                groups:
                  blocked: { dynamic: { max: \(max) } }
                  friends: { dynamic: { timeout: 1h } }
                  office: { addresses: 203.0.113.0/24 }
                rules:
                  - { name: deny, from: blocked, action: drop }
                  - { name: friend, from: friends, service: tcp/81, action: accept }
                  - { name: web, service: tcp/80, action: accept, direction: in }
                  - { name: from-office, from: office, action: accept }
                """)
        }

        /// An open connection, which can tell whether it still works.
        private final class Session {
            private let client: IPSocket
            private let session: IPSocket
            private var number: UInt8 = 0

            init(_ site: UplinkSite, _ server: IPSocket, _ address: IPAddress, _ port: UInt16) throws {
                client = try IPSocket.connected(site.network, .tcp, address, port)
                session = try server.accept()
            }

            func passes() throws -> Bool {
                number += 1
                try client.send([number])
                return try session.receive(milliseconds: 300) == [number]
            }

            /// Whether nothing arrives, not even retransmissions of earlier data.
            func isSilent() throws -> Bool {
                try client.send([0])
                return try session.receive(milliseconds: 1000) == nil
            }
        }

        @Test func aMemberIsCutOffAtOnce() throws {
            let site = try UplinkSite()
            try site.bulkhead.apply(try Self.policy(site))
            for (host, network) in [UplinkSite.v4, UplinkSite.v6] {
                let server = try IPSocket.bound(site.host, .tcp, host, 80)
                let session = try Session(site, server, host, 80)
                #expect(try session.passes())
                let added = try site.bulkhead.json(Change.self, "group", "add", "blocked", "\(network)")
                #expect(added.added == 1 && added.refreshed == 0 && added.group == "blocked")
                #expect(try !session.passes())
                #expect(!site.network.connects(to: host, 80))
                #expect(try site.bulkhead.json(Change.self, "group", "delete", "blocked", "\(network)").deleted == 1)
                #expect(site.network.connects(to: host, 80))
                withExtendedLifetime(server) {}
            }
            let counters = try site.bulkhead.counters()
            #expect(try counters.port("uplink", "in").reasons["policy-changed"] ?? 0 >= 2)
            #expect(try counters.rule("deny").packets >= 2)
            counters.expectExactAccounting()
        }

        /// The earlier policy is asked what it passed. It must still know whom it banned when its group is gone.
        @Test func aBanOutlivesItsGroup() throws {
            let site = try UplinkSite()
            func policy(_ rules: String, _ groups: String, _ name: String) throws -> String {
                try site.lab.file(
                    name,
                    """
                    version: 1
                    ports:
                      uplink: { interface: up0, protects: host, defaults: { in: drop, out: drop } }
                    \(groups)
                    rules:
                    \(rules)
                    """)
            }
            let free = """
                  - { name: deny, from: blocked, action: drop }
                  - { name: web, service: tcp/80, action: accept, stateless: true }
                  - { name: back, service: { protocol: tcp, sourcePorts: 80 }, action: accept, stateless: true }
                """
            try site.bulkhead.apply(try policy(free, "groups: { blocked: { dynamic: {} } }", "free.yaml"))
            for (host, network) in [UplinkSite.v4, UplinkSite.v6] {
                let server = try IPSocket.bound(site.host, .tcp, host, 80)
                let session = try Session(site, server, host, 80)
                #expect(try session.passes())
                _ = try site.bulkhead.json(Change.self, "group", "add", "blocked", "\(network)")
                #expect(try !session.passes())
                let tracked = "  - { name: web, service: tcp/80, action: accept }"
                try site.bulkhead.apply(try policy(tracked, "", "tracked.yaml"))
                #expect(try session.isSilent())
                try site.bulkhead.apply(try policy(free, "groups: { blocked: { dynamic: {} } }", "free.yaml"))
            }
        }

        @Test func aFriendComesInUntilItIsDeleted() throws {
            let site = try UplinkSite()
            try site.bulkhead.apply(try Self.policy(site))
            let server = try IPSocket.bound(site.host, .tcp, UplinkSite.v4.host, 81)
            #expect(!site.network.connects(to: UplinkSite.v4.host, 81))
            _ = try site.bulkhead.json(Change.self, "group", "add", "friends", "192.0.2.0/25")
            let session = try Session(site, server, UplinkSite.v4.host, 81)
            #expect(try session.passes())
            let left = try #require(
                try site.bulkhead.json(Listed.self, "group", "list", "friends").members.first?.left)
            #expect(left > 3500 && left <= 3600)
            #expect(try site.bulkhead.json(Change.self, "group", "flush", "friends").deleted == 1)
            #expect(try !session.passes())
            #expect(!site.network.connects(to: UplinkSite.v4.host, 81))
            withExtendedLifetime(server) {}
        }

        /// No process is running when the time comes.
        @Test func aMemberEndsByItself() throws {
            let site = try UplinkSite()
            try site.bulkhead.apply(try Self.policy(site))
            _ = try site.bulkhead.json(Change.self, "group", "add", "friends", "192.0.2.1", "--for", "3s")
            let added = ContinuousClock.now
            let server = try IPSocket.bound(site.host, .tcp, UplinkSite.v4.host, 81)
            let web = try IPSocket.bound(site.host, .tcp, UplinkSite.v6.host, 80)
            let session = try Session(site, server, UplinkSite.v4.host, 81)
            #expect(try session.passes())
            _ = try site.bulkhead.json(Change.self, "group", "add", "blocked", "2001:db8::1", "--for", "1s")
            #expect(!site.network.connects(to: UplinkSite.v6.host, 80))
            Thread.sleep(forTimeInterval: max(0, (.seconds(3.1) - (ContinuousClock.now - added)) / .seconds(1)))
            #expect(try !session.passes())
            #expect(!site.network.connects(to: UplinkSite.v4.host, 81))
            #expect(site.network.connects(to: UplinkSite.v6.host, 80))
            _ = (server, web)
            #expect(try site.bulkhead.json(Listed.self, "group", "list", "friends").members.isEmpty)
        }

        /// Policies keep changing meanwhile. Each change is in force when its command returns, and none is lost.
        @Test func noApplyLosesAMember() throws {
            let site = try UplinkSite()
            let policies = try [(max: 100, name: "one.yaml"), (max: 200, name: "two.yaml")].map {
                try Self.policy(site, max: $0.max, name: $0.name)
            }
            try site.bulkhead.apply(policies[0])
            let server = try IPSocket.bound(site.host, .tcp, UplinkSite.v4.host, 80)
            let applying = site.bulkhead.applyInTurn(policies)
            for round in 1...12 {
                #expect(try site.bulkhead.run("group", "add", "blocked", "192.0.2.1", "2001:db8::1").status == 0)
                #expect(!site.network.connects(to: UplinkSite.v4.host, 80), "round \(round)")
                #expect(try site.bulkhead.json(Listed.self, "group", "list", "blocked").members.count == 2)
                #expect(try site.bulkhead.run("group", "delete", "blocked", "192.0.2.1").status == 0)
                #expect(site.network.connects(to: UplinkSite.v4.host, 80), "round \(round), deleted")
            }
            #expect(try applying.stop() > 5)
            withExtendedLifetime(server) {}
            // A policy without the group forgets the group's members.
            try site.bulkhead.apply(try site.policy("  - { name: all, action: accept }", name: "none.yaml"))
            try site.bulkhead.apply(policies[0])
            #expect(try site.bulkhead.json(Listed.self, "group", "list", "blocked").members.isEmpty)
        }

        /// Several commands at once, some of them killed midway: the others lose nothing, and the group stays
        /// consistent.
        @Test func commandsAtOnce() throws {
            let site = try UplinkSite()
            try site.bulkhead.apply(try Self.policy(site))
            let burst = try site.lab.file(
                "burst.txt", (0..<20_000).map { "198.18.\($0 >> 8).\($0 & 255)" }.joined(separator: "\n"))
            let adders = (0..<3).map { adder in
                Background { _ in
                    for number in 0..<20 {
                        let words = ["group", "add", "blocked", "203.0.\(adder).\(number)"]
                        let result = try Shell.run(site.bulkhead.command(words))
                        try #require(result.status == 0, "\(result.errors)")
                    }
                }
            }
            for round in 0..<10 {
                let command = try site.bulkhead.start("group", "add", "blocked", "198.18.0.0/15", "--file", burst)
                Thread.sleep(forTimeInterval: 0.02 * Double(round))
                command.signal(SIGKILL)
                _ = try command.wait()
            }
            for adder in adders { try adder.value(seconds: 60) }
            let found = Set(try site.bulkhead.json(Listed.self, "group", "list", "blocked").members.map(\.address))
            for adder in 0..<3 {
                for number in 0..<20 { #expect(found.contains("203.0.\(adder).\(number)")) }
            }
            // The next change completes what was left half done, and it ends as told.
            _ = try site.bulkhead.json(Change.self, "group", "delete", "blocked", "--file", burst)
            _ = try site.bulkhead.json(Change.self, "group", "delete", "blocked", "198.18.0.0/15")
            let left = try site.bulkhead.json(Listed.self, "group", "list", "blocked").members.map(\.address)
            #expect(left.count == 60 && left.allSatisfy { $0.hasPrefix("203.0.") })
        }

        /// A list is aligned, and tells of a member that the policy takes away.
        @Test func aListTellsWhatExceptTakesAway() throws {
            let site = try UplinkSite()
            let policy = try site.lab.file(
                "policy.yaml",
                """
                version: 1
                ports: { uplink: { interface: up0, protects: host, defaults: { in: accept, out: accept } } }
                groups:
                  office: { addresses: [192.0.2.0/26, "2001:db8:9::/48"] }
                  blocked: { dynamic: {}, except: office }
                rules: [ { name: deny, from: blocked, action: drop } ]
                """)
            try site.bulkhead.apply(policy)
            #expect(try site.bulkhead.run("group", "list", "blocked").output == "blocked has no members\n")
            let members = ["203.0.113.66", "192.0.2.1", "192.0.2.0/24", "2001:db8:9::1"]
            #expect(try Shell.run(site.bulkhead.command(["group", "add", "blocked"] + members)).status == 0)
            let listed = try site.bulkhead.run("group", "list", "blocked")
            #expect(
                listed.output == """
                    ADDRESS        LEFT  NOTE
                    192.0.2.0/24      -  only in part in the group: the policy's except takes some of it away
                    192.0.2.1         -  not in the group: the policy's except takes it away
                    203.0.113.66      -
                    2001:db8:9::1     -  not in the group: the policy's except takes it away

                    """, "\(listed.errors)")
            let json = try site.bulkhead.run("group", "list", "blocked", "--json").output
            #expect(json.contains(#"{"address": "192.0.2.0/24", "left": null, "excepted": "part"}"#), "\(json)")
            #expect(json.contains(#"{"address": "192.0.2.1", "left": null, "excepted": "whole"}"#), "\(json)")
            #expect(json.contains(#"{"address": "203.0.113.66", "left": null, "excepted": null}"#), "\(json)")
            // As the kernel has it.
            let raw = try PacketSocket(site.network, "net0")
            for sender in ["192.0.2.1", "192.0.2.77"] { try raw.send(site.probe(to: 9, sender: IPAddress(sender))) }
            #expect(try poll(seconds: 5) { try site.bulkhead.counters().rule("deny").packets == 1 })
            #expect(try site.bulkhead.run("group", "delete", "blocked", "192.0.2.0/24", "192.0.2.1").status == 0)
            #expect(try site.bulkhead.run("group", "add", "blocked", "203.0.113.66", "--for", "1h").status == 0)
            let rest = try site.bulkhead.run("group", "delete", "blocked", "2001:db8:9::1")
            #expect(rest.status == 0)
            let table = try site.bulkhead.run("group", "list", "blocked").output
            #expect(table.contains(/^ADDRESS        LEFT\n203.0.113.66  3\d\d\ds\n$/), "\(table)")
        }

        @Test func burstsAndTheirLimit() throws {
            let site = try UplinkSite()
            try site.bulkhead.apply(try Self.policy(site, max: 10_001))
            let burst = (0..<10_000).map { "198.18.\($0 >> 8).\($0 & 255)" }
            let file = try site.lab.file("burst.txt", "# attackers\n" + burst.joined(separator: "\n") + "\n\n; end\n")
            #expect(try site.bulkhead.json(Change.self, "group", "add", "blocked", "--file", file).added == 10_000)
            #expect(try site.bulkhead.json(Change.self, "group", "add", "blocked", "--file", file).refreshed == 10_000)
            let full = try site.bulkhead.run("group", "add", "blocked", "192.0.2.1", "192.0.2.9", "198.18.0.1")
            #expect(full.status == 1)
            #expect(
                full.errors.contains(
                    "group 'blocked' has room for 10001 members: 10000 are there, 2 would come; nothing was added"),
                "\(full.errors)")
            let listed = try site.bulkhead.json(Listed.self, "group", "list", "blocked")
            #expect(listed.max == 10_001 && listed.timeout == nil)
            #expect(Set(listed.members.map(\.address)) == Set(burst))
            #expect(listed.members.allSatisfy { $0.left == nil })
            let status = try site.bulkhead.run("status").output
            #expect(status.contains("dynamic groups: blocked 10000 of 10001, friends 0 of 65536\n"), "\(status)")
            let raw = try PacketSocket(site.network, "net0")
            try raw.send(site.probe(to: 80, sender: "198.18.39.15"))
            try raw.send(site.probe(to: 80, sender: "198.18.39.16"))
            #expect(poll(seconds: 5) { (try? site.bulkhead.counters().rule("deny").packets) == 1 })
            // Members that have expired make room.
            #expect(try site.bulkhead.json(Change.self, "group", "delete", "blocked", "--file", file).deleted == 10_000)
            #expect(
                try site.bulkhead.json(Change.self, "group", "add", "blocked", "--for", "1s", "--file", file).added
                    == 10_000)
            Thread.sleep(forTimeInterval: 1.05)
            let words = burst.map { $0.replacingOccurrences(of: "198.18", with: "198.19") }
            let other = try site.lab.file("other.txt", words.joined(separator: "\n"))
            #expect(try site.bulkhead.json(Change.self, "group", "add", "blocked", "--file", other).added == 10_000)
        }

        @Test func explainAsksTheMembersInForce() throws {
            let site = try UplinkSite()
            let policy = try Self.policy(site)
            try site.bulkhead.apply(policy)
            let words = [
                "explain", "192.0.2.1", "192.0.2.2", "tcp/80", "--json", "--at", "uplink", "--direction", "in",
            ]
            func said(_ more: String...) throws -> String {
                try Shell.run(site.bulkhead.command(words + more)).output
            }
            #expect(try said().contains(#""rule": "web""#))
            _ = try site.bulkhead.json(Change.self, "group", "add", "blocked", "192.0.0.0/16")
            for said in [try said(), try said("--policy", policy)] {
                #expect(said.contains(#""verdict": "drop", "reason": "rule", "rule": "deny""#), "\(said)")
                #expect(said.contains(#""dynamic": true"#))
            }
            let gone = try site.bulkhead.json(Change.self, "group", "delete", "blocked", "192.0.2.1")
            #expect(gone.deleted == 0 && gone.absent == 1 && gone.covered == ["192.0.2.1"])
        }

        @Test func whatItRefuses() throws {
            let site = try UplinkSite()
            let nothing = try site.bulkhead.run("group", "add", "blocked", "192.0.2.1")
            #expect(nothing.status == 1 && nothing.errors.contains("no policy is in force"))
            try site.bulkhead.apply(try Self.policy(site))
            let bad = try site.lab.file("bad.txt", "192.0.2.7\n  203.0.113.300 # no\n192.0.2.9/24\n")
            let rows: [([String], Int32, String)] = [
                (["group", "add", "bloked", "192.0.2.1"], 1, "did you mean 'blocked'?"),
                (["group", "list", "nobody"], 1, "it has: blocked, friends"),
                (["group", "add", "office", "192.0.2.1"], 1, "group 'office' is not dynamic"),
                (["group", "flush", "office"], 1, "group 'office' is not dynamic"),
                (["group", "add", "blocked", "192.0.2.1/24"], 64, "did you mean 192.0.2.0/24?"),
                (["group", "add", "blocked", "192.0.2.256"], 64, "'192.0.2.256' is no address or prefix"),
                (["group", "add", "blocked"], 64, "name addresses or prefixes"),
                (["group", "add", "blocked", "192.0.2.1", "--for", "0s"], 64, "'0s' is no duration"),
                (["group", "add", "blocked", "192.0.2.1", "--for", "36501d"], 64, "at most 36500d"),
                (
                    ["group", "add", "blocked", "192.0.2.1", "--file", bad], 1,
                    "bad.txt:2:3: '203.0.113.300' is no address"
                ),
                (["group", "add", "blocked", "--file", "/nowhere"], 1, "/nowhere"),
            ]
            for (words, status, text) in rows {
                let result = try Shell.run(site.bulkhead.command(words))
                #expect(result.status == status, "\(words)")
                #expect(result.errors.contains(text), "\(words): \(result.errors)")
            }
            #expect(try site.bulkhead.json(Listed.self, "group", "list", "blocked").members.isEmpty)
            try site.bulkhead.apply(try site.policy("  - { name: all, action: accept }", name: "none.yaml"))
            let none = try site.bulkhead.run("group", "add", "blocked", "192.0.2.1")
            #expect(none.status == 1 && none.errors.contains("it has none at all"), "\(none.errors)")
            #expect(try site.bulkhead.run("group", "list").output == "the policy in force has no dynamic groups\n")
        }
    }
}
