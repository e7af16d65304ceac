// SPDX-License-Identifier: Apache-2.0
import Network
import TestSupport
import Testing

extension Integration {
    /// Frames of the link itself: control frames, and frames that the host's own stack loops back to the host.
    @Suite(.serialized) struct LinkTests {
        /// An IP packet to a control address is an ordinary packet, which a host accepts without having joined that
        /// address.
        @Test(arguments: ["xdp", "tc"]) func ipIsNoLinkControl(mode: String) throws {
            let site = try UplinkSite()
            let listeners = try [
                IPSocket.bound(site.host, .udp, UplinkSite.v4.host, 9),
                IPSocket.bound(site.host, .udp, UplinkSite.v6.host, 9),
            ]
            try site.bulkhead.apply(
                try site.policy(
                    "  - { name: nine, service: udp/9, direction: out, action: accept }",
                    port: "mode: \(mode), defaults: { in: drop, out: accept }"))
            let sender = try PacketSocket(site.network, "net0")
            let frames = (0...15).flatMap { (last: UInt64) in
                let to = MACAddress(0x0180_c200_0000 | last)
                return AddressFamily.allCases.flatMap { family in
                    [[], [Frame.Tag(0)]].map { Frame(Self.packet(family), to: to, tags: $0) }
                }
            }
            for frame in frames { try sender.send(frame) }
            let isComplete = try poll(seconds: 5) {
                try site.bulkhead.counters().port("uplink", "in").dropped.packets >= frames.count
            }
            let counted = try site.bulkhead.counters().port("uplink", "in")
            #expect(isComplete && counted.reasons["default"] == frames.count, "\(counted)")
            #expect(counted.acceptReasons["control"] == nil)
            for listener in listeners { #expect(try listener.count() == 0) }
            // If a rule accepts it, it reaches the host: hosts accept such frames.
            try site.bulkhead.apply(
                try site.policy("  - { name: nine, service: udp/9, action: accept }", port: "mode: \(mode)"))
            for frame in frames { try sender.send(frame) }
            for listener in listeners { #expect(try listener.count(quiet: 500) == frames.count / 2) }
        }

        private static func packet(_ family: AddressFamily) -> Datagram {
            let ends = family == .v4 ? UplinkSite.v4 : UplinkSite.v6
            return Datagram(ends.network, ends.host, .udp(40000, 9, payload: [1]))
        }

        /// Spanning tree, slow protocols, 802.1X and LLDP reach the host, untagged and with one tag.
        @Test func linkControlPasses() throws {
            let site = try UplinkSite()
            try site.bulkhead.apply(try site.policy("  - { name: none, action: drop }"))
            let sender = try PacketSocket(site.network, "net0")
            let receiver = try PacketSocket(site.host, "up0")
            let frames = [38, 0x8809, 0x888e, 0x88cc].flatMap { (type: UInt16) in
                [[], [0], [7]].map { tags in
                    Frame(
                        to: "01:80:c2:00:00:02", tags: tags.map { Frame.Tag($0) }, type: type,
                        payload: [UInt8](repeating: 0x42, count: 46))
                }
            }
            for frame in frames { try sender.send(frame) }
            #expect(try receiver.receiveAll() == frames)
            #expect(
                try poll(seconds: 5) {
                    try site.bulkhead.counters().port("uplink", "in").acceptReasons["control"] == frames.count
                })
        }

        /// The host hears its own multicast, without a link header. It was judged on its way out, and is not judged
        /// again.
        @Test(arguments: ["xdp-native", "xdp-generic", "tc"]) func aHostHearsItself(mode: String) throws {
            let site = try UplinkSite()
            if mode == "xdp-generic" { try site.refuseNativeXDP() }
            // Where a link header has its EtherType, a packet from this address has IPv4's number.
            try site.lab.address(site.host, "up0", "2001:db8:800::2/64")
            try site.host.run(
                "sh", "-ec",
                """
                ip addr del 2001:db8::2/64 dev up0
                ip route add 224.0.0.0/4 dev up0
                """)
            let applied = try site.bulkhead.apply(
                try site.policy(
                    "  - { name: none, direction: in, action: drop }",
                    port: "mode: \(mode == "tc" ? "tc" : "xdp"), defaults: { in: drop, out: accept }"))
            #expect(applied.ports.map(\.mode) == [mode])
            for (group, port) in [("239.1.2.3", 5007), ("ff05::1:3", 5008)] as [(IPAddress, UInt16)] {
                let listener = try IPSocket.bound(site.host, .udp, group.family == .v4 ? "0.0.0.0" : "::", port)
                try listener.join(group, on: "up0")
                let sender = try IPSocket.connected(site.host, .udp, group, port)
                for number in 1...10 as ClosedRange<UInt8> {
                    try sender.send([number])
                    #expect(try listener.receive() == [number], "\(group)")
                }
            }
            let counters = try site.bulkhead.counters()
            #expect(try counters.port("uplink", "in").dropped.packets == 0, "\(counters)")
            #expect(try counters.port("uplink", "out").accepted.packets >= 20)
            try Self.expectNoForgery(site)
        }

        /// The same bytes from a neighbour are an ordinary frame.
        private static func expectNoForgery(_ site: UplinkSite) throws {
            let sender = try PacketSocket(site.network, "net0")
            let looped = [
                Datagram("192.0.2.2", "239.1.2.3", .udp(40000, 5007, payload: [1])),
                Datagram("2001:db8:800::2", "ff05::1:3", .udp(40000, 5008, payload: [1])),
            ]
            for datagram in looped { try sender.send(Frame(bytes: datagram.bytes)) }
            #expect(
                try poll(seconds: 5) {
                    try site.bulkhead.counters().port("uplink", "in").dropped.packets == looped.count
                })
        }
    }
}
