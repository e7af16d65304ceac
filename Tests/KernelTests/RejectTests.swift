// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import Compiler
import Network
import Policy
import Simulation
import TestSupport
import Testing

@testable import Datapath

extension PacketTables {
    /// The outcome for a rejected packet. ``Simulation`` compares each answer with the reference byte by byte.
    @Suite struct RejectTests {
        private static let table = PolicyTable(
            """
            version: 1
            ports:
              nic: { interface: nic0, protects: host }
              guest: { interface: tap0, protects: workload, vlans: any, guard: off }
            defaults: { in: reject, out: reject, essentials: off }
            rules:
              - { name: no-web, service: tcp/80, action: reject }
              - { name: no-type, service: ethertype/0x88b5, action: reject }
            """)

        private static let rows = bothFamilies { family in
            func row(_ description: String, _ frame: Frame, _ expected: PacketRow.Expectation) -> PacketRow {
                PacketRow(description, frame, expected, at: ["nic", "guest"], early: .leaves)
            }
            let byRule = PacketRow.Expectation(verdict: .reject, reason: .rule, rule: "no-web")
            let byDefault = PacketRow.Expectation(verdict: .reject, reason: .default)
            let long = [UInt8](repeating: 7, count: 1400)
            let options: (inout Datagram) -> Void = { datagram in
                if family == .v4 {
                    datagram.options = [7, 7, 4, 0, 0, 0, 0, 0]
                } else {
                    datagram.extensions = [.destination()]
                }
            }
            return [
                row("SYN", Ends.frame(family, .tcp(40000, 80, sequence: 0xffff_ffff)), byRule),
                row("SYN with data", Ends.frame(family, .tcp(40000, 80, payload: [1, 2, 3])), byRule),
                row("SYN with options", Ends.frame(family, .tcp(40000, 80, options: [2, 4, 5, 0xb4])), byRule),
                row(
                    "SYN in two tags", Ends.frame(family, .tcp(40000, 81), tags: [Frame.Tag(5), Frame.Tag(6)]),
                    byDefault),
                row("SYN after IP options", Ends.frame(family, .tcp(40000, 80), options), byRule),
                row("UDP", Ends.frame(family, .udp()), byDefault),
                row("UDP of an odd length", Ends.frame(family, .udp(payload: [1, 2, 3])), byDefault),
                row("UDP that is too long to quote", Ends.frame(family, .udp(payload: long)), byDefault),
                row("UDP in a tag", Ends.frame(family, .udp(payload: long), tags: [Frame.Tag(5)]), byDefault),
                row("UDP after IP options", Ends.frame(family, .udp(), options), byDefault),
                row("padding", Ends.frame(family, .udp()).padded(to: 200), byDefault),
                row("SCTP", Ends.frame(family, .sctp()), byDefault),
                row("another protocol", Ends.frame(family, Segment(number: 47, bytes: [1])), byDefault),
                row("a ping", Ends.frame(family, .ping(family)), byDefault),
            ] + silent(family, row)
        }

        /// Packets that get no answer.
        private static func silent(
            _ family: AddressFamily, _ row: (String, Frame, PacketRow.Expectation) -> PacketRow
        ) -> [PacketRow] {
            let byDefault = PacketRow.Expectation(verdict: .reject, reason: .default)
            let byRule = PacketRow.Expectation(verdict: .reject, reason: .rule, rule: "no-type")
            let datagram = Ends.datagram(family, .udp())
            let many: IPAddress = family == .v4 ? "224.0.0.9" : "ff02::9"
            let nobody: IPAddress = family == .v4 ? "0.0.0.0" : "::"
            return [
                row("a broadcast frame", Frame(datagram, to: "ff:ff:ff:ff:ff:ff"), byDefault),
                row("a multicast frame", Frame(datagram, to: "33:33:00:00:00:01"), byDefault),
                row("to a group", Frame(Datagram(Ends.client(family), many, .udp())), byDefault),
                row("from a group", Frame(Datagram(many, Ends.server(family), .udp())), byDefault),
                row("from nobody", Frame(Datagram(nobody, Ends.server(family), .udp())), byDefault),
                row("no IP", Frame(type: 0x88b5, payload: [UInt8](repeating: 1, count: 60)), byRule),
            ]
                + (family == .v4 ? [3, 5, 11, 12, 99] as [UInt8] : [1, 2, 3, 4, 100, 137]).map { type in
                    row(
                        "ICMP \(type)", Ends.frame(family, family == .v4 ? .icmp(type) : .icmpv6(type)),
                        byDefault)
                }
        }

        @Test(arguments: rows) func table(row: PacketRow) throws { try Self.table.check(row) }

        /// A reset opens no connection and has no flow, so there is nothing to reset.
        @Test(arguments: AddressFamily.allCases) func aResetIsNotAnswered(family: AddressFamily) throws {
            try Self.table.check(
                PacketRow(
                    "a reset", Ends.frame(family, .tcp(40000, 80, flags: 4)),
                    .init(verdict: .reject, reason: .rule, rule: "no-web"), at: ["nic", "guest"]))
        }

        /// On a device with generic XDP, an answer to the host passes XDP, which cannot read its mark.
        @Test func xdpLeavesResetsToTC() throws {
            for (action, early) in [("drop", PacketRow.Early.drops), ("reject", .leaves)] {
                let table = PolicyTable(
                    """
                    version: 1
                    ports: { nic: { interface: nic0, protects: host } }
                    defaults: { out: \(action) }
                    """)
                try table.check(
                    PacketRow(
                        "a reset", Ends.frame(.v4, .tcp(40000, 80, flags: 4)), .drop(.default), at: ["nic"],
                        direction: .in, early: early))
            }
        }

        /// A thousand answers at once, then one per millisecond.
        @Test func answersAreLimited() throws {
            let ruleset = try Simulation.ruleset(
                "version: 1\nports: { nic: { interface: nic0, protects: host } }\ndefaults: { in: reject }\n")
            let simulator = try Simulator(image: try Compiler().compile(ruleset))
            simulator.settings.answer_cost = UInt32(BH_ANSWER_COST)
            let frame = Ends.frame(.v4, .udp()).bytes
            // The first packet loads the program, which takes longer than all the others.
            var answered = try simulator.judge(frame: frame, portRecord: 0, hook: .tcIngress).answer == nil ? 0 : 1
            let clock = ContinuousClock()
            let took = try clock.measure {
                for _ in 0..<3000 {
                    if try simulator.judge(frame: frame, portRecord: 0, hook: .tcIngress).answer != nil {
                        answered += 1
                    }
                }
            }
            // The kernel's coarse clock may lag by ten milliseconds.
            let most = 1011 + Int(took / .milliseconds(1))
            #expect(answered >= 1000 && answered <= most, "\(answered) of 3001 in \(took)")
            print("answers: \(answered) of 3001 in \(took)")
        }
    }
}
