// SPDX-License-Identifier: Apache-2.0
import TestSupport
import Testing

extension Integration {
    /// The packet that `explain` asks about is one that an honest guest would send.
    @Suite(.serialized) struct ExplainTests {
        @Test func aGuestSendsAsItself() throws {
            let site = try BridgeSite()
            let policy = try site.lab.file(
                "guests.yaml",
                """
                version: 1
                ports:
                  a: { interface: vm-a, mac: "52:54:00:00:00:01", addresses: [198.51.100.1, "2001:db8:1::1"] }
                  b: { interface: vm-b, mac: "52:54:00:00:00:02", addresses: [198.51.100.2, "2001:db8:1::2"] }
                defaults: { in: drop, out: accept }
                rules:
                  - { name: web, service: tcp/80, action: accept }
                """)
            for (words, verdict, reasons) in [
                (["a", "b", "tcp/80"], "accept", ["rule", "rule"]),
                (["2001:db8:1::2", "2001:db8:1::1", "tcp/81"], "drop", ["default", "default"]),
                (["198.51.100.2", "198.51.100.1", "tcp/80", "--at", "a", "--direction", "out"], "drop", ["guard-ip"]),
            ] {
                let result = try Shell.run(site.bulkhead.command(["explain"] + words + ["--policy", policy, "--json"]))
                try #require(result.status == 0, "\(result.errors)")
                #expect(result.output.contains(#""verdict": "\#(verdict)""#), "\(words): \(result.output)")
                let found = result.output.split(separator: "\"reason\": \"").dropFirst().map {
                    $0.prefix { $0 != "\"" }
                }
                #expect(found.map(String.init) == reasons, "\(words): \(result.output)")
            }
        }
    }
}
