// SPDX-License-Identifier: Apache-2.0
import Network
import TestSupport
import Testing

extension PacketTables {
    /// The order in which a port checks a packet.
    @Suite struct OrderTests {
        private static let policy = """
            version: 1
            ports:
              guest: { interface: tap0, protects: workload, mac: "\(Frame.guest)", addresses: [192.0.2.1, \
            "2001:db8::1"] }
            defaults: { in: accept, out: accept }
            rules:
              - { name: all, action: drop }
            """

        /// IGMP or neighbour discovery, which is essential as a whole.
        private static func datagram(
            _ family: AddressFamily, _ change: (inout Datagram) -> Void = { _ in }
        ) -> Datagram {
            let segment: Segment =
                family == .v4
                ? Segment(number: 2, bytes: [0x16, 0, 0, 0])
                : .icmpv6(133, 0, body: [UInt8](repeating: 0, count: 4))
            return Datagram(
                family == .v4 ? "192.0.2.1" : "2001:db8::1", family == .v4 ? "224.0.0.22" : "ff02::2", segment
            ) {
                $0.hopLimit = family == .v4 ? 1 : 255
                change(&$0)
            }
        }

        /// A frame that fails every check, then one check less each time.
        @Test(arguments: AddressFamily.allCases) func eachStepComesBeforeTheNext(family: AddressFamily) throws {
            let simulation = try Simulation(policy: Self.policy)
            let port = try #require(simulation.binding("guest"))
            let stranger: MACAddress = "52:54:00:00:00:99"
            let later = Self.datagram(family) { $0.fragment = .last }
            let tagged = Frame(later, from: stranger, tags: [Frame.Tag(9)])
            let steps: [(frame: Frame, isQuarantined: Bool, expected: PacketRow.Expectation)] = [
                (tagged.cut(to: 14 + 4 + 10), true, .drop(.malformed)),
                (tagged, true, .drop(.vlan)),
                (Frame(later, from: stranger), true, .drop(.quarantine)),
                (Frame(later, from: stranger), false, .drop(.guardMAC)),
                (Frame(later, from: Frame.guest), false, .drop(.fragment)),
                (Frame(Self.datagram(family), from: Frame.guest), false, .accept(.essential)),
            ]
            for (number, step) in steps.enumerated() {
                var probe = Simulation.Probe(step.frame, .out)
                probe.isQuarantined = step.isQuarantined
                #expect(try simulation.judge(probe, at: port) == step.expected, "step \(number + 1)")
            }
            let plain = Datagram(later.source, later.destination, .udp())
            #expect(try simulation.judge(.init(Frame(plain, from: Frame.guest), .out), at: port) == .drop(by: "all"))
        }

        /// No rule is asked about a packet that belongs to a flow.
        @Test(arguments: AddressFamily.allCases) func flowsComeBeforeRules(family: AddressFamily) throws {
            let policy = FlowScript.policy(
                """
                  - { name: web, service: tcp/80, direction: in, action: accept }
                  - { name: nothing, action: drop }
                """)
            let talk = FlowTests.Talk(family: family)
            let answer = talk.answer(16, 5001, 1001)
            try FlowScript(
                "flows come before rules", under: policy,
                [.frame(answer, at: "web", .out, "drop rule")] + talk.handshake() + [
                    .frame(answer, at: "web", .out, "accept established")
                ]
            ).run()
        }
    }
}
