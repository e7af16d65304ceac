// SPDX-License-Identifier: Apache-2.0
import Foundation
import Network
import Policy
import TestSupport
import Testing

/// The policies in `Examples/` and `docs/guides/`, resolved against hosts that have their devices.
@Suite struct ExampleTests {
    private static let examples = [
        ("public-server", ["eth0"], []),
        ("kvm-tiers", ["eth0"], ["tap-web1", "tap-web2", "tap-app1", "tap-db1", "tap-new"]),
        ("multi-tenant", ["eth0"], ["tap-red1", "tap-red2", "tap-blue1", "tap-green", "tap-x"]),
        ("container-host", ["eth0"], ["veth1a2b", "veth-batch1"]), ("router", ["eth0", "eth1"], []),
        ("allow-list", ["eth0", "enp3s0"], []),
    ]

    @Test(arguments: examples) func loads(name: String, nics: [String], guests: [String]) throws {
        let directory = URL(filePath: #filePath).deletingLastPathComponent().path + "/../../Examples"
        let loaded = PolicyLoader().load("\(directory)/\(name).yaml") { _ in
            let containers = guests.filter { $0.hasPrefix("veth") }
            return host(nics, ["br0": guests.filter { !containers.contains($0) }, "containers0": containers])
        }
        #expect(loaded.diagnostics.map(\.description) == [])
        let ruleset = try #require(loaded.ruleset)
        #expect(ruleset.rules.count >= 5)
        #expect(loaded.bindings.allSatisfy { $0.interface != nil })
        for guest in guests {
            #expect(loaded.bindings.contains { $0.port.interface == guest && $0.port.protects == .workload })
        }
    }

    private static let guides = [
        ("public-server", ["eth0"], [:]),
        ("kvm-libvirt", ["eth0"], ["br0": ["tap-web1", "tap-db1", "tap-new"]]),
        ("proxmox", ["enp3s0"], ["vmbr0": ["tap100i0", "veth200i0", "tap101i0"]]),
        ("containers", ["eth0"], ["docker0": ["veth1a2b"]]),
    ]

    @Test(arguments: guides) func theGuidesPolicyLoads(name: String, nics: [String], members: [String: [String]]) throws
    {
        let path = URL(filePath: #filePath).deletingLastPathComponent().path + "/../../docs/guides/\(name).md"
        let text = try String(contentsOfFile: path, encoding: .utf8)
        let blocks = text.components(separatedBy: "```yaml\n").dropFirst().map { $0.components(separatedBy: "```")[0] }
        // What comes after the policy are parts of others.
        try #require(blocks.map { $0.contains("version: 1\n") } == [true] + blocks.dropFirst().map { _ in false })
        let loaded = PolicyLoader(files: MemoryFiles(["policy.yaml": blocks[0]])).load("policy.yaml") { _ in
            host(nics, members)
        }
        #expect(loaded.diagnostics.map(\.description) == [])
        #expect(loaded.bindings.allSatisfy { $0.interface != nil })
        for guest in members.values.joined() {
            #expect(loaded.bindings.contains { $0.port.interface == guest && $0.port.protects == .workload })
        }
    }

    /// A host with NICs, and with bridges by name that have these members.
    private func host(_ nics: [String], _ members: [String: [String]]) -> HostInventory {
        var interfaces: [HostInterface] = []
        func add(_ name: String, _ kind: HostInterface.Kind, bridge: String? = nil, _ addresses: [Prefix] = []) {
            let index = UInt32(interfaces.count + 1)
            interfaces.append(HostInterface(name: name, index: index, kind: kind, bridge: bridge, addresses: addresses))
        }
        let own = [Prefix("192.0.2.1" as IPAddress)]
        for name in nics { add(name, .other, own) }
        for (bridge, guests) in members.sorted(by: { $0.key < $1.key }) {
            add(bridge, .bridge)
            for guest in guests { add(guest, guest.hasPrefix("veth") ? .veth : .tap, bridge: bridge) }
        }
        return HostInventory(namespaces: [nil: NamespaceInventory(inode: 1, interfaces: interfaces)])
    }
}
