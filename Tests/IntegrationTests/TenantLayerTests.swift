// SPDX-License-Identifier: Apache-2.0
import Network
import TestSupport
import Testing

extension Integration {
    /// A platform's layer stands before a tenant's, whatever the tenant's file says.
    @Suite(.serialized) struct TenantLayerTests {
        private static let platform = """
            version: 1
            include: [{ files: tenant.yaml, layers: [tenant] }]
            ports: { uplink: { interface: up0, protects: host, defaults: { in: drop } } }
            layers:
              - name: mandatory
                rules:
                  - { name: no-telnet, service: udp/23, action: drop }
                  - { name: theirs, service: udp/1-99, action: pass }
                  - { name: ours, service: udp/100-199, direction: in, action: accept }
              - { name: tenant }
              - { name: fallback, rules: [{ name: rest, service: udp/50-59, action: drop }] }
            """

        /// Which of some ports datagrams arrive at.
        private func open(_ site: UplinkSite, _ family: AddressFamily) throws -> [UInt16] {
            let ends = family == .v4 ? UplinkSite.v4 : UplinkSite.v6
            return try [23, 53, 80, 150, 250].filter { port in
                let server = try IPSocket.bound(site.host, .udp, ends.host, port)
                try IPSocket.connected(site.network, .udp, ends.host, port).send([1])
                return try server.count(quiet: 200) > 0
            }
        }

        @Test(arguments: AddressFamily.allCases) func aTenantOverridesNothing(family: AddressFamily) throws {
            let site = try UplinkSite()
            let policy = try site.lab.file("policy.yaml", Self.platform)
            _ = try site.lab.file("tenant.yaml", "layers: [{ name: tenant, rules: [] }]\n")
            try site.bulkhead.apply(policy)
            #expect(try open(site, family) == [150])
            _ = try site.lab.file(
                "tenant.yaml",
                """
                layers:
                  - name: tenant
                    rules:
                      - { name: everything, direction: in, action: accept }
                      - { name: not-ours, service: udp/150, action: drop }
                """)
            try site.bulkhead.apply(policy)
            #expect(try open(site, family) == [53, 80, 150, 250])
            let counters = try site.bulkhead.counters()
            // Once under each of the two policies.
            #expect(try counters.rule("no-telnet").packets == 2)
            #expect(try counters.rule("not-ours").packets == 0)
        }

        /// Rules in a layer that is not the tenant's are refused, and the policy in force stays.
        @Test(arguments: [
            "layers: [{ name: mandatory, rules: [{ name: mine, service: udp/23, action: accept }] }]",
            "rules: [{ name: mine, service: udp/23, action: accept }]",
            "layers: [{ name: before, rules: [{ name: mine, service: udp/23, action: accept }] }]",
            "ports: { uplink: { interface: up0, protects: host, defaults: { in: accept } } }",
        ]) func aTenantsFileGetsNoFurther(text: String) throws {
            let site = try UplinkSite()
            let policy = try site.lab.file("policy.yaml", Self.platform)
            _ = try site.lab.file("tenant.yaml", "layers: [{ name: tenant, rules: [] }]\n")
            try site.bulkhead.apply(policy)
            _ = try site.lab.file("tenant.yaml", text + "\n")
            let result = try site.bulkhead.run("apply", policy)
            #expect(result.status == 1, "\(result.output)")
            #expect(result.errors.contains("tenant.yaml:1:"), "\(result.errors)")
            #expect(try open(site, .v4) == [150])
        }
    }
}
