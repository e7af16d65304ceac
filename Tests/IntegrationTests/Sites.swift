// SPDX-License-Identifier: Apache-2.0
import Network
import TestSupport
import Testing

/// A server and its network: `net0` of the network is connected to `up0` of the host, where Bulkhead runs.
final class UplinkSite: Sendable {
    let lab: Lab
    let host: Namespace
    let network: Namespace
    let bulkhead: Bulkhead
    /// The MAC address of `up0`.
    let mac: MACAddress

    static let v4: (host: IPAddress, network: IPAddress) = ("192.0.2.2", "192.0.2.1")
    static let v6: (host: IPAddress, network: IPAddress) = ("2001:db8::2", "2001:db8::1")

    init() throws {
        lab = try Lab()
        host = try lab.namespace("host")
        network = try lab.namespace("net")
        try lab.veth((network, "net0"), (host, "up0"))
        try lab.address(network, "net0", "192.0.2.1/24", "2001:db8::1/64")
        try lab.address(host, "up0", "192.0.2.2/24", "2001:db8::2/64")
        mac = try host.mac(of: "up0")
        bulkhead = Bulkhead(lab, in: host)
    }

    /// Makes the driver of `up0` refuse native XDP, by giving the peer more queues.
    func refuseNativeXDP() throws { try network.run("ethtool", "-L", "net0", "tx", "2") }

    /// A policy with one port, `up0`, and the given keys of the port and rules.
    func policy(_ rules: String, port: String = "", name: String = "policy.yaml") throws -> String {
        try lab.file(
            name,
            """
            version: 1
            ports:
              uplink: { interface: up0, protects: host\(port.isEmpty ? "" : ", " + port) }
            rules:
            \(rules)
            """)
    }

    /// A UDP frame from the network to the host, from its own source address and port.
    func probe(
        _ family: AddressFamily = .v4, to port: UInt16, from source: UInt16 = 40000, sender: IPAddress? = nil,
        payload: [UInt8] = [1]
    ) -> Frame {
        let ends = family == .v4 ? Self.v4 : Self.v6
        return Frame(Datagram(sender ?? ends.network, ends.host, .udp(source, port, payload: payload)), to: mac)
    }
}

/// A virtualisation host: a bridge `br0` with two guests, whose `eth0` are connected to `vm-a` and `vm-b` on the host.
final class BridgeSite: Sendable {
    let lab: Lab
    let host: Namespace
    let a: Namespace
    let b: Namespace
    let bulkhead: Bulkhead

    init() throws {
        lab = try Lab()
        host = try lab.namespace("host")
        a = try lab.namespace("a")
        b = try lab.namespace("b")
        try lab.veth((a, "eth0"), (host, "vm-a"))
        try lab.veth((b, "eth0"), (host, "vm-b"))
        try lab.address(a, "eth0", "198.51.100.1/24", "2001:db8:1::1/64")
        try lab.address(b, "eth0", "198.51.100.2/24", "2001:db8:1::2/64")
        try lab.bridge(host, "br0", ports: ["vm-a", "vm-b"])
        bulkhead = Bulkhead(lab, in: host)
    }

    static func address(_ guest: Int, _ family: AddressFamily) -> IPAddress {
        switch (guest, family) {
        case (1, .v4): "198.51.100.1"
        case (1, .v6): "2001:db8:1::1"
        case (_, .v4): "198.51.100.2"
        case (_, .v6): "2001:db8:1::2"
        }
    }
}

extension Namespace {
    /// Whether a TCP connection succeeds within half a second.
    func connects(to address: IPAddress, _ port: UInt16) -> Bool {
        (try? IPSocket.connected(self, .tcp, address, port, milliseconds: 500)) != nil
    }
}
