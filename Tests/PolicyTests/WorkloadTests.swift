// SPDX-License-Identifier: Apache-2.0
import Network
import Policy
import Testing

/// Ports and groups that name guests, against inventories made up here.
@Suite struct WorkloadTests {
    private static let policy = """
        version: 1
        ports:
          web: { workload: "web-*", groups: [web] }
          one: { workload: web-1 }
          prod: { workload: { tier: prod } }
        groups: { web: {}, prod: { workloads: { tier: prod } } }
        defaults: { in: drop, out: accept }
        rules:
          - { name: a, to: web, service: tcp/443, action: accept, at: web }
          - { name: b, to: prod, service: tcp/22, action: accept }
        """

    private static func guest(
        _ name: String, _ device: String? = nil, mac: String? = nil, _ addresses: [String]? = nil,
        labels: [String: String] = [:], was: [String] = [], uuid: String? = nil
    ) throws -> Workload {
        Workload(
            id: uuid ?? name, name: name, uuid: uuid, labels: labels,
            interfaces: [
                Workload.Interface(
                    device: device, mac: try mac.map { try #require(MACAddress($0)) },
                    addresses: try addresses?.map { try Prefix(parsing: $0) })
            ], formerNames: was)
    }

    private static func load(_ workloads: [Workload]?, _ text: String = policy) -> LoadedPolicy {
        var host = HostInventory(namespaces: [
            nil: NamespaceInventory(
                inode: 1,
                interfaces: (0..<6).map {
                    HostInterface(name: "vnet\($0)", index: UInt32($0 + 10), kind: .tap, bridge: "br0")
                } + [HostInterface(name: "tun0", index: 30, kind: .other, isEthernet: false)])
        ])
        host.workloads = workloads
        return PolicyLoader(files: MemoryFiles(["p.yaml": text])).read("p.yaml").resolve(against: host)
    }

    private static func entry(_ loaded: LoadedPolicy, of device: String) throws -> PortEntry {
        let binding = try #require(loaded.bindings.first { $0.interface?.name == device })
        return try #require(loaded.ruleset).entries[binding.entry]
    }

    @Test func eachDeviceHasItsOwnIdentity() throws {
        let loaded = Self.load([
            try Self.guest("web-2", "vnet0", mac: "52:54:00:00:00:02", ["198.51.100.2"]),
            try Self.guest("web-3", "vnet1", mac: "52:54:00:00:00:03", ["198.51.100.3"]),
            try Self.guest("other", "vnet2", mac: "52:54:00:00:00:04", ["198.51.100.4"]),
        ])
        #expect(loaded.isValid, "\(loaded.diagnostics)")
        for (device, number) in [("vnet0", 2), ("vnet1", 3)] {
            let entry = try Self.entry(loaded, of: device)
            #expect(entry.entryName == "web")
            #expect(entry.macs.map(\.description) == ["52:54:00:00:00:0\(number)"])
            #expect(entry.addresses.map(\.description) == ["198.51.100.\(number)"])
            #expect(entry.guards(.workload).contains(.ip))
        }
        #expect(loaded.bindings.filter { $0.interface != nil }.map(\.port.name) == ["web/vnet0", "web/vnet1"])
        let ruleset = try #require(loaded.ruleset)
        let members = try ["198.51.100.2", "198.51.100.3"].map { try Prefix(parsing: $0) }
        #expect(ruleset.groups[0].set == AddressSet(members))
        // The rule is for all parts of its entry.
        let bound = Set(loaded.bindings.filter { $0.interface != nil }.map(\.entry))
        #expect(ruleset.rules[0].entries?.isSuperset(of: bound) == true)
    }

    @Test func theClosestNameWinsAndLabelsFollowARetag() throws {
        let first = try Self.guest("web-1", "vnet0")
        #expect(try Self.entry(Self.load([first]), of: "vnet0").entryName == "one")
        let plain = try Self.guest("db", "vnet1", ["198.51.100.5"])
        #expect(Self.load([plain]).bindings.allSatisfy { $0.interface == nil })
        let retagged = Self.load([try Self.guest("db", "vnet1", ["198.51.100.5"], labels: ["tier": "prod"])])
        #expect(try Self.entry(retagged, of: "vnet1").entryName == "prod")
        let groups = try #require(retagged.ruleset).groups
        #expect(groups[1].set.contains("198.51.100.5"))
    }

    @Test func aUUIDStandsForAName() throws {
        let uuid = "4DEA22B3-1D52-4B0F-A2F0-0A5E8B1C2D3E"
        let text = Self.policy.replacing("web-1 }", with: "\(uuid.lowercased()) }")
        let loaded = Self.load([try Self.guest("any", "vnet0", uuid: uuid)], text)
        #expect(try Self.entry(loaded, of: "vnet0").entryName == "one")
    }

    @Test func aRenameKeepsThePolicyUntilAnEntryNamesTheNewName() throws {
        let renamed = Self.load([try Self.guest("app", "vnet0", was: ["web-7"])])
        #expect(try Self.entry(renamed, of: "vnet0").entryName == "web")
        #expect(renamed.diagnostics.contains { $0.message.contains("still in port \"web\"") })
        let named = Self.load([try Self.guest("web-1", "vnet0", was: ["web-7"])])
        #expect(try Self.entry(named, of: "vnet0").entryName == "one")
        #expect(!named.diagnostics.contains { $0.message.contains("still in port") })
    }

    @Test(arguments: [
        (["52:54:00:00:00:02", "52:54:00:00:00:02"], ["198.51.100.2", "198.51.100.3"], "MAC address"),
        (["52:54:00:00:00:02", "52:54:00:00:00:03"], ["198.51.100.2", "198.51.100.2"], "its address"),
        (["52:54:00:00:00:02", "52:54:00:00:00:03"], ["198.51.100.0/28", "198.51.100.2"], "its address"),
        (["52:54:00:00:00:02", "52:54:00:00:00:03"], ["198.51.100.2", "198.51.100.0/28"], "its address"),
    ])
    func whoComesLaterDoesNotGetWhatAnotherHas(macs: [String], addresses: [String], words: String) throws {
        let loaded = Self.load([
            try Self.guest("web-2", "vnet0", mac: macs[0], [addresses[0]]),
            try Self.guest("web-3", "vnet1", mac: macs[1], [addresses[1]]),
        ])
        #expect(loaded.isValid)
        let (old, new) = (try Self.entry(loaded, of: "vnet0"), try Self.entry(loaded, of: "vnet1"))
        #expect(old.judgesUnknown && old.macs.count == 1)
        #expect(!new.judgesUnknown && new.macs.isEmpty && new.addresses.isEmpty)
        #expect(loaded.bindings.filter(\.isUnknownToDrop).map(\.interface?.name) == ["vnet1"])
        #expect(loaded.diagnostics.contains { $0.message.contains("not admitted") && $0.message.contains(words) })
        #expect(try #require(loaded.ruleset).refusedGuests.map(\.device) == ["vnet1"])
    }

    /// A guest that its source cannot describe is no stranger: its entry drops all that it sends.
    @Test func whoCannotBeDescribedIsNotAdmitted() throws {
        var guest = try Self.guest("web-2", "vnet0", mac: "52:54:00:00:00:02", ["198.51.100.2"])
        guest.refusal = "more than 16384 bytes of labels"
        let loaded = Self.load([guest])
        #expect(loaded.isValid)
        #expect(loaded.bindings.filter(\.isUnknownToDrop).map(\.interface?.name) == ["vnet0"])
        #expect(loaded.diagnostics.contains { $0.message.contains("dropped: more than 16384 bytes of labels") })
    }

    /// What others say of their guests must not keep the host from changing its policy.
    @Test func whatTheInventorySaysIsNeverAnError() throws {
        for guests in [
            [try Self.guest("web-2", "vnet0"), try Self.guest("web-3", "vnet0")],
            [try Self.guest("web-2", "vnet0", labels: ["tier": "prod"])], [try Self.guest("web-2", "tun0")],
            [try Self.guest("web-2", "gone")], [try Self.guest("web-2")], [],
        ] {
            let loaded = Self.load(guests)
            #expect(loaded.isValid, "\(loaded.diagnostics)")
            #expect(loaded.bindings.count >= 2)
        }
        let both = Self.load([try Self.guest("web-2", "vnet0", labels: ["tier": "prod"])])
        #expect(both.bindings.filter(\.isUnknownToDrop).map(\.interface?.name) == ["vnet0"])
        #expect(Self.load(nil).isValid)
        #expect(Self.load(nil).diagnostics.contains { $0.message.contains("no inventory") })
    }

    @Test func anEntryThatNamesTheDeviceKeepsIt() throws {
        let text = Self.policy.replacing(
            "ports:\n", with: "ports:\n  mine: { interface: vnet0, protects: workload }\n")
        let loaded = Self.load([try Self.guest("web-2", "vnet0")], text)
        #expect(loaded.isValid)
        #expect(try Self.entry(loaded, of: "vnet0").entryName == "mine")
    }
}
