// SPDX-License-Identifier: Apache-2.0
import Network
import Policy
import TestSupport
import Testing
import Wire

extension PacketTables {
    /// Rules that ask for a packet's own fields.
    @Suite struct FieldTests {
        private static let table = PolicyTable(
            """
            version: 1
            ports:
              nic: { interface: nic0, protects: host }
              trunk: { interface: tap0, protects: workload, vlans: any }
            defaults: { in: drop, out: drop }
            rules:
              - { name: syn, service: tcp/80, match: { tcpFlags: S/SAFR }, action: drop }
              - { name: far, service: udp/81, match: { hopLimit: 255 }, action: drop }
              - { name: near, service: udp/81, match: { hopLimit: "1-2" }, action: drop }
              - { name: short, service: udp/82, match: { length: "0-100" }, action: drop }
              - { name: exact, service: udp/82, match: { length: 120 }, action: drop }
              - { name: first, service: udp/83, match: { fragment: true }, action: drop }
              - { name: whole, service: udp/83, match: { fragment: false }, action: drop }
              - { name: voice, service: udp/84, match: { dscp: ef }, action: drop }
              - { name: bulk, service: udp/84, match: { dscp: [af11, 1] }, action: drop }
              - { name: high, service: udp/85, match: { pcp: [5, 6] }, action: drop }
              - { name: none, service: udp/85, match: { pcp: 0 }, action: drop }
              - { name: peer, service: udp/86, fromMac: 52:54:00:00:00:99, action: drop }
              - name: own
                service: udp/86
                fromMac: [52:54:00:00:00:98, "\(Frame.guest)"]
                toMac: "\(Frame.peer)"
                action: drop
              - { name: both, service: udp/87, match: { hopLimit: 9, dscp: cs1, length: "0-1500" }, action: drop }
              - { name: on-and-on, service: udp/87, match: { hopLimit: 9 }, action: log }
              - { name: frames, service: ethertype/0x88b5, match: { pcp: 3 }, action: drop }
              - { name: rest, action: drop }
            """)

        private static func row(
            _ description: String, _ frame: Frame, _ rule: String, _ early: PacketRow.Early = .either
        ) -> PacketRow {
            PacketRow(description, frame, .drop(by: rule), at: ["nic", "trunk"], early: early)
        }

        private static let rows = bothFamilies { family in
            inIP(family) + inLinkHeaders(family)
        }

        private static func udp(
            _ family: AddressFamily, _ port: UInt16, payload: Int = 1, tags: [Frame.Tag] = [],
            _ change: (inout Datagram) -> Void = { _ in }
        ) -> Frame {
            Ends.frame(
                family, .udp(40000, port, payload: [UInt8](repeating: 0, count: payload)), tags: tags, change)
        }

        private static func inIP(_ family: AddressFamily) -> [PacketRow] {
            let header = family == .v4 ? 28 : 48
            func flags(_ flags: UInt8) -> Frame { Ends.frame(family, .tcp(40000, 80, flags: flags)) }
            func hops(_ hops: UInt8) -> Frame { udp(family, 81) { $0.hopLimit = hops } }
            func length(_ length: Int) -> Frame { udp(family, 82, payload: length - header) }
            func dscp(_ value: UInt8, _ rest: UInt8 = 0) -> Frame {
                udp(family, 84) { $0.trafficClass = value << 2 | rest }
            }
            let first = udp(family, 83, payload: 16) { $0.fragment = .init(offset: 0, more: true) }
            return [
                row("a SYN", flags(2), "syn", .drops), row("a SYN with PSH", flags(10), "syn"),
                row("a SYN with ECE and CWR", flags(0xc2), "syn"), row("an answer to a SYN", flags(18), "rest"),
                row("no SYN", flags(16), "rest"),
                row("the hop limit of a neighbour", hops(255), "far", .drops), row("one hop less", hops(254), "rest"),
                row("the first of a range of hop limits", hops(1), "near"),
                row("the last of a range", hops(2), "near"), row("above the range", hops(3), "rest"),
                row("the longest of a range of lengths", length(100), "short"),
                row("a byte more", length(101), "rest"), row("a length", length(120), "exact"),
                row("a byte more than a length", length(121), "rest"),
                row("a first fragment", first, "first"), row("no fragment", udp(family, 83), "whole"),
                row("a code point", dscp(46), "voice", .leaves),
                row("a code point with a congestion mark", dscp(46, 3), "voice"),
                row("another code point", dscp(45), "rest"), row("a code point of a list", dscp(10), "bulk"),
                row("a code point by number", dscp(1), "bulk"),
                row("all of several fields", udp(family, 87) { ($0.hopLimit, $0.trafficClass) = (9, 32) }, "both"),
                row("not all of several", udp(family, 87) { ($0.hopLimit, $0.trafficClass) = (9, 36) }, "rest"),
            ]
        }

        private static func inLinkHeaders(_ family: AddressFamily) -> [PacketRow] {
            func tagged(_ priority: UInt8) -> Frame { udp(family, 85, tags: [Frame.Tag(7, priority: priority)]) }
            func from(_ source: MACAddress, to destination: MACAddress = Frame.peer) -> Frame {
                Frame(Ends.datagram(family, .udp(40000, 86)), from: source, to: destination)
            }
            return [
                row("a priority of a list", tagged(5), "high"), row("the other", tagged(6), "high"),
                row("another priority", tagged(4), "rest"), row("priority 0", tagged(0), "none"),
                row("no tag has no priority", udp(family, 85), "rest", .leaves),
                row(
                    "the outermost tag's priority",
                    udp(family, 85, tags: [Frame.Tag(7, priority: 6), Frame.Tag(8, priority: 1)]), "high"),
                row("a source MAC address", from("52:54:00:00:00:99"), "peer", .drops),
                row("one of a list, and a destination", from(Frame.guest), "own"),
                row("another destination", from(Frame.guest, to: "52:54:00:00:00:97"), "rest"),
                row("another source", from("52:54:00:00:00:97"), "rest"),
                row(
                    "a frame that is not IP",
                    Frame(tags: [Frame.Tag(7, priority: 3)], type: 0x88b5, payload: [1, 2, 3]), "frames"),
            ]
        }

        @Test(arguments: rows) func judges(row: PacketRow) throws { try Self.table.check(row) }

        private static let talk = FlowTests.Talk(family: .v6)
        private static func policy(_ action: String) -> String {
            FlowScript.policy(
                """
                  - { name: near, service: tcp/80, direction: in, match: { hopLimit: 1 }, action: \(action) }
                  - { name: web, service: tcp/80, direction: in, match: { tcpFlags: S/SA }, action: accept }
                """)
        }

        /// A flow does not remember the fields of what opened it: a new policy that asks for them ends it by no rule
        /// that denies, and keeps it by one that accepts.
        @Test func aFlowOutlivesWhatItForgot() throws {
            try FlowScript(
                "a new policy that asks for fields", under: FlowScript.closed,
                Self.talk.handshake() + [
                    .swap(Self.policy("drop")),
                    .frame(Self.talk.ask(24, 1001, 5001, payload: 9), at: "web", .in, "accept established"),
                    .swap(Self.policy("reject")),
                    .frame(Self.talk.ask(24, 1010, 5001, payload: 9), at: "web", .in, "accept established"),
                ]
            ).run()
        }
    }
}
