// SPDX-License-Identifier: Apache-2.0
import Network
import TestSupport
import Testing

extension Integration {
    /// `explain` says which condition of a rule decided.
    @Suite(.serialized) struct ExplainConditionTests {
        private static let rules = """
              - { name: gtsm, service: tcp/179, direction: in, match: { hopLimit: 255 }, action: accept }
              - name: odd
                service: tcp/80
                direction: in
                match: { tcpFlags: SA/SA, length: "0-30" }
                action: accept
              - { name: voice, service: udp/5060, direction: in, match: { dscp: ef }, action: accept }
              - { name: theirs, service: udp/9, direction: in, fromMac: 52:54:00:00:00:99, action: accept }
              - { name: later, service: udp/10, direction: in, starts: 2100-01-01T00:00:00Z, action: accept }
              - { name: police, service: udp/12, direction: in, limit: { rate: 1/h, over: true }, action: accept }
              - { name: left, service: udp/13, direction: in, limit: { rate: 1/h, over: true }, action: drop }
              - { name: within, service: udp/13, direction: in, limit: { rate: 1/h }, action: accept }
            """

        @Test(arguments: AddressFamily.allCases) func namesTheConditionThatDecided(family: AddressFamily) throws {
            let site = try UplinkSite()
            let ends = family == .v4 ? UplinkSite.v4 : UplinkSite.v6
            let policy = try site.policy(Self.rules, port: "defaults: { in: drop }")
            for (service, said) in [
                ("tcp/179", "rule gtsm does not match: it asks for another hopLimit"),
                ("tcp/80", "rule odd does not match: it asks for another tcpFlags or length"),
                ("udp/5060", "rule voice does not match: it asks for another dscp"),
                ("udp/9", "rule theirs does not match: it asks for another fromMac"),
                ("udp/10", "rule later does not match before 2100-01-01T00:00:00"),
                ("udp/12", "rule police does not match: this is within the limit"),
                ("udp/13", "rule within  (within its limit)"),
            ] {
                let result = try site.bulkhead.run(
                    "explain", "\(ends.network)", "\(ends.host)", service, "--policy", policy, "--at", "uplink",
                    "--direction", "in")
                #expect(result.output.contains(said), "\(service): \(result.output)\(result.errors)")
            }
        }
    }
}
