// SPDX-License-Identifier: Apache-2.0
import Network
import Policy

/// The host that fixtures are resolved against: an uplink, a bridge with two taps and a veth, a tunnel, and a second
/// namespace.
enum FixtureHost {
    static func inventory(_ namespaces: Set<String>) -> HostInventory {
        var result: [String?: NamespaceInventory] = [nil: own]
        if namespaces.contains("blue") { result["blue"] = blue }
        // In the year 2025.
        var host = HostInventory(namespaces: result, now: Timestamp(nanoseconds: 1_750_000_000_000_000_000))
        host.workloads = workloads
        return host
    }

    /// The later of two guests with the same MAC address is a forgery.
    private static let workloads = [
        guest("web-1", "tap-web1", 1), guest("batch-2", nil, 11),
        guest("nightly", nil, 12, labels: ["job": "batch"]), guest("db-1", "tap-db1", 2),
        guest("web-9", "veth7", 2), guest("web-7", "gone", 7),
    ]

    private static func guest(
        _ name: String, _ device: String?, _ number: UInt64, labels: [String: String] = [:]
    ) -> Workload {
        Workload(
            id: name, name: name, labels: labels,
            interfaces: [
                Workload.Interface(
                    device: device, mac: MACAddress(0x5254_0000_0000 | number),
                    addresses: [one("198.51.100.\(number)")])
            ])
    }

    private static let own = NamespaceInventory(
        inode: 1,
        interfaces: [
            HostInterface(
                name: "lo", index: 1, kind: .loopback, isEthernet: false, addresses: [one("127.0.0.1"), one("::1")]),
            HostInterface(name: "eth0", index: 2, kind: .other, addresses: [one("192.0.2.1"), one("2001:db8::1")]),
            HostInterface(
                name: "eth1", index: 3, kind: .other, alternativeNames: ["enp3s0", "network-of-the-second-floor"]),
            HostInterface(
                name: "br0", index: 4, kind: .bridge, addresses: [one("198.51.100.1")], alternativeNames: ["guests"]),
            HostInterface(name: "tap-web1", index: 5, kind: .tap, bridge: "br0"),
            HostInterface(name: "tap-db1", index: 6, kind: .tap, bridge: "br0"),
            HostInterface(name: "veth7", index: 7, kind: .veth, bridge: "br0"),
            HostInterface(name: "tun0", index: 8, kind: .other, isEthernet: false),
            HostInterface(name: "br1", index: 9, kind: .bridge),
            one("mtap0", 10, "macvtap"), one("mvlan0", 11, "macvlan"), one("ipvl0", 12, "ipvlan"),
            one("ipvt0", 13, "ipvtap"), one("ipl3s0", 14, "ipvlan", isRouted: true), one("ifb0", 15, "ifb"),
            one("vrf0", 16, "vrf"),
        ])

    private static func one(_ name: String, _ index: UInt32, _ kind: String, isRouted: Bool = false) -> HostInterface {
        HostInterface(
            name: name, index: index, kind: .other, kernelKind: kind, facing: Facing(kind: kind, isRouted: isRouted))
    }

    private static let blue = NamespaceInventory(
        inode: 2, interfaces: [HostInterface(name: "eth0", index: 2, kind: .veth, addresses: [one("203.0.113.1")])])

    private static func one(_ text: String) -> Prefix {
        (try? Prefix(parsing: text)) ?? Prefix(IPAddress(v4: 0))
    }
}
