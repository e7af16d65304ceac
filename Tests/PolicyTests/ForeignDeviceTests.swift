// SPDX-License-Identifier: Apache-2.0
import Network
import Policy
import Testing

/// Devices that somebody else controls, above all root of a container whose network namespace a port names. Nothing
/// done to them is an error of the policy, because that would keep everybody else's policy from being changed.
@Suite struct ForeignDeviceTests {
    struct Row: CustomTestStringConvertible {
        var testDescription: String
        /// The keys of the entry `box`.
        var box: String
        /// The devices in the container's namespace, and in the controller's own.
        var devices: [HostInterface]
        var own: [HostInterface] = []
        var ports: [String]
        var warnings: [String]
    }

    static let notEthernet = "it is not Ethernet; Bulkhead enforces on Ethernet devices only"
    static let notText = "it has a name that is not UTF-8; rename it ('ip link set dev NAME name NEW')"
    static let out = "is left out as if it were missing, because"

    static func device(
        _ name: String, _ index: UInt32, isEthernet: Bool = true, kind: String = "dummy", isNameText: Bool = true,
        names: [String] = []
    ) -> HostInterface {
        HostInterface(
            name: name, index: index, kind: .other, isEthernet: isEthernet, kernelKind: kind,
            facing: Facing(kind: kind), alternativeNames: names, isNameText: isNameText)
    }

    static let tun = device("eth0", 2, isEthernet: false)
    static let macvlan = device("eth0", 2, kind: "macvlan")
    static let nameless = device("eth\u{fffd}", 2, isNameText: false, names: ["lan"])

    static let left: [Row] = [
        Row(
            testDescription: "its device is a tun now", box: "interface: eth0, netns: c, protects: workload",
            devices: [device("eth0", 2, isEthernet: false)], ports: ["box missing"],
            warnings: ["the device eth0 \(out) \(notEthernet)"]),
        Row(
            testDescription: "a pattern catches a tun", box: "interface: \"eth*\", netns: c, protects: workload",
            devices: [device("eth0", 2), device("eth1", 3, isEthernet: false)], ports: ["box/eth0"],
            warnings: ["the device eth1 \(out) \(notEthernet)"]),
        Row(
            testDescription: "a pattern catches nothing but tuns",
            box: "interface: \"eth*\", netns: c, protects: workload",
            devices: (0..<5).map { device("eth\($0)", $0 + 2, isEthernet: false) }, ports: ["box/eth* missing"],
            warnings: (0..<3).map { "the device eth\($0) \(out) \(notEthernet)" } + [
                "2 more devices are left out as if they were missing"
            ]),
        Row(
            testDescription: "a pattern in the controller's namespace catches a tun",
            box: "interface: \"eth*\", protects: workload", devices: [],
            own: [device("eth0", 2), device("eth1", 3, isEthernet: false)], ports: ["box/eth0"],
            warnings: ["the device eth1 \(out) \(notEthernet)"]),
        Row(
            testDescription: "a second device of a port with an identity",
            box: "interface: \"eth*\", netns: c, addresses: [192.0.2.7]",
            devices: [device("eth1", 7), device("eth0", 2)], ports: ["box/eth0"],
            warnings: [
                "the device eth1 \(out) it is a second device of a port with an identity, which eth0 already has"
            ]),
        Row(
            testDescription: "one device with the names of two",
            box: "interface: eth0, netns: c, protects: workload }\n"
                + "  b: { interface: eth1, netns: c, protects: workload",
            devices: [device("eth0", 2, names: ["eth1"])], ports: ["box", "b missing"],
            warnings: [
                "the device eth0 \(out) it is also in port \"box\", at policy.yaml:3:21; name it in one port only"
            ]),
        Row(
            testDescription: "names that are not UTF-8", box: "interface: \"eth*\", netns: c, protects: workload",
            devices: [
                device("eth\u{fffd}", 2, isNameText: false), device("eth\u{fffd}", 3, isNameText: false),
                device("eth\u{fffd}", 4),
            ], ports: ["box/eth\u{fffd}"], warnings: ["the device eth\u{fffd} \(out) \(notText)"]),
        Row(
            testDescription: "names that are not UTF-8, at a host port", box: "interface: \"eth*\", protects: host",
            devices: [], own: [device("eth0", 2), device("eth\u{fffd}", 3, isNameText: false)], ports: ["box/eth0"],
            warnings: ["the device eth\u{fffd} \(out) \(notText)"]),
    ]

    @Test(arguments: ForeignDeviceTests.left) func isLeftOut(_ row: Row) {
        let loaded = load(row.box, row.devices, row.own)
        #expect(loaded.isValid, "\(loaded.diagnostics)")
        let ports = loaded.bindings.map { $0.port.name + ($0.interface == nil ? " missing" : "") }
        #expect(ports == row.ports)
        #expect(Set(loaded.diagnostics.map(\.message)) == Set(row.warnings))
    }

    /// A macvlan that the container makes is left out too, and the message names its kind.
    @Test func whatFacesItsUserIsLeftOut() {
        let loaded = load(
            "interface: \"eth*\", netns: c, protects: workload",
            [Self.device("eth0", 2), Self.device("eth1", 3, kind: "macvlan")], [])
        #expect(loaded.isValid, "\(loaded.diagnostics)")
        #expect(loaded.bindings.map(\.port.name) == ["box/eth0"])
        #expect(loaded.diagnostics[0].message.hasPrefix("the device eth1 \(Self.out) it is of the kind macvlan"))
    }

    /// A device that the policy's author chose is still an error.
    @Test(arguments: [
        ("interface: eth0, protects: workload", ForeignDeviceTests.tun, "is not Ethernet"),
        ("interface: \"eth*\", protects: host", ForeignDeviceTests.tun, "is not Ethernet"),
        ("interface: \"eth*\", protects: workload", ForeignDeviceTests.macvlan, "is of the kind macvlan"),
        ("interface: lan, protects: host", ForeignDeviceTests.nameless, "not UTF-8"),
    ])
    func isRefused(box: String, device: HostInterface, message: String) {
        let loaded = load(box, [], [device])
        #expect(!loaded.isValid)
        #expect(loaded.diagnostics.contains { $0.severity == .error && $0.message.contains(message) })
    }

    /// Two containers with a pattern each: neither takes the share of the other, nor of the host.
    @Test func devicesOfAPatternAreBounded() {
        let many = (0..<4200).map { Self.device("eth\($0)", UInt32(5000 - $0)) }
        let loaded = load(
            "interface: \"eth*\", netns: c, protects: workload }\n"
                + "  two: { interface: \"*\", netns: d, protects: workload",
            many, [])
        #expect(loaded.isValid)
        let counts = Dictionary(grouping: loaded.bindings, by: \.entry).mapValues(\.count)
        #expect(counts == [0: 512, 1: 512])
        // The oldest devices stay, because new ones have higher indices.
        #expect(loaded.bindings.allSatisfy { ($0.interface?.index ?? 0) < 801 + 512 })
        #expect(loaded.diagnostics.count == 8)
        #expect(loaded.diagnostics.last?.message == "3685 more devices are left out as if they were missing")
    }

    private func load(_ box: String, _ devices: [HostInterface], _ own: [HostInterface]) -> LoadedPolicy {
        let policy = "version: 1\nports:\n  box: { \(box) }\nrules: [{ name: a, service: tcp/80, action: accept }]\n"
        let inventory = HostInventory(namespaces: [
            nil: NamespaceInventory(inode: 1, interfaces: own),
            "c": NamespaceInventory(inode: 2, interfaces: devices),
            "d": NamespaceInventory(inode: 3, interfaces: devices),
        ])
        return PolicyLoader(files: MemoryFiles(["policy.yaml": policy])).read("policy.yaml").resolve(against: inventory)
    }
}
