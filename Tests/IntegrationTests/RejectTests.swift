// SPDX-License-Identifier: Apache-2.0
import Foundation
import Glibc
import Network
import TestSupport
import Testing

extension Integration {
    /// A rejected sender learns it at once, from a real network stack that checks the answer.
    @Suite(.serialized) struct RejectTests {
        private static let rules = """
              - { name: tcp, service: tcp/81, action: reject }
              - { name: udp, service: udp/81, action: reject }
            """

        /// The outcome of a connection, or a datagram, to an address.
        private static func failure(
            _ kind: IPSocket.Kind, from namespace: Namespace, to address: IPAddress, _ port: UInt16 = 81
        ) -> Int32 {
            do throws(SocketFailure) {
                let socket = try IPSocket.connected(namespace, kind, address, port)
                if kind == .udp {
                    try socket.send([1, 2, 3])
                    _ = try socket.receive()
                }
                return 0
            } catch {
                return error.errno
            }
        }

        /// A reset means refused; for "prohibited" Linux has a different error per family.
        private static func expectRefusal(
            from namespace: Namespace, to address: IPAddress, _ note: String = "",
            sourceLocation: SourceLocation = #_sourceLocation
        ) {
            let tcp = failure(.tcp, from: namespace, to: address)
            #expect(tcp == ECONNREFUSED, "TCP to \(address) \(note)", sourceLocation: sourceLocation)
            let udp = failure(.udp, from: namespace, to: address)
            let prohibited = address.family == .v4 ? EHOSTUNREACH : EACCES
            #expect(udp == prohibited, "UDP to \(address) \(note)", sourceLocation: sourceLocation)
        }

        /// Into the host at tc ingress and out of it at tc egress, with and without checksums left to the device.
        /// Generic XDP also sees the answers to what the host sends.
        @Test(arguments: [("auto", "xdp-native"), ("xdp", "xdp-native"), ("xdp", "xdp-generic"), ("tc", "tc")])
        func aHostsPort(mode: String, expected: String) throws {
            let site = try UplinkSite()
            if expected == "xdp-generic" { try site.refuseNativeXDP() }
            let applied = try site.bulkhead.apply(
                try site.policy(Self.rules, port: "mode: \(mode), defaults: { in: drop, out: accept }"))
            #expect(applied.ports.map(\.mode) == [expected])
            for offload in ["on", "off"] {
                try site.network.run("ethtool", "-K", "net0", "tx", offload)
                try site.host.run("ethtool", "-K", "up0", "tx", offload == "on" ? "off" : "on")
                for (host, network) in [
                    (UplinkSite.v4.host, UplinkSite.v4.network), (UplinkSite.v6.host, UplinkSite.v6.network),
                ] {
                    Self.expectRefusal(from: site.network, to: host, "offload \(offload)")
                    Self.expectRefusal(from: site.host, to: network, "offload \(offload)")
                }
            }
            let counters = try site.bulkhead.counters()
            for direction in ["in", "out"] {
                let port = try counters.port("uplink", direction)
                // Each rejected packet is a drop; the answers are neither accepts nor drops.
                #expect(port.reasons == ["rule": 8] && port.unanswered == 0, "\(port)")
                #expect(port.acceptReasons.keys.allSatisfy { $0 == "essential" }, "\(port)")
            }
            counters.expectExactAccounting()
        }

        /// A device of the host with its own MAC address, reached through the port of `up0`.
        enum Station: String, CaseIterable, Sendable {
            /// Like VRRP's device for its virtual address.
            case macvlan
            /// A device in a container's namespace.
            case container
            case bridge
            case macvlanOnBridge
            case vlan

            /// The kinds of device that it needs.
            var isPossible: Bool { self != .vlan || Kinds.has("vlan id 5 link base") }

            var script: String {
                let make = { (below: String, type: String) in
                    "ip link add link \(below) name dev0 address \(Self.mac) type \(type)"
                }
                return switch self {
                case .macvlan: make("up0", "macvlan mode private")
                case .container: make("up0", "macvlan mode bridge")
                case .bridge:
                    "ip link add dev0 address \(Self.mac) type bridge forward_delay 0; ip link set up0 master dev0"
                case .macvlanOnBridge:
                    """
                    ip link add br0 address 02:00:00:00:00:77 type bridge forward_delay 0
                    ip link set up0 master br0; ip link set br0 up; \(make("br0", "macvlan mode bridge"))
                    """
                case .vlan: make("up0", "vlan id 5")
                }
            }

            static let mac: MACAddress = "00:00:5e:00:01:07"
        }

        /// Also for the host's MAC addresses other than the port's: the answer comes from the one that was asked. What
        /// a switch floods is still not answered.
        @Test(arguments: Station.allCases.filter(\.isPossible), ["auto", "tc"])
        func theHostsOtherStations(station: Station, mode: String) throws {
            let site = try UplinkSite()
            let inside = station == .container ? try site.lab.namespace("in") : site.host
            try site.host.run("sh", "-ec", station.script)
            if station == .container { try site.host.run("ip", "link", "set", "dev0", "netns", inside.name) }
            try inside.run("ip", "link", "set", "dev0", "up")
            let outside = station == .vlan ? "net0.5" : "net0"
            if station == .vlan {
                try site.network.run(
                    "sh", "-ec", "ip link add link net0 name net0.5 type vlan id 5; ip link set net0.5 up")
            }
            let ends: [(host: IPAddress, network: IPAddress)] = [
                ("198.51.100.2", "198.51.100.1"), ("2001:db8:1::2", "2001:db8:1::1"),
            ]
            try site.lab.address(inside, "dev0", "198.51.100.2/24", "2001:db8:1::2/64")
            try site.lab.address(site.network, outside, "198.51.100.1/24", "2001:db8:1::1/64")
            // Another device of the host might answer for the address.
            for end in ends {
                try site.network.run(
                    "ip", "neigh", "replace", "\(end.host)", "lladdr", "\(Station.mac)", "dev", outside)
            }
            try site.bulkhead.apply(
                try site.policy(Self.rules, port: "mode: \(mode), defaults: { in: accept, out: accept }"))
            for end in ends {
                Self.expectRefusal(from: site.network, to: end.host, "in")
                Self.expectRefusal(from: inside, to: end.network, "out")
            }
            let counters = try site.bulkhead.counters()
            for direction in ["in", "out"] {
                let port = try counters.port("uplink", direction)
                #expect(port.reasons == ["rule": 4] && port.unanswered == 0, "\(port)")
            }
            try Self.expectNoAnswerForOthers(site, ends, tag: station == .vlan ? [Frame.Tag(5)] : [])
        }

        /// The same packets in frames to a station that is not the host's.
        private static func expectNoAnswerForOthers(
            _ site: UplinkSite, _ ends: [(host: IPAddress, network: IPAddress)], tag: [Frame.Tag]
        ) throws {
            let socket = try PacketSocket(site.network, "net0")
            let other: MACAddress = "00:00:5e:00:01:08"
            for end in ends {
                for segment in [Segment.tcp(40000, 81, sequence: 7), .udp(40000, 81)] {
                    try socket.send(Frame(Datagram(end.network, end.host, segment), to: other, tags: tag))
                }
            }
            #expect(try poll(seconds: 5) { try site.bulkhead.counters().port("uplink", "in").unanswered == 4 })
            #expect(try socket.receiveAll(from: other) == [])
        }

        @Test(arguments: ["in", "out"]) func betweenGuests(direction: String) throws {
            let site = try BridgeSite()
            let policy = try site.lab.file(
                "policy.yaml",
                """
                version: 1
                ports:
                  a: { interface: vm-a, protects: workload, vlans: any, guard: off }
                  b: { interface: vm-b, protects: workload, vlans: any, guard: off }
                defaults: { in: drop, out: accept }
                rules:
                  - { name: no, service: [tcp/81, udp/81], direction: \(direction), \
                at: [\(direction == "in" ? "b" : "a")], action: reject }
                """)
            try site.bulkhead.apply(policy)
            let addresses: [IPAddress] = ["198.51.100.2", "2001:db8:1::2"]
            for offload in ["on", "off"] {
                try site.a.run("ethtool", "-K", "eth0", "tx", offload)
                for device in ["vm-a", "vm-b"] {
                    try site.host.run("ethtool", "-K", device, "tx", offload == "on" ? "off" : "on")
                }
                for address in addresses { Self.expectRefusal(from: site.a, to: address, "offload \(offload)") }
            }
            let counters = try site.bulkhead.counters()
            let port = try counters.port(direction == "in" ? "b" : "a", direction)
            #expect(port.reasons == ["rule": 8] && port.unanswered == 0, "\(port)")
            try Self.expectTaggedAnswers(site)
        }

        /// An answer has the tags of the packet that it answers; the outer one is in metadata at both hooks.
        private static func expectTaggedAnswers(_ site: BridgeSite) throws {
            let socket = try PacketSocket(site.a, "eth0")
            let peer: MACAddress = "52:54:00:00:00:99"
            for tags in [[5], [5, 6]] as [[UInt16]] {
                for family in AddressFamily.allCases {
                    let datagram = Datagram(
                        BridgeSite.address(1, family), BridgeSite.address(2, family), .tcp(40000, 81, sequence: 7))
                    try socket.send(Frame(datagram, to: peer, tags: tags.map { Frame.Tag($0) }))
                    let answer = try #require(try socket.receiveAll(from: peer).first, "\(tags) \(family)")
                    let whole = Frame(
                        datagram, from: peer, to: Frame.guest, tags: tags.map { Frame.Tag($0) }
                    ).bytes
                    #expect(answer.bytes.prefix(12 + 4 * tags.count + 2) == whole.prefix(12 + 4 * tags.count + 2))
                    // The flags of a reset that acknowledges, and its acknowledgement number.
                    let tcp = Array(answer.bytes.dropFirst(14 + 4 * tags.count + (family == .v4 ? 20 : 40)))
                    #expect(tcp.dropFirst(8).prefix(4) == [0, 0, 0, 8] && tcp[13] == 20, "\(answer)")
                }
            }
        }

        /// The mark that lets an answer pass is worthless in a guest's hands, and is gone once the answer has passed.
        @Test func noGuestCanPassForAnAnswer() throws {
            let site = try UplinkSite()
            try site.bulkhead.apply(try site.policy(Self.rules, port: "defaults: { in: drop, out: accept }"))
            let dump = try Shell.check(
                "bpftool", "-j", "map", "dump", "pinned", "/sys/fs/bpf/\(site.bulkhead.instance)/maps/instance")
            let entries = try #require(try JSONSerialization.jsonObject(with: Data(dump.utf8)) as? [[String: Any]])
            let bytes = try #require(entries.first?["value"] as? [String]).compactMap {
                UInt8($0.dropFirst(2), radix: 16)
            }
            // The last field before the padding.
            let mark = bytes.suffix(8).prefix(4).reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
            try #require(mark != 0)
            let seen =
                "add table inet seen; add chain inet seen in { type filter hook prerouting priority -300; }; "
                + "add rule inet seen in meta mark != 0 counter"
            try site.host.run("nft", seen)
            #expect(Self.failure(.tcp, from: site.host, to: UplinkSite.v4.network) == ECONNREFUSED)
            #expect(try site.host.run("nft", "list", "table", "inet", "seen").contains("counter packets 0"))

            try site.network.run(
                "nft",
                "add table inet own; add chain inet own out { type route hook output priority 0; }; "
                    + "add rule inet own out meta mark set \(mark) counter")
            let server = try IPSocket.bound(site.host, .tcp, UplinkSite.v4.host, 80)
            defer { withExtendedLifetime(server) {} }
            #expect(!site.network.connects(to: UplinkSite.v4.host, 80))
            #expect(try !site.network.run("nft", "list", "table", "inet", "own").contains("counter packets 0"))
            #expect(try site.bulkhead.counters().port("uplink", "in").reasons["default"] ?? 0 > 0)
        }
    }
}
