// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

extension Integration {
    /// Guests of Proxmox VE by name and tag: a live agent, and configuration files as the node has them.
    @Suite(.serialized) struct ProxmoxTests {
        private static func machine(_ name: String, tags: String) -> String {
            """
            name: \(name)
            net0: virtio=\(GuestSite.macs.guest),bridge=br0
            ipconfig0: ip=198.51.100.10/24
            tags: \(tags)

            """
        }

        @Test func guestsAreKnownByTheirFiles() throws {
            let site = try GuestSite()
            try site.addressGuests()
            for (old, new) in [("vm-a", "tap100i0"), ("vm-b", "veth101i0")] {
                try site.host.run("ip", "link", "set", old, "down")
                try site.host.run("ip", "link", "set", old, "name", new, "up")
            }
            let folder = try site.lab.folder("pve")
            for kind in ["qemu-server", "lxc"] { _ = try site.lab.folder("pve/\(kind)") }
            func write(_ name: String, _ text: String) throws {
                try Data(text.utf8).write(to: URL(filePath: "\(folder)/\(name)"), options: .atomic)
            }
            try write("qemu-server/100.conf", Self.machine("app", tags: "web"))
            let policy = try site.lab.file(
                "policy.yaml",
                """
                version: 1
                ports:
                  web: { workload: { web: "*" }, groups: [web] }
                  db: { workload: "db-*" }
                  rest: { bridge: br0, unknown: drop, protects: workload, gate: none }
                  uplink: { interface: up0, protects: host, defaults: { in: accept, out: accept } }
                groups: { web: {} }
                defaults: { in: drop, out: drop }
                rules:
                  - { name: ping, from: web, service: ping, action: accept }
                  - { name: ping-back, to: web, service: ping, action: accept }
                """)
            try site.bulkhead.apply(policy)
            let agent = try site.bulkhead.start("agent", policy, "--inventory", "proxmox:\(folder)")
            func becomes(_ name: String) throws -> Bool {
                try poll(seconds: 20) {
                    try site.bulkhead.status().ports.contains { $0.name == name && $0.state == "enforcing" }
                }
            }
            func pings() -> Bool { (try? site.guest.run("ping", "-c", "1", "-W", "1", "198.51.100.1")) != nil }
            #expect(try becomes("web/tap100i0"), "\(agent.errors)")
            #expect(pings())
            // A retag is in force within a second.
            let generation = try site.bulkhead.status().generation
            try write("qemu-server/100.conf", Self.machine("app", tags: "other"))
            let start = ContinuousClock.now
            let isNew = try poll(seconds: 20) { try site.bulkhead.status().generation > generation }
            #expect(isNew && ContinuousClock.now - start < .seconds(1), "\(agent.errors)")
            #expect(try becomes("rest/tap100i0"))
            #expect(!pings())
            try write("lxc/101.conf", "hostname: db-1\nnet0: name=eth0,hwaddr=\(GuestSite.macs.other),bridge=br0\n")
            #expect(try becomes("db/veth101i0"), "\(agent.errors)")
        }
    }
}
