// SPDX-License-Identifier: Apache-2.0
import Compiler
import Network
import Policy
import TestSupport
import Testing
import Wire

extension PacketTables {
    /// The reserved group `host`: the host's addresses at the moment, not at `apply`.
    @Suite struct HostGroupTests {
        /// A client and a server, either of which may be the host, and the outcome for their packets at its uplink.
        private struct Talk {
            var family: AddressFamily
            var client: String { family == .v4 ? "198.51.100.7" : "2001:db8:7::7" }
            var server: String { family == .v4 ? "192.0.2.80" : "2001:db8:80::80" }
            var far: String { family == .v4 ? "203.0.113.9" : "2001:db8:9::9" }
            /// The server's bits in the other family.
            var twin: String { family == .v4 ? "::c000:250" : "32.1.13.184" }

            private func frame(_ segment: Segment, isAnswer: Bool) -> Frame {
                let (client, server) = (Ends.client(family), Ends.server(family))
                return Frame(isAnswer ? Datagram(server, client, segment) : Datagram(client, server, segment))
            }

            /// A packet of a separate connection, by its port.
            func new(_ port: UInt16, _ expected: String, at place: String = "nic", _ direction: Direction = .in)
                -> FlowScript.Step
            { .frame(frame(.udp(port, 53), isAnswer: false), at: place, direction, expected) }

            func back(_ port: UInt16, _ expected: String, at place: String = "nic", _ direction: Direction = .out)
                -> FlowScript.Step
            { .frame(frame(.udp(53, port), isAnswer: true), at: place, direction, expected) }
        }

        private static let scripts = AddressFamily.allCases.flatMap { family in
            let talk = Talk(family: family)
            return (moments(talk) + sets(talk) + flows(talk) + limits(talk)).map { script in
                var script = script
                script.testDescription = "IP\(family): " + script.testDescription
                return script
            }
        }

        @Test(arguments: scripts) func script(_ script: FlowScript) throws { try script.run() }

        private static let open = FlowScript.policy("  - { name: ok, to: host, action: accept, direction: in }")

        private static func moments(_ talk: Talk) -> [FlowScript] {
            [
                FlowScript(
                    "an address comes and goes", under: open,
                    [
                        talk.new(1, "drop default"), .own([talk.client, talk.far, talk.twin]),
                        talk.new(2, "drop default"), .own([talk.server]), talk.new(3, "accept rule"),
                        .own([]), talk.new(4, "drop default"),
                    ]),
                FlowScript(
                    "the source", under: FlowScript.policy("  - { name: ok, from: host, action: accept }"),
                    [
                        .own([talk.server]), talk.new(1, "drop default"), talk.back(2, "accept rule"),
                        .own([talk.client]), talk.new(3, "accept rule"), talk.back(4, "drop default"),
                    ]),
                FlowScript(
                    "both ends", under: FlowScript.policy("  - { name: ok, from: host, to: host, action: accept }"),
                    [
                        .own([talk.server]), talk.new(1, "drop default"), .own([talk.client]),
                        talk.new(2, "drop default"), .own([talk.server, talk.client]), talk.new(3, "accept rule"),
                    ]),
                FlowScript(
                    "at a guest's port: what it sends to the host, and what the host sends to it",
                    under: FlowScript.policy(
                        """
                          - { name: ask, to: host, at: [web], action: accept, stateless: true }
                          - { name: answer, from: host, at: [web], action: accept, stateless: true }
                        """),
                    [
                        .own([talk.server]), talk.new(1, "accept rule", at: "web", .out),
                        talk.back(1, "accept rule", at: "web", .in), .own([talk.far]),
                        talk.new(1, "drop default", at: "web", .out), talk.back(1, "drop default", at: "web", .in),
                    ]),
                FlowScript(
                    "what is asked at one place says nothing at another",
                    under: FlowScript.policy(
                        "  - { name: ok, to: host, at: [nic], action: accept, direction: in, vlan: 0 }"),
                    [.own([talk.server]), talk.new(1, "accept rule"), talk.new(1, "drop default", at: "db")]),
            ]
        }

        private static func sets(_ talk: Talk) -> [FlowScript] {
            func rule(_ end: String) -> String { FlowScript.policy("  - { name: ok, to: \(end), action: accept }") }
            let net = talk.family == .v4 ? "192.0.2.0/24" : "\"2001:db8:80::/48\""
            return [
                FlowScript(
                    "any but the host", under: rule("{ except: host }"),
                    [
                        talk.new(1, "accept rule"), .own([talk.server]), talk.new(2, "drop default"), .own([]),
                        talk.new(3, "accept rule"),
                    ]),
                FlowScript(
                    "the host and addresses", under: rule("[host, \(net)]"),
                    [talk.new(1, "accept rule"), .own([talk.server]), talk.new(2, "accept rule")]),
                FlowScript(
                    "addresses less the host", under: rule("{ addresses: \(net), except: host }"),
                    [talk.new(1, "accept rule"), .own([talk.server]), talk.new(2, "drop default")]),
                FlowScript(
                    "the host less addresses", under: rule("{ groups: host, except: \(net) }"),
                    [talk.new(1, "drop default"), .own([talk.server]), talk.new(2, "drop default")]),
                FlowScript(
                    "the host and all others is any", under: rule("[host, { except: host }]"),
                    [talk.new(1, "accept rule"), .own([talk.server]), talk.new(2, "accept rule")]),
                FlowScript(
                    "any but the host and others", under: rule("{ except: [host, \(net)] }"),
                    [talk.new(1, "drop default"), .own([talk.server]), talk.new(2, "drop default")]),
                FlowScript(
                    "any but any but the host",
                    under: rule("{ except: [{ except: host }] }")
                        .replacingOccurrences(of: "[{ except: host }]", with: "others")
                        .replacingOccurrences(
                            of: "rules:", with: "groups: { others: { except: host } }\nrules:"),
                    [talk.new(1, "drop default"), .own([talk.server]), talk.new(2, "accept rule")]),
                FlowScript(
                    "the host in a dynamic group",
                    under: rule("{ groups: [host], except: [blocked] }").replacingOccurrences(
                        of: "rules:", with: "groups: { blocked: { dynamic: {} } }\nrules:"),
                    [
                        .own([talk.server]), talk.new(1, "accept rule"), .add([talk.server], to: "blocked"),
                        talk.new(2, "drop default"), .delete([talk.server], from: "blocked"),
                        talk.new(3, "accept rule"), .own([]), talk.new(4, "drop default"),
                    ]),
                FlowScript(
                    "before others, and after them",
                    under: FlowScript.policy(
                        """
                          - { name: deny, to: host, service: udp/54, action: drop }
                          - { name: ok, to: host, service: udp/53, action: accept }
                          - { name: all, from: host, action: drop }
                          - { name: rest, to: { except: host }, service: udp/*, action: reject }
                        """),
                    [
                        .own([talk.server]), talk.new(1, "accept rule"), .own([talk.client]),
                        talk.new(2, "drop rule"), .own([]), talk.new(3, "reject rule"),
                    ]),
            ]
        }

        private static func flows(_ talk: Talk) -> [FlowScript] {
            [
                FlowScript(
                    "a connection to an address that went ends after a second", under: open,
                    [
                        .own([talk.server]), talk.new(1, "accept rule"), talk.back(1, "accept established"),
                        talk.new(1, "accept established"), .own([]), .pass(seconds: 2),
                        talk.new(1, "drop policy-changed"), talk.new(1, "drop default"),
                    ]),
                FlowScript(
                    "also where it is the host that goes on", under: open,
                    [
                        .own([talk.server]), talk.new(1, "accept rule"), talk.back(1, "accept established"), .own([]),
                        .pass(seconds: 2), talk.back(1, "drop policy-changed"), talk.back(1, "drop default"),
                    ]),
                FlowScript(
                    "while it stays, the connection does", under: open,
                    [
                        .own([talk.server]), talk.new(1, "accept rule"), talk.back(1, "accept established"),
                        .pass(seconds: 5), talk.back(1, "accept established"), .pass(seconds: 5),
                        talk.new(1, "accept established"),
                    ]),
                FlowScript(
                    "a denial of the host that comes later",
                    under: FlowScript.policy(
                        "  - { name: deny, to: host, action: drop }\n  - { name: rest, action: accept }"),
                    [
                        talk.new(1, "accept rule"), talk.back(1, "accept established"), .own([talk.server]),
                        .pass(seconds: 2), talk.new(1, "drop policy-changed"),
                    ]),
            ]
        }

        /// More rules for the host than a packet may have to try if they were conditional, which they are not.
        private static func limits(_ talk: Talk) -> [FlowScript] {
            let denials = (0..<40).map {
                "  - { name: r\($0), from: 203.0.113.\($0), to: host, action: drop }\n"
                    + "  - { name: s\($0), from: host, to: host, action: drop }"
            }
            let all = denials.joined(separator: "\n")
            return [
                FlowScript(
                    "many rules", under: FlowScript.policy(all + "\n  - { name: ok, to: host, action: accept }"),
                    [.own([talk.server]), talk.new(1, "accept rule"), .own([]), talk.new(2, "drop default")])
            ]
        }

        /// A policy that does not ask for the host does not depend on it.
        @Test(arguments: [
            ("  - { name: ok, to: 192.0.2.1, action: accept }", false),
            ("  - { name: ok, to: host, action: accept }", true),
            ("  - { name: ok, from: { except: host }, action: accept }", true),
            ("  - { name: ok, from: [host, { except: host }], action: accept }", false),
        ]) func onlyWhoAsksPays(_ rules: String, _ asks: Bool) throws {
            let image = try Compiler().compile(try Simulation.ruleset(FlowScript.policy(rules)))
            #expect(try ImageView(image.bytes).asksHost == asks)
        }
    }
}
