// SPDX-License-Identifier: Apache-2.0
import Network
import TestSupport
import Testing

extension Integration {
    /// A DHCP server's answers at the port of a guest whose host routes: those of the link are essential, those from
    /// far are not.
    @Suite(.serialized) struct RoutedAnswerTests {
        ///     far (far0) ---- (up0) host: vm-a, or br0 with vm-a and vm-b ---- (eth0) guest, relay
        private struct Site {
            let lab: Lab
            let host: Namespace
            let guest: Namespace
            let relay: Namespace
            let far: Namespace
            let bulkhead: Bulkhead

            static let guestAddress: IPAddress = "198.51.100.10"
            static let hostAddress: IPAddress = "198.51.100.1"
            static let farAddress: IPAddress = "203.0.113.9"

            init(isBridged: Bool) throws {
                lab = try Lab()
                host = try lab.namespace("host")
                guest = try lab.namespace("guest")
                relay = try lab.namespace("relay")
                far = try lab.namespace("far")
                bulkhead = Bulkhead(lab, in: host)
                try lab.veth((guest, "eth0"), (host, "vm-a"))
                try lab.veth((relay, "eth0"), (host, "vm-b"))
                try lab.veth((far, "far0"), (host, "up0"))
                if isBridged { try lab.bridge(host, "br0", ports: ["vm-a", "vm-b"]) }
                try guest.run("ip", "link", "set", "eth0", "address", "\(Frame.guest)")
                try lab.address(host, isBridged ? "br0" : "vm-a", "\(Self.hostAddress)/24")
                try lab.address(guest, "eth0", "\(Self.guestAddress)/24")
                try lab.address(relay, "eth0", "198.51.100.2/24")
                try lab.address(host, "up0", "203.0.113.1/24")
                try lab.address(far, "far0", "\(Self.farAddress)/24")
                try host.run("sh", "-ec", "echo 1 > /proc/sys/net/ipv4/ip_forward")
                try far.run("ip", "route", "add", "198.51.100.0/24", "via", "203.0.113.1")
                try guest.run("ip", "route", "add", "default", "via", "\(Self.hostAddress)")
                let policy = try lab.file(
                    "policy.yaml",
                    """
                    version: 1
                    ports:
                      uplink: { interface: up0, protects: host }
                      guest: { interface: vm-a, mac: \(Frame.guest), addresses: [\(Self.guestAddress)] }
                    defaults: { in: drop, out: accept, adopt: 0s }
                    """)
                try bulkhead.apply(policy)
            }

            func reasons() throws -> (accepted: [String: Int], dropped: [String: Int]) {
                let counted = try bulkhead.counters().port("guest", "in")
                return (counted.acceptReasons, counted.reasons)
            }
        }

        /// Both ports would take it for an answer of the link, by its ports and its address.
        @Test(arguments: [false, true]) func anAnswerFromFarIsForTheRules(isBridged: Bool) throws {
            let site = try Site(isBridged: isBridged)
            let client = try IPSocket.bound(site.guest, .udp, Site.guestAddress, 68)
            let server = try IPSocket.connected(site.far, .udp, Site.guestAddress, 68, from: 67)
            try server.send([1])
            #expect(try poll(seconds: 5) { try site.reasons().dropped["default"] == 1 })
            #expect(try client.count(quiet: 200) == 0)
        }

        /// What the host itself sends, and what a relay sends that is on the guest's bridge.
        @Test func anAnswerOfTheLinkArrives() throws {
            let site = try Site(isBridged: true)
            let client = try IPSocket.bound(site.guest, .udp, Site.guestAddress, 68)
            for sender in [site.host, site.relay] {
                let server = try IPSocket.connected(sender, .udp, Site.guestAddress, 68, from: 67)
                try server.send([1])
                #expect(try client.receive() == [1], "\(sender)")
            }
            #expect(try site.reasons().dropped["default"] == nil)
        }

        /// A client that renews its lease asks the server itself: the answer belongs to the question's flow.
        @Test(arguments: [false, true]) func aFarServerRenewsALease(isBridged: Bool) throws {
            let site = try Site(isBridged: isBridged)
            let server = try IPSocket.connected(site.far, .udp, Site.guestAddress, 68, from: 67)
            let client = try IPSocket.connected(site.guest, .udp, Site.farAddress, 67, from: 68)
            try client.send([1])
            #expect(try server.receive() == [1])
            try server.send([2])
            #expect(try client.receive() == [2])
            #expect(try site.reasons().accepted["established"] == 1)
        }
    }
}
