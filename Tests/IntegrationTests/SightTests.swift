// SPDX-License-Identifier: Apache-2.0
import Foundation
import Network
import TestSupport
import Testing

extension Integration {
    /// What the hooks cannot see, as docs/threats.md says. If one of these tests fails, the hooks see more than the
    /// page says.
    @Suite(.serialized) struct SightTests {
        /// Sends frames of an unused EtherType from the host; with `bypass`, past the device's queue.
        private static func send(_ site: UplinkSite, bypass: Bool) throws {
            let frame = String(repeating: "ff", count: 6) + "02000000000188b5" + String(repeating: "5a", count: 50)
            let option = bypass ? "s.setsockopt(263, 20, 1)" : ""  // SOL_PACKET, PACKET_QDISC_BYPASS
            // A frame that is dropped on its way out makes the call fail.
            try site.host.run(
                "python3", "-c",
                """
                import socket
                s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
                s.bind(("up0", 0))
                \(option)
                for _ in range(4):
                    try: s.send(bytes.fromhex("\(frame)"))
                    except OSError: pass
                """)
        }

        private static func arrived(_ socket: PacketSocket) throws -> Int {
            try socket.receiveAll(from: MACAddress(0x0200_0000_0001)).count
        }

        @Test func aPacketSocketMayPassTheQueueBy() throws {
            let site = try UplinkSite()
            try site.bulkhead.apply(
                try site.policy("  - { name: none, action: drop }", port: "mode: tc, defaults: { out: drop }"))
            let network = try PacketSocket(site.network, "net0")
            try Self.send(site, bypass: false)
            #expect(try Self.arrived(network) == 0)
            try Self.send(site, bypass: true)
            #expect(try Self.arrived(network) == 4)
        }

        @Test func aPacketSocketReadsBeforeTheFilter() throws {
            let site = try UplinkSite()
            try site.bulkhead.apply(try site.policy("  - { name: none, action: drop }", port: "mode: tc"))
            let sniffer = try PacketSocket(site.host, "up0")
            let server = try IPSocket.bound(site.host, .udp, UplinkSite.v4.host, 9)
            let raw = try PacketSocket(site.network, "net0")
            for _ in 0..<4 { try raw.send(site.probe(to: 9)) }
            let seen = try sniffer.receiveAll().count { $0.bytes == site.probe(to: 9).bytes }
            #expect(seen == 4)
            #expect(try server.receive(milliseconds: 200) == nil, "and no program of the host gets one")
        }
    }
}
