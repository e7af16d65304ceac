// SPDX-License-Identifier: Apache-2.0
import Network
import TestSupport
import Testing

extension Integration {
    /// Fragmented datagrams from guest to guest, honest and forged.
    @Suite(.serialized) struct FragmentTests {
        private static func site() throws -> BridgeSite {
            let site = try BridgeSite()
            let policy = try site.lab.file(
                "policy.yaml",
                """
                version: 1
                ports:
                  a: { interface: vm-a, protects: workload }
                  b: { interface: vm-b, protects: workload }
                defaults: { in: drop, out: drop }
                rules:
                  - { name: ping, service: ping, action: accept }
                  - { name: dns, service: udp/53, action: accept }
                """)
            try site.bulkhead.apply(policy)
            return site
        }

        @Test(arguments: AddressFamily.allCases) func aLargePingPassesBothWays(family: AddressFamily) throws {
            let site = try Self.site()
            let drops = try site.bulkhead.drops()
            let target = "\(BridgeSite.address(2, family))"
            try site.a.run("ping", "-c", "3", "-i", "0.2", "-W", "2", "-s", "4000", target)
            // Each of the three echo requests has three fragments, and so has its reply, at both ports.
            let counters = try site.bulkhead.counters()
            for name in ["a", "b"] {
                for direction in ["in", "out"] {
                    let port = try counters.port(name, direction)
                    #expect(port.acceptReasons["fragment"] == 6, "\(name) \(direction): \(port.acceptReasons)")
                    #expect(port.dropped.packets == 0)
                }
            }
            #expect(try counters.rule("ping").packets == 3 * 3 * 2 * 2)
            #expect(try Drop.all(try drops.interrupt().output).isEmpty)
        }

        /// The fragments sent under one identification, each with the reason why it is dropped; nil if it passes.
        private static func forged(_ family: AddressFamily) -> [(what: String, parts: [(Datagram, String?)])] {
            let (from, to) = (BridgeSite.address(1, family), BridgeSite.address(2, family))
            let data = [UInt8](repeating: 0x53, count: 56)
            let dns = Datagram(from, to, .udp(40000, 53, payload: data)).fragments(of: 16)
            let other = Datagram(from, to, .udp(40000, 54, payload: data)).fragments(of: 16)
            let tiny = Datagram(from, to, .tcp(40000, 53, payload: data)).fragments(of: 16)
            let wide = Datagram(from, to, .udp(40000, 53, payload: data)).fragments(of: 32)
            func moved(_ part: Datagram, to offset: UInt16) -> Datagram {
                var part = part
                part.fragment?.offset = offset
                return part
            }
            let fragment = "fragment"
            return [
                ("honest", dns.map { ($0, nil) }),
                ("late", [(dns[1], fragment), (dns[3], fragment)]),
                ("out of order", [(dns[0], nil), (dns[3], nil), (dns[2], nil), (dns[1], nil)]),
                ("doubled", [(dns[0], nil), (dns[0], fragment), (dns[1], nil), (dns[1], fragment)]),
                ("overlapping", [(dns[0], nil), (dns[1], nil), (moved(wide[0], to: 3), fragment), (dns[2], nil)]),
                ("a second first", [(dns[0], nil), (other[0], fragment), (dns[1], nil)]),
                ("tiny", [(tiny[0], fragment), (tiny[1], fragment)]),
                ("denied", [(other[0], "default"), (other[1], fragment)]),
                ("after the end", [(dns[0], nil), (dns[3], nil), (moved(dns[1], to: 8), fragment)]),
                ("never completed", [(dns[0], nil)]),
            ]
        }

        @Test(arguments: AddressFamily.allCases) func noForgedFragmentArrives(family: AddressFamily) throws {
            let site = try Self.site()
            let drops = try site.bulkhead.drops("--port", "a")
            let sender = try PacketSocket(site.a, "eth0")
            let receiver = try PacketSocket(site.b, "eth0")
            let mac = try site.b.mac(of: "eth0")
            var passing: [String] = []
            var reasons: [String] = []
            for (number, scenario) in Self.forged(family).enumerated() {
                for (part, reason) in scenario.parts {
                    var part = part
                    part.identification = UInt32(0x100 + number)
                    let frame = Frame(part, to: mac)
                    if let reason { reasons.append(reason) } else { passing.append(frame.description) }
                    try sender.send(frame)
                }
            }
            #expect(try receiver.receiveAll().map(\.description) == passing)
            _ = poll(seconds: 5) { drops.output.utf8.count { $0 == 10 } >= reasons.count }
            let events = try Drop.all(try drops.interrupt().output).filter { $0.srcMac == "\(Frame.guest)" }
            #expect(events.map(\.reason) == reasons)
            #expect(events.allSatisfy { $0.direction == "out" && $0.rule == nil })
            try site.bulkhead.counters().expectExactAccounting()
        }
    }
}
