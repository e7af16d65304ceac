// SPDX-License-Identifier: Apache-2.0
import Foundation
import Glibc
import Network
import TestSupport
import Testing

extension Integration {
    /// Which way the hooks of each kind of device face: packets from beyond the device are `in` on a host port. The
    /// table in docs/operations.md says the same.
    @Suite(.serialized) struct FacingTests {
        /// A device `dev0` in the policy's namespace, and how the other namespace reaches it.
        struct Kind: Sendable, CustomTestStringConvertible {
            var name: String
            /// The arguments of `ip link add` for such a device; the row is skipped if the kernel does not have the
            /// kind.
            var type: String
            /// Shell lines; `up0` here and `net0` there are the ends of a veth pair.
            var here: String
            var there = Kind.end("net0")
            /// The device that the policy names.
            var device = "dev0"

            var testDescription: String { name }

            /// The end of a veth pair as the device itself; not every kernel renames a device that is up.
            static func end(_ name: String) -> String {
                "ip link set \(name) down; ip link set \(name) name dev0; ip link set dev0 up"
            }

            static func cable(_ name: String, _ options: String, there: String? = nil) -> Kind {
                Kind(
                    name: name, type: "\(options) link base",
                    here: "ip link add link up0 name dev0 type \(options); ip link set dev0 up",
                    there: there ?? end("net0"))
            }

            static func tunnel(_ name: String, _ options: String) -> Kind {
                let make = { (local: String, remote: String) in
                    """
                    ip link add dev0 type \(options.replacing("LOCAL", with: local).replacing("REMOTE", with: remote))
                    ip link set dev0 up
                    """
                }
                return Kind(
                    name: name,
                    type: options.replacing("LOCAL", with: "192.0.2.2").replacing("REMOTE", with: "192.0.2.1"),
                    here: make("192.0.2.2", "192.0.2.1"), there: make("192.0.2.1", "192.0.2.2"))
            }
        }

        static let kinds = [
            Kind(name: "veth", type: "veth", here: Kind.end("up0")),
            Kind(
                name: "bridge", type: "bridge",
                here: "ip link add dev0 type bridge; ip link set up0 master dev0; ip link set dev0 up"),
            Kind(
                name: "bond", type: "bond",
                here: """
                    ip link add dev0 type bond mode active-backup miimon 100
                    ip link set up0 down; ip link set up0 master dev0; ip link set dev0 up
                    """),
            Kind(
                name: "team", type: "team",
                here:
                    "ip link add dev0 type team; ip link set up0 down; ip link set up0 master dev0; ip link set dev0 up"
            ),
            .cable("vlan", "vlan id 5", there: "ip link add link net0 name dev0 type vlan id 5; ip link set dev0 up"),
            .cable("macvlan", "macvlan mode bridge"),
            .cable("macvtap", "macvtap mode bridge"),
            .cable("ipvlan l2", "ipvlan mode l2"),
            .cable("ipvlan l3", "ipvlan mode l3"),
            .tunnel("vxlan", "vxlan id 5 dstport 4789 local LOCAL remote REMOTE"),
            .tunnel("geneve", "geneve id 5 remote REMOTE"),
            .tunnel("gretap", "gretap local LOCAL remote REMOTE"),
            Kind(
                name: "netkit", type: "netkit",
                here: """
                    ip link set up0 down; ip link add pri0 type netkit
                    other=$(ip -o link show type netkit | sed 's/^[0-9]*: \\([^@:]*\\).*/\\1/' | grep -vx pri0)
                    ip link set $other name nk1; ip link set nk1 netns $FAR
                    ip link set pri0 name dev0; ip link set dev0 up
                    """, there: "ip link set nk1 down; ip link set nk1 name dev0; ip link set dev0 up"),
        ].filter { Kinds.has($0.type) }

        @Test(arguments: kinds) func whatComesIn(_ kind: Kind) throws {
            let site = try UplinkSite()
            let environment = "FAR=\(site.network.name)\n"
            try site.host.run("sh", "-ec", environment + kind.here)
            try site.network.run("sh", "-ec", kind.there)
            try site.lab.address(site.host, "dev0", "198.51.100.2/24")
            try site.lab.address(site.network, "dev0", "198.51.100.1/24")
            for (namespace, peer, address) in [
                (site.host, site.network, "198.51.100.1"), (site.network, site.host, "198.51.100.2"),
            ] {
                try namespace.run(
                    "ip", "neigh", "replace", address, "lladdr", "\(try peer.mac(of: "dev0"))", "dev", "dev0")
            }
            try site.bulkhead.apply(
                try site.lab.file(
                    "policy.yaml",
                    """
                    version: 1
                    ports:
                      dev: { interface: dev0, protects: host, mode: tc }
                    defaults: { in: accept, out: accept }
                    rules:
                      - { name: received, service: udp/1000, direction: in, action: accept, stateless: true }
                      - { name: sent, service: udp/2000, direction: out, action: accept, stateless: true }
                      - { name: other, action: accept, stateless: true }
                    """))
            for (namespace, address, port) in [
                (site.host, "198.51.100.1", 2000), (site.network, "198.51.100.2", 1000),
            ] as [(Namespace, IPAddress, UInt16)] {
                // Each from its own socket: nobody listens, and a socket that learned so stops sending.
                for _ in 1...5 { try IPSocket.connected(namespace, .udp, address, port).send([1]) }
            }
            _ = try poll(seconds: 2) { try site.bulkhead.counters().rule("received").packets >= 5 }
            // The error that nobody listens counts for the rule that accepted the datagram.
            let counters = try site.bulkhead.counters()
            #expect(try counters.rule("received").packets >= 5)
            #expect(try counters.rule("sent").packets >= 5)
            #expect(try counters.rule("other").packets == 0)
        }

        /// A dummy has no other end: what the host sends by it goes out, and nothing comes in.
        @Test(.enabled(if: Kinds.has("dummy"), "the kernel has no dummy devices")) func aDummyHasOneDirection() throws {
            let site = try UplinkSite()
            try site.host.run("sh", "-ec", "ip link add dev0 type dummy; ip link set dev0 up")
            try site.lab.address(site.host, "dev0", "198.51.100.2/24")
            try site.host.run("ip", "neigh", "replace", "198.51.100.1", "lladdr", "\(Frame.peer)", "dev", "dev0")
            try site.bulkhead.apply(
                try site.lab.file(
                    "policy.yaml",
                    """
                    version: 1
                    ports:
                      dev: { interface: dev0, protects: host }
                    defaults: { in: drop, out: accept }
                    rules:
                      - { name: sent, service: udp/2000, direction: out, action: accept }
                    """))
            for _ in 1...5 { try IPSocket.connected(site.host, .udp, "198.51.100.1", 2000).send([1]) }
            let counters = try site.bulkhead.counters()
            #expect(try counters.rule("sent").packets == 5)
            let received = try counters.port("dev", "in")
            #expect(received.accepted.packets == 0 && received.dropped.packets == 0, "\(received)")
        }

        /// As a workload, its directions would be swapped silently, or half of its packets would never be seen.
        @Test(
            arguments: [
                ("macvlan", "link", "workload", "host"), ("macvtap", "link", "workload", "host"),
                ("ipvlan mode l3", "link", "workload", "host"), ("ipvlan mode l3s", "link", "host", nil),
                ("ifb", "", "host", nil), ("vrf table 77", "", "host", nil),
            ].filter { Kinds.has($0.1 == "link" ? "\($0.0) link base" : $0.0) })
        func isRefusedByName(type: String, lower: String, wrong: String, right: String?) throws {
            let site = try UplinkSite()
            let below = lower == "link" ? "link up0" : ""
            try site.host.run("sh", "-ec", "ip link add \(below) name dev0 type \(type)")
            func policy(_ protects: String) throws -> String {
                try site.lab.file(
                    "\(protects).yaml",
                    """
                    version: 1
                    ports:
                      dev: { interface: dev0, \(protects) }
                    """)
            }
            let words = right == nil ? ["protects: host"] : ["protects: \(wrong)", "addresses: [198.51.100.7]"]
            for keys in words {
                let file = try policy(keys)
                let refused = try site.bulkhead.run("apply", file)
                #expect(refused.status == 1)
                let kind = type.prefix { $0 != " " }
                #expect(
                    refused.errors.contains("\(file):3:21: error: the device dev0 is of the kind \(kind)"),
                    "\(refused.errors)")
            }
            if let right { try site.bulkhead.apply(try policy("protects: \(right), addresses: [198.51.100.7]")) }
        }

        /// A virtual machine's macvtap: its owner is the guest, and `in` is what the guest receives. Also on the device
        /// below it, in every mode.
        @Test(arguments: ["bridge", "passthru"], ["tap0", "up0"])
        func aGuestBehindAMacvtap(mode: String, device: String) throws {
            let site = try UplinkSite()
            try site.host.run(
                "sh", "-ec", "ip link add link up0 name tap0 type macvtap mode \(mode); ip link set tap0 up")
            let guest = try Tap(macvtap: "tap0", in: site.host)
            let mac = try site.host.mac(of: "tap0")
            try site.bulkhead.apply(
                try site.lab.file(
                    "policy.yaml",
                    """
                    version: 1
                    ports:
                      vm: { interface: \(device), protects: host, mode: tc }
                    defaults: { in: drop, out: drop }
                    rules:
                      - { name: received, service: udp/1000, direction: in, action: accept }
                      - { name: sent, service: udp/2000, direction: out, action: accept }
                    """))
            let network = try PacketSocket(site.network, "net0")
            for family in AddressFamily.allCases {
                let ends = family == .v4 ? UplinkSite.v4 : UplinkSite.v6
                let inside: IPAddress = family == .v4 ? "192.0.2.9" : "2001:db8::9"
                for port in [2000, 1000] as [UInt16] {
                    let sent = Datagram(inside, ends.network, .udp(4000, port))
                    try guest.send(Frame(sent, from: mac, to: try site.network.mac(of: "net0")))
                    try network.send(
                        Frame(Datagram(ends.network, inside, .udp(5000, port)), from: Frame.guest, to: mac))
                }
                // The last frame that the network sent is the one that passes.
                let last = Frame(Datagram(ends.network, inside, .udp(5000, 1000)), from: Frame.guest, to: mac)
                #expect(try guest.receiveAll(upTo: last) == [])
            }
            let arrived = try network.receiveAll(from: mac)
            #expect(arrived.count == 2, "\(arrived)")
            let counters = try site.bulkhead.counters()
            for (direction, rule) in [("in", "received"), ("out", "sent")] {
                #expect(try counters.rule(rule).packets == 2)
                #expect(try counters.port("vm", direction).reasons["default"] == 2)
            }
        }
    }
}
