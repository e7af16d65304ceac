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
            let guests = try WorkloadSite(site, web: "{ web: \"*\" }", sources: "proxmox:\(folder)")
            #expect(try guests.becomes("web/tap100i0"), "\(guests.agent.errors)")
            #expect(guests.pings(site.guest))
            // A retag is in force within a second.
            let isInForce = try guests.isInForceWithinASecond {
                try write("qemu-server/100.conf", Self.machine("app", tags: "other"))
            }
            #expect(isInForce, "\(guests.agent.errors)")
            #expect(try guests.becomes("rest/tap100i0"))
            #expect(!guests.pings(site.guest))
            try write("lxc/101.conf", "hostname: db-1\nnet0: name=eth0,hwaddr=\(GuestSite.macs.other),bridge=br0\n")
            #expect(try guests.becomes("db/veth101i0"), "\(guests.agent.errors)")
        }
    }
}
