// SPDX-License-Identifier: Apache-2.0
import Foundation
import Network
import TestSupport
import Testing

extension Integration {
    /// Limits of bytes hold a real TCP connection to their rate. How near it comes to it depends on the machine, so it
    /// is printed; what passes is at most the burst of a second and the rate.
    @Suite(.serialized) struct PolicerTests {
        private static let rate = 5_000_000.0

        /// Sends to the host for some seconds.
        private func check(_ site: UplinkSite, _ family: AddressFamily, port: UInt16, seconds: Double) throws {
            let ends = family == .v4 ? UplinkSite.v4 : UplinkSite.v6
            let listener = try IPSocket.bound(site.host, .tcp, ends.host, port)
            let client = try IPSocket.connected(site.network, .tcp, ends.host, port)
            let server = try listener.accept()
            let begin = Date()
            let sender = Background { isStopped in
                let block = [UInt8](repeating: 7, count: 1 << 16)
                while !isStopped() { try client.send(block) }
            }
            // The burst passes first.
            let start = begin.addingTimeInterval(1)
            var (received, first) = (0, 0)
            while Date().timeIntervalSince(start) < seconds, let bytes = try server.receive(milliseconds: 2000) {
                received += bytes.count
                if Date() < start { first = received }
            }
            let end = Date()
            _ = try? sender.stop()
            let carried = Double(received - first) / end.timeIntervalSince(start)
            print("policer of 5 MB/s: TCP carries \(Int(carried)) bytes a second")
            let most = Self.rate * (1 + end.timeIntervalSince(begin))
            #expect(received > first && Double(received) < most, "\(received) of \(most) bytes")
        }

        @Test(arguments: AddressFamily.allCases) func aFlowKeepsToItsRate(family: AddressFamily) throws {
            let site = try UplinkSite()
            try site.bulkhead.apply(
                try site.policy(
                    "  - { name: bulk, service: tcp/5001, direction: in, action: accept, limit: { rate: 5MB/s } }",
                    port: "mode: tc, defaults: { in: drop }"))
            try check(site, family, port: 5001, seconds: 4)
        }

        /// One line before the rules that accept without flows.
        @Test func whatExceedsIsDropped() throws {
            let site = try UplinkSite()
            try site.bulkhead.apply(
                try site.policy(
                    """
                      - name: police
                        service: tcp/5001
                        direction: in
                        limit: { rate: 5MB/s, over: true }
                        action: drop
                        log: false
                      - { name: bulk, service: tcp/5001, direction: in, action: accept, stateless: true }
                      - name: back
                        service: { protocol: tcp, sourcePorts: 5001 }
                        direction: out
                        action: accept
                        stateless: true
                    """, port: "mode: tc, defaults: { in: drop, out: accept }"))
            try check(site, .v4, port: 5001, seconds: 4)
        }
    }
}
