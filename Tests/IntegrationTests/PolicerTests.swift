// SPDX-License-Identifier: Apache-2.0
import Foundation
import Network
import TestSupport
import Testing

extension Integration {
    /// Limits of bytes hold a real TCP connection to their rate.
    @Suite(.serialized) struct PolicerTests {
        /// The rate in bytes per second at which the host receives from the network for some seconds.
        private func rate(_ site: UplinkSite, _ family: AddressFamily, port: UInt16, seconds: Double) throws -> Double {
            let ends = family == .v4 ? UplinkSite.v4 : UplinkSite.v6
            let listener = try IPSocket.bound(site.host, .tcp, ends.host, port)
            let client = try IPSocket.connected(site.network, .tcp, ends.host, port)
            let server = try listener.accept()
            let sender = Background { isStopped in
                let block = [UInt8](repeating: 7, count: 1 << 16)
                while !isStopped() { try client.send(block) }
            }
            var received = 0
            // The burst passes first.
            let start = Date().addingTimeInterval(0.5)
            var counted = 0
            while Date().timeIntervalSince(start) < seconds {
                guard let bytes = try server.receive(milliseconds: 1000) else { break }
                received += bytes.count
                if Date() < start { counted = received }
            }
            let rate = Double(received - counted) / Date().timeIntervalSince(start)
            _ = try? sender.stop()
            return rate
        }

        @Test(arguments: AddressFamily.allCases) func aFlowKeepsToItsRate(family: AddressFamily) throws {
            let site = try UplinkSite()
            try site.bulkhead.apply(
                try site.policy(
                    "  - { name: bulk, service: tcp/5001, direction: in, action: accept, limit: { rate: 5MB/s } }",
                    port: "mode: tc, defaults: { in: drop }"))
            let rate = try rate(site, family, port: 5001, seconds: 4)
            // How near TCP comes to it depends on the machine.
            print("policer of 5 MB/s: TCP carries \(Int(rate)) bytes a second")
            #expect(rate > 0 && rate < 5_500_000, "\(rate)")
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
            let rate = try rate(site, .v4, port: 5001, seconds: 4)
            // How near TCP comes to it depends on the machine.
            print("policer of 5 MB/s: TCP carries \(Int(rate)) bytes a second")
            #expect(rate > 0 && rate < 5_500_000, "\(rate)")
        }
    }
}
