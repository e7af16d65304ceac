// SPDX-License-Identifier: Apache-2.0
import Compiler
import Network
import Policy
import TestSupport
import Testing

extension PacketTables {
    /// Which connections are adopted, and that nobody gets past a lock-down by that.
    @Suite struct AdoptingTests {
        private static let established = "accept established"
        private static let changed = "drop policy-changed"

        private static let scripts: [FlowScript] = AddressFamily.allCases.flatMap { family in
            let talk = FlowTests.Talk(family: family)
            return [swaps, refusals, endings, bans].flatMap { $0(talk) }.map { script in
                var script = script
                script.testDescription = "IP\(family): " + script.testDescription
                return script
            }
        }

        private static let free = "  - { name: free, service: udp/53, direction: in, action: accept, stateless: true }"

        private static func swaps(_ talk: FlowTests.Talk) -> [FlowScript] {
            let open = FlowScript.policy(
                "  - { name: no, service: tcp/1, action: drop }", defaults: "in: accept, out: accept")
            let one = FlowScript.policy(free + "\n  - { name: out, direction: out, action: accept }")
            let stateless = FlowScript.policy("  - { name: web, service: tcp/80, action: accept, stateless: true }")
            return [
                FlowScript(
                    "one stateless rule, and any change: nothing else from a low port passes", under: one, adopts: true,
                    [
                        .frame(talk.there(.udp(40000, 53)), at: "web", .in, "accept rule"),
                        .swap(one.replacingOccurrences(of: "name: out", with: "name: outward")),
                        .frame(talk.there(.udp(53, 40001)), at: "web", .in, "drop default"),
                        .frame(talk.there(.tcp(53, 40001, flags: 16)), at: "web", .in, "drop default"), .flows([]),
                    ]),
                FlowScript(
                    "after an accept-all policy no new TCP peer gets in from a low port", under: open, adopts: true,
                    [
                        .frame(talk.there(.udp(40000, 53)), at: "web", .in, "accept default"),
                        .swap(FlowScript.outward),
                        .frame(talk.there(.tcp(22, 40000, flags: 16)), at: "web", .in, "drop default"),
                        .frame(talk.there(.tcp(22, 40000, flags: 18)), at: "web", .in, "drop default"), .flows([]),
                    ]),
                FlowScript(
                    "nor what a rule denies by name", under: open, adopts: true,
                    [
                        .frame(talk.there(.udp(40000, 53)), at: "web", .in, "accept default"),
                        .swap(
                            FlowScript.policy(
                                """
                                  - { name: no, direction: in, action: drop }
                                  - { name: out, direction: out, action: accept }
                                """)),
                        .frame(talk.there(.udp(53, 40000)), at: "web", .in, "drop rule"),
                        .frame(talk.there(.tcp(22, 40000, flags: 16)), at: "web", .in, "drop rule"), .flows([]),
                    ]),
                FlowScript(
                    "what a rule passed without a flow goes on under one that tracks it", under: stateless,
                    adopts: true,
                    [
                        .frame(talk.ask(24, 1, 1), at: "web", .in, "accept rule"), .swap(FlowScript.closed),
                        .frame(talk.ask(24, 1, 1), at: "web", .in, "accept adopted"),
                        // The policy before passed only packets to port 80.
                        .frame(talk.answer(24, 1, 1), at: "web", .out, established),
                        .frame(talk.back(.tcp(80, 40009, flags: 16)), at: "web", .out, "drop default"),
                    ]),
                FlowScript(
                    "only the policy right before is asked", under: open, adopts: true,
                    [
                        .frame(talk.there(.udp(40000, 53)), at: "web", .in, "accept default"),
                        .swap(FlowScript.outward),
                        .swap(FlowScript.outward.replacingOccurrences(of: "name: out", with: "name: o")),
                        .frame(talk.there(.udp(53, 40000)), at: "web", .in, "drop default"),
                    ]),
            ]
        }

        /// The policy before did not pass what a port drops before its rules are asked, whatever its rules say.
        private static func refusals(_ talk: FlowTests.Talk) -> [FlowScript] {
            let stateless = FlowScript.policy("  - { name: web, service: tcp/80, action: accept, stateless: true }")
            let tracked = FlowScript.policy("  - { name: web, service: tcp/80, action: accept }")
            let ports = "workload, vlans: any"
            let untagged = stateless.replacingOccurrences(of: ports, with: "workload, vlans: none")
            let guarded = stateless.replacingOccurrences(
                of: ports, with: "workload, guard: [ip], addresses: [\"\(talk.server)\"]")
            let own = talk.back(.tcp(40000, 80, flags: 24))
            let foreign = Frame(
                Datagram(talk.family == .v4 ? "192.0.2.99" : "2001:db8::99", talk.client, .tcp(40000, 80, flags: 24)))
            var tagged = talk
            tagged.tags = [10]
            return [
                FlowScript(
                    "what the policy before dropped for its tag is not adopted", under: untagged, adopts: true,
                    [
                        .frame(tagged.ask(24, 1, 1), at: "web", .in, "drop vlan"), .swap(tracked),
                        .frame(tagged.ask(24, 1, 1), at: "web", .in, "drop invalid-state"),
                        .frame(talk.ask(24, 1, 1), at: "web", .in, "accept adopted"),
                    ]),
                FlowScript(
                    "nor what its guards dropped", under: guarded, adopts: true,
                    [
                        .frame(foreign, at: "web", .out, "drop guard-ip"), .swap(tracked),
                        .frame(foreign, at: "web", .out, "drop invalid-state"),
                        .frame(own, at: "web", .out, "accept adopted"),
                    ]),
                FlowScript(
                    "nor what came while the port was cut off", under: stateless, adopts: true,
                    [
                        .cutOff(talk.ask(24, 1, 1), at: "web", .in, "drop quarantine"), .swap(tracked),
                        .frame(talk.ask(24, 1, 1), at: "web", .in, "drop invalid-state"),
                    ]),
            ]
        }

        /// A connection whose client has the lower port, so that its segments look like answers to one from within.
        private static func connection(_ talk: FlowTests.Talk) -> [FlowScript.Step] {
            func there(_ flags: UInt8, _ sequence: UInt32, _ acknowledgement: UInt32) -> Frame {
                talk.there(.tcp(1000, 5432, flags: flags, sequence: sequence, acknowledgement: acknowledgement))
            }
            return [
                .frame(there(2, 1000, 0), at: "web", .in, "accept rule"),
                .frame(
                    talk.back(.tcp(5432, 1000, flags: 18, sequence: 5000, acknowledgement: 1001)), at: "web", .out,
                    established),
                .frame(there(16, 1001, 5001), at: "web", .in, established),
            ]
        }

        private static func endings(_ talk: FlowTests.Talk) -> [FlowScript] {
            let segment = talk.there(.tcp(1000, 5432, flags: 16, sequence: 1001, acknowledgement: 5001))
            let members = FlowScript.policy(
                """
                  - { name: friends, from: friends, direction: in, action: accept }
                  - { name: out, direction: out, action: accept }
                groups: { friends: { dynamic: {} } }
                """)
            return [
                FlowScript(
                    "what a new policy ends is not adopted as the other end's", under: FlowScript.renamed, adopts: true,
                    connection(talk) + [
                        .swap(FlowScript.outward), .frame(segment, at: "web", .in, changed),
                        .frame(segment, at: "web", .in, "drop default"),
                        .frame(segment, at: "web", .in, "drop default"),
                        .flows([]),
                    ]),
                FlowScript(
                    "nor what a change of groups ends, while others are adopted", under: members, adopts: true,
                    [.add([talk.client.description], to: "friends")] + connection(talk) + [
                        .delete([talk.client.description], from: "friends"), .frame(segment, at: "web", .in, changed),
                        .frame(segment, at: "web", .in, "drop default"),
                        .frame(segment, at: "web", .in, "drop default"),
                        .frame(talk.there(.tcp(1001, 5432, flags: 16)), at: "web", .in, "accept adopted"),
                        // A connection that the inner end opens anew is its own.
                        .frame(talk.back(.tcp(5432, 1000, flags: 2)), at: "web", .out, "accept rule"),
                    ]),
            ]
        }

        private static func bans(_ talk: FlowTests.Talk) -> [FlowScript] {
            let policy = FlowScript.policy(
                """
                  - { name: bad, from: bad, action: drop }
                  - { name: out, direction: out, action: accept }
                groups: { bad: { dynamic: {} } }
                """)
            let open = FlowScript.policy(
                """
                  - { name: all, action: accept }
                """)
            let banning = FlowScript.policy(
                """
                  - { name: bad, from: bad, action: drop }
                  - { name: web, service: tcp/80, action: accept, stateless: true }
                groups: { bad: { dynamic: {} } }
                """)
            let datagram = talk.there(.udp(53, 40000))
            let segment = talk.there(.tcp(22, 40000, flags: 16))
            return [
                FlowScript(
                    "a ban ends what was adopted", under: policy, adopts: true,
                    [
                        .frame(segment, at: "web", .in, "accept adopted"), .frame(segment, at: "web", .in, established),
                        .add([talk.client.description], to: "bad"), .frame(segment, at: "web", .in, changed),
                        .frame(segment, at: "web", .in, "drop rule"),
                        .delete([talk.client.description], from: "bad"),
                        .frame(segment, at: "web", .in, "drop default"),
                    ]),
                FlowScript(
                    "no new policy lifts a ban by having no such group", under: banning, adopts: true,
                    [
                        .add([talk.client.description], to: "bad"),
                        .frame(talk.ask(24, 1, 1), at: "web", .in, "drop rule"),
                        .swap(FlowScript.closed),
                        .frame(talk.ask(24, 1, 1), at: "web", .in, "drop invalid-state"),
                    ]),
                FlowScript(
                    "nor by having another group", under: banning, adopts: true,
                    [
                        .add([talk.client.description], to: "bad"),
                        .frame(talk.ask(24, 1, 1), at: "web", .in, "drop rule"),
                        .swap(FlowScript.closed + "\ngroups: { good: { dynamic: {} } }"),
                        .frame(talk.ask(24, 1, 1), at: "web", .in, "drop invalid-state"),
                    ]),
                FlowScript(
                    "and datagrams alike", under: open, adopts: true,
                    [
                        .frame(datagram, at: "web", .in, "accept rule"), .swap(policy),
                        .frame(datagram, at: "web", .in, "accept adopted"),
                        .frame(datagram, at: "web", .in, established),
                        .add([talk.client.description], to: "bad"), .frame(datagram, at: "web", .in, changed),
                        .frame(datagram, at: "web", .in, "drop rule"),
                    ]),
            ]
        }

        @Test(arguments: scripts) func goes(script: FlowScript) throws { try script.run() }
    }
}
