// SPDX-License-Identifier: Apache-2.0
import Compiler
import Network
import Policy
import TestSupport
import Testing

extension PacketTables {
    /// Dynamic groups: their members change while the policy is in force, and expire by themselves.
    @Suite struct GroupTests {
        private static func policy(_ rules: String, groups: String = "", defaults: String = "in: drop, out: drop")
            -> String
        {
            """
            version: 1
            ports:
              web: { interface: tap0, protects: workload }
              nic: { interface: nic0, protects: host }
            groups:
              blocked: { dynamic: {} }
              friends: { dynamic: { max: 100, timeout: 1h } }
              office: { addresses: [198.51.100.0/24, "2001:db8:7::/48"] }
            \(groups)
            defaults: { \(defaults) }
            rules:
            \(rules)
            """
        }

        /// The outcome for packets of a client outside and a server inside; each new packet belongs to another
        /// connection.
        private struct Talk {
            var family: AddressFamily
            /// The client's address, and prefixes around it.
            var client: String { family == .v4 ? "198.51.100.7" : "2001:db8:7::7" }
            var server: String { family == .v4 ? "192.0.2.80" : "2001:db8:80::80" }
            var near: String { family == .v4 ? "198.51.100.0/24" : "2001:db8:7::/64" }
            var far: String { family == .v4 ? "198.51.0.0/16" : "2001:db8::/32" }
            var other: String { family == .v4 ? "198.51.100.8" : "2001:db8:7::8" }
            /// The same bits in the other family.
            var twin: String { family == .v4 ? "c633:6407::" : "32.1.13.184" }

            func new(_ port: UInt16, _ expected: String) -> FlowScript.Step {
                .frame(
                    Frame(Datagram(Ends.client(family), Ends.server(family), .udp(port, 53))), at: "web", .in, expected)
            }
            func back(_ port: UInt16, _ expected: String) -> FlowScript.Step {
                .frame(
                    Frame(Datagram(Ends.server(family), Ends.client(family), .udp(53, port))), at: "web", .out, expected
                )
            }
        }

        private static let scripts = AddressFamily.allCases.flatMap { family in
            (membership(Talk(family: family)) + time(Talk(family: family)) + sets(Talk(family: family))
                + flows(Talk(family: family))).map { script in
                    var script = script
                    script.testDescription = "IP\(family): " + script.testDescription
                    return script
                }
        }

        @Test(arguments: scripts) func script(_ script: FlowScript) throws { try script.run() }

        private static let deny = policy(
            "  - { name: deny, from: blocked, action: drop }\n  - { name: rest, action: accept }")

        private static func membership(_ talk: Talk) -> [FlowScript] {
            [
                FlowScript(
                    "in and out", under: deny,
                    [
                        talk.new(1, "accept rule"), .add([talk.other, talk.twin, talk.server], to: "blocked"),
                        .add([talk.client], to: "friends"), talk.new(2, "accept rule"),
                        .add([talk.client], to: "blocked"), talk.new(3, "drop rule"),
                        .delete([talk.client], from: "blocked"), talk.new(4, "accept rule"),
                    ]),
                FlowScript(
                    "a prefix, and others in it", under: deny,
                    [
                        .add([talk.near, talk.client, talk.other], to: "blocked"),
                        talk.new(1, "drop rule"), .delete([talk.client, talk.far], from: "blocked"),
                        talk.new(2, "drop rule"), .delete([talk.near], from: "blocked"), talk.new(3, "accept rule"),
                    ]),
                FlowScript(
                    "everything", under: deny,
                    [
                        .add([talk.family == .v4 ? "::/0" : "0.0.0.0/0"], to: "blocked"), talk.new(1, "accept rule"),
                        .add([talk.family == .v4 ? "0.0.0.0/0" : "::/0"], to: "blocked"), talk.new(2, "drop rule"),
                    ]),
                FlowScript(
                    "kept over a policy by its name", under: deny,
                    [
                        .add([talk.client], to: "blocked"),
                        .swap(policy("  - { name: only, from: blocked, action: accept }")), talk.new(1, "accept rule"),
                        .swap(
                            policy("  - { name: only, from: friends, action: accept }")
                                .replacingOccurrences(of: "  blocked: { dynamic: {} }\n", with: "")),
                        .swap(policy("  - { name: only, from: blocked, action: accept }")), talk.new(2, "drop default"),
                    ]),
            ]
        }

        private static func time(_ talk: Talk) -> [FlowScript] {
            [
                FlowScript(
                    "a member's time ends", under: deny,
                    [
                        .add([talk.client], to: "blocked", seconds: 60), .pass(seconds: 59), talk.new(1, "drop rule"),
                        .pass(seconds: 1), talk.new(2, "accept rule"),
                    ]),
                FlowScript(
                    "a prefix outlives an address in it", under: deny,
                    [
                        .add([talk.near], to: "blocked", seconds: 60), .add([talk.client], to: "blocked", seconds: 10),
                        .pass(seconds: 30), talk.new(1, "drop rule"), .pass(seconds: 30), talk.new(2, "accept rule"),
                    ]),
                FlowScript(
                    "also where it came later, and where it goes", under: deny,
                    [
                        .add([talk.client], to: "blocked", seconds: 10), .add([talk.far], to: "blocked"),
                        .add([talk.near], to: "blocked", seconds: 5), .pass(seconds: 30), talk.new(1, "drop rule"),
                        .delete([talk.far], from: "blocked"), talk.new(2, "accept rule"),
                    ]),
                FlowScript(
                    "an address outlives a prefix around it", under: deny,
                    [
                        .add([talk.near], to: "blocked", seconds: 10), .add([talk.client], to: "blocked", seconds: 60),
                        .pass(seconds: 30), talk.new(1, "drop rule"), .pass(seconds: 30), talk.new(2, "accept rule"),
                    ]),
                FlowScript(
                    "a new time, longer or shorter", under: deny,
                    [
                        .add([talk.client], to: "blocked", seconds: 10),
                        .add([talk.client], to: "blocked", seconds: 60), .pass(seconds: 30),
                        talk.new(1, "drop rule"), .add([talk.client], to: "blocked", seconds: 5), .pass(seconds: 5),
                        talk.new(2, "accept rule"),
                    ]),
            ]
        }

        private static func sets(_ talk: Talk) -> [FlowScript] {
            [
                FlowScript(
                    "any but a group", under: policy("  - { name: ok, from: { except: blocked }, action: accept }"),
                    [
                        talk.new(1, "accept rule"), .add([talk.client], to: "blocked"), talk.new(2, "drop default"),
                        .delete([talk.client], from: "blocked"), talk.new(3, "accept rule"),
                    ]),
                FlowScript(
                    "a group less another",
                    under: policy(
                        "  - { name: ok, from: { groups: friends, except: [blocked, 203.0.113.0/24] }, action: accept }"
                    ),
                    [
                        talk.new(1, "drop default"), .add([talk.client], to: "friends"), talk.new(2, "accept rule"),
                        .add([talk.near], to: "blocked"), talk.new(3, "drop default"),
                    ]),
                FlowScript(
                    "a group that addresses are never in",
                    under: policy(
                        "  - { name: deny, from: shielded, action: drop }\n  - { name: rest, action: accept }",
                        groups: "  shielded: { dynamic: {}, except: office }"),
                    [.add([talk.far], to: "shielded"), talk.new(1, "accept rule")]),
                FlowScript(
                    "one of several",
                    under: policy("  - { name: ok, from: [203.0.113.1, friends, blocked], action: accept }"),
                    [
                        talk.new(1, "drop default"), .add([talk.client], to: "friends"), talk.new(2, "accept rule"),
                        .add([talk.client], to: "blocked"), talk.new(3, "accept rule"),
                        .delete([talk.client], from: "friends"), talk.new(4, "accept rule"),
                        .delete([talk.client], from: "blocked"), talk.new(5, "drop default"),
                    ]),
                FlowScript(
                    "addresses and members",
                    under: policy("  - { name: ok, from: [office, blocked], action: accept }"),
                    [talk.new(1, "accept rule"), .add([talk.client], to: "blocked"), talk.new(2, "accept rule")]),
                FlowScript(
                    "both ends", under: policy("  - { name: ok, from: friends, to: blocked, action: accept }"),
                    [
                        .add([talk.client], to: "friends"), talk.new(1, "drop default"),
                        .add([talk.server], to: "blocked"), talk.new(2, "accept rule"),
                        .delete([talk.client], from: "friends"), talk.new(3, "drop default"),
                    ]),
                FlowScript(
                    "within", under: policy("  - { name: ok, within: \"*e*d*\", action: accept }"),
                    [
                        .add([talk.client], to: "friends"), .add([talk.server], to: "blocked"),
                        talk.new(1, "drop default"), .add([talk.client], to: "blocked"), talk.new(2, "accept rule"),
                    ]),
                FlowScript(
                    "a group in a group",
                    under: policy(
                        "  - { name: ok, from: all, to: { except: all }, action: accept }",
                        groups: "  all: { groups: [friends, blocked], addresses: 203.0.113.9 }"),
                    [
                        .add([talk.client], to: "blocked"), talk.new(1, "accept rule"),
                        .add([talk.server], to: "friends"), talk.new(2, "drop default"),
                    ]),
            ]
        }

        private static func flows(_ talk: Talk) -> [FlowScript] {
            let open = [talk.new(1, "accept rule"), talk.back(1, "accept established")]
            return [
                FlowScript(
                    "a flow ends when an end joins", under: deny,
                    open + [
                        .add([talk.other], to: "blocked"), talk.back(1, "accept established"),
                        .add([talk.client], to: "blocked"), talk.back(1, "drop policy-changed"),
                        talk.new(1, "drop rule"),
                    ]),
                FlowScript(
                    "a flow ends when an end leaves", under: policy("  - { name: ok, from: friends, action: accept }"),
                    [.add([talk.client], to: "friends")] + open + [
                        .delete([talk.client], from: "friends"), talk.new(1, "drop policy-changed"),
                        talk.new(1, "drop default"),
                    ]),
                FlowScript(
                    "a flow ends when an end's time ends",
                    under: policy("  - { name: ok, from: friends, action: accept }"),
                    [.add([talk.client], to: "friends", seconds: 20)] + open + [
                        .pass(seconds: 10), talk.new(1, "accept established"), .pass(seconds: 11),
                        talk.back(1, "drop policy-changed"),
                    ]),
                FlowScript(
                    "an added time counts", under: policy("  - { name: ok, from: friends, action: accept }"),
                    [.add([talk.client], to: "friends", seconds: 20)] + open + [
                        .add([talk.near], to: "friends", seconds: 40), .pass(seconds: 21),
                        talk.new(1, "accept established"), .pass(seconds: 20), talk.back(1, "drop policy-changed"),
                    ]),
                FlowScript(
                    "a flow that rests on a group that its end is not in",
                    under: policy(
                        "  - { name: deny, from: { except: friends }, action: drop }\n"
                            + "  - { name: rest, action: accept }"),
                    [.add([talk.client], to: "friends", seconds: 20)] + open + [
                        .pass(seconds: 21), talk.new(1, "drop policy-changed"),
                    ]),
                FlowScript(
                    "a limited rule's flow stays its own",
                    under: policy(
                        "  - { name: ok, from: [friends, office], action: accept, limit: { rate: 1/m, burst: 1 } }"),
                    open + [
                        talk.new(2, "drop default"), .add([talk.client], to: "friends"),
                        talk.new(1, "accept established"), talk.new(3, "drop default"),
                        .delete([talk.client], from: "friends"), talk.back(1, "accept established"),
                        .pass(seconds: 60), talk.new(4, "accept rule"),
                    ]),
            ]
        }
    }
}
