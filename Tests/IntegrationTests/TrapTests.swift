// SPDX-License-Identifier: Apache-2.0
import Foundation
import Network
import TestSupport
import Testing

extension Integration {
    /// Traps that Linux sets for packet filters, on real devices. docs/meaning.md lists the others.
    @Suite(.serialized) struct TrapTests {
        /// Interface indices repeat between namespaces: two devices with the same index are two ports.
        @Test func twoDevicesOfOneNumber() throws {
            let lab = try Lab()
            let host = try lab.namespace("host")
            let bulkhead = Bulkhead(lab, in: host)
            let names = ["open", "shut"]
            let guests = try names.map { try lab.namespace($0) }
            for (number, guest) in guests.enumerated() {
                let lines = [
                    "link add eth9 index 4711 type veth peer name to\(number) netns \(host.name)", "link set eth9 up",
                ]
                try Shell.check("ip", "-netns", guest.name, "-batch", "-", input: lines.joined(separator: "\n") + "\n")
                try host.run("ip", "link", "set", "to\(number)", "up")
                try lab.address(guest, "eth9", "198.51.\(100 + number).2/24", "2001:db8:\(number)::2/64")
                try lab.address(host, "to\(number)", "198.51.\(100 + number).1/24", "2001:db8:\(number)::1/64")
            }
            let ports = zip(names, guests).map { name, guest in
                "  \(name): { interface: eth9, netns: \(guest.name), protects: host, "
                    + "defaults: { in: \(name == "open" ? "accept" : "drop") } }"
            }
            try bulkhead.apply(try lab.file("policy.yaml", "version: 1\nports:\n\(ports.joined(separator: "\n"))\n"))
            #expect(try bulkhead.status().ports.map(\.ifindex) == [4711, 4711])
            for (number, name) in names.enumerated() {
                let addresses: [IPAddress] = [
                    IPAddress(v4: 0xc633_6402 + UInt32(number) << 8),
                    IPAddress(v6: UInt128(0x2001_0db8) << 96 | UInt128(number) << 80 | 2),
                ]
                for address in addresses {
                    let server = try IPSocket.bound(guests[number], .tcp, address, 80)
                    defer { withExtendedLifetime(server) {} }
                    #expect(host.connects(to: address, 80) == (name == "open"), "\(address)")
                }
                let dropped = try bulkhead.counters().port(name, "in").dropped.packets
                #expect((dropped > 0) == (name == "shut"))
            }
        }

        /// The path of an object whose program makes the kernel put a tag into each frame's metadata.
        private static func tagging(_ lab: Lab, _ tag: Int) throws -> String {
            let source = try lab.file(
                "tag\(tag).c",
                """
                static long (*const vlan_push)(void *, unsigned short, unsigned short) = (void *)18;
                __attribute__((section("tc"), used)) int tag(void *ctx)
                {
                    vlan_push(ctx, __builtin_bswap16(0x8100), \(tag));
                    return 0;
                }
                char _license[] __attribute__((section("license"), used)) = "GPL";
                """)
            let object = source.replacingOccurrences(of: ".c", with: ".o")
            try Shell.check("clang", "-O2", "-target", "bpf", "-c", source, "-o", object)
            return object
        }

        /// XDP does not see a tag that the device has moved out of the frame, so it must not drop a frame for being
        /// untagged.
        @Test func aTagThatXDPDoesNotSee() throws {
            let site = try UplinkSite()
            let applied = try site.bulkhead.apply(
                try site.policy(
                    "  - { name: tagged, vlan: 10, service: udp/53, action: accept }",
                    port: "defaults: { in: drop, out: drop }"))
            #expect(applied.ports.map(\.mode) == ["xdp-native"])
            let sender = try PacketSocket(site.network, "net0")
            let frames = AddressFamily.allCases.map { site.probe($0, to: 53) }
            // The tag in the frame, then no tag, then a tag that is moved to the metadata on the way.
            for frame in frames.map({ $0.tagged([10]) }) + frames { try sender.send(frame) }
            try site.network.run("tc", "qdisc", "add", "dev", "net0", "clsact")
            for tag in [10, 20] {
                let object = try Self.tagging(site.lab, tag)
                try site.network.run(
                    "tc", "filter", "add", "dev", "net0", "egress", "bpf", "da", "obj", object, "sec", "tc")
                for frame in frames { try sender.send(frame) }
                try site.network.run("tc", "filter", "delete", "dev", "net0", "egress")
            }
            #expect(try poll(seconds: 5) { try site.bulkhead.counters().port("uplink", "in").reasons["default"] == 4 })
            #expect(try site.bulkhead.counters().rule("tagged").packets == 4)
            try site.bulkhead.counters().expectExactAccounting()
        }

        /// virtio-net refuses native XDP with large receive offload. There is none here, so too few queues stand in for
        /// it.
        @Test(arguments: ["auto", "xdp"]) func aDriverThatRefusesXDP(mode: String) throws {
            let site = try UplinkSite()
            try site.refuseNativeXDP()
            let policy = try site.policy("  - { name: web, service: tcp/80, action: accept }", port: "mode: \(mode)")
            let result = try site.bulkhead.run("apply", policy)
            #expect(result.status == 0)
            #expect(
                result.errors.contains("uplink") && result.errors.contains("the driver refuses"), "\(result.errors)")
            #expect(result.errors.contains("lro off") == (mode == "auto"), "\(result.errors)")
            #expect(try site.bulkhead.status().port("uplink").mode == (mode == "auto" ? "tc" : "xdp-generic"))
            let servers = try [80, 81].map { try IPSocket.bound(site.host, .tcp, UplinkSite.v6.host, $0) }
            defer { withExtendedLifetime(servers) {} }
            #expect(site.network.connects(to: UplinkSite.v6.host, 80))
            #expect(!site.network.connects(to: UplinkSite.v6.host, 81))
        }

        /// A device of a kind that has no XDP is not told how to get it.
        @Test func aDeviceWithoutXDPIsNotToldHowToGetIt() throws {
            let site = try BridgeSite()
            let policy = try site.lab.file(
                "policy.yaml", "version: 1\nports: { host: { interface: br0, protects: host } }\n")
            let result = try site.bulkhead.run("apply", policy)
            #expect(result.status == 0)
            #expect(result.errors.isEmpty, "\(result.errors)")
            #expect(try site.bulkhead.status().ports.map(\.mode) == ["tc"])
        }

        /// BPF memory no longer counts as locked memory.
        @Test func noMemoryNeedsToBeLocked() throws {
            let site = try UplinkSite()
            let policy = try site.policy("  - { name: web, service: tcp/80, action: accept }")
            let command = site.bulkhead.command(["apply", policy])
            let result = try Shell.run(["prlimit", "--memlock=0:0"] + command)
            #expect(result.status == 0, "\(result.errors)")
            #expect(try site.bulkhead.status().port("uplink").state == "enforcing")
        }

        /// An apply killed while it has shortened the kernel's grace period leaves it to the next apply to restore it.
        @Test func aKilledApplyLeavesNoShortWaits() throws {
            let lab = try Lab()
            let host = try lab.namespace("host")
            let bulkhead = Bulkhead(lab, in: host)
            let lines = (0..<40).flatMap { ["link add v\($0) type veth peer name p\($0)", "link set v\($0) up"] }
            try Shell.check("ip", "-netns", host.name, "-batch", "-", input: lines.joined(separator: "\n") + "\n")
            let policy = try lab.file(
                "policy.yaml", "version: 1\nports:\n  guests: { interface: \"v*\", protects: workload, guard: off }\n")
            let mark = "/sys/fs/bpf/\(bulkhead.instance)/expedited"
            let apply = try bulkhead.start("apply", policy)
            while apply.isRunning, !FileManager.default.fileExists(atPath: mark) {}
            apply.signal(SIGKILL)
            try apply.wait()
            print("killed apply: the mark is \(FileManager.default.fileExists(atPath: mark) ? "there" : "gone")")
            try bulkhead.apply(policy)
            #expect(!FileManager.default.fileExists(atPath: mark))
            // Others may have changed it for a moment.
            let isBack = try poll(seconds: 10) {
                try String(contentsOfFile: "/sys/kernel/rcu_expedited", encoding: .utf8).hasPrefix("0")
            }
            #expect(isBack)
            #expect(try bulkhead.status().ports.count { $0.state == "enforcing" } == 40)
        }
    }
}
