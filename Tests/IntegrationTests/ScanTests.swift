// SPDX-License-Identifier: Apache-2.0
import Foundation
import Network
import TestSupport
import Testing

extension Integration {
    /// A port scan bans itself, with no process alive, and is forgotten in time.
    @Suite(.serialized) struct ScanTests {
        @Test(arguments: AddressFamily.allCases) func aScanBansItself(family: AddressFamily) throws {
            let site = try UplinkSite()
            let ends = family == .v4 ? UplinkSite.v4 : UplinkSite.v6
            let policy = try site.lab.file(
                "policy.yaml",
                """
                version: 1
                ports: { uplink: { interface: up0, protects: host, defaults: { in: drop } } }
                groups: { scanners: { dynamic: { max: 1000 } } }
                rules:
                  - { name: banned, from: scanners, direction: in, action: drop }
                  - { name: bait, service: udp/23, direction: in, action: drop, add: { group: scanners, for: 5s } }
                  - { name: web, service: udp/80, direction: in, action: accept }
                """)
            try site.bulkhead.apply(policy)
            let server = try IPSocket.bound(site.host, .udp, ends.host, 80)
            let client = try IPSocket.connected(site.network, .udp, ends.host, 80, from: 4000)
            func arrives() throws -> Bool {
                try client.send([1])
                return try server.count(quiet: 200) > 0
            }
            #expect(try arrives())
            let start = Date()
            try IPSocket.connected(site.network, .udp, ends.host, 23).send([1])
            // The open connection too.
            #expect(try !arrives())
            let list = try site.bulkhead.run("group", "list", "scanners").output
            #expect(list.contains("\(ends.network)"), "\(list)")
            #expect(try poll(seconds: 15) { try arrives() })
            let time = Date().timeIntervalSince(start)
            #expect(time > 4.8 && time < 8 * Patience.factor, "\(time)")
            let empty = try site.bulkhead.run("group", "list", "scanners").output
            #expect(!empty.contains("\(ends.network)"), "\(empty)")
        }
    }
}
