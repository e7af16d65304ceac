// SPDX-License-Identifier: Apache-2.0
import Host
import Network
import Policy
import Testing

@testable import Control

/// A network that stands still: what the kernel would say of it.
private final class MadeUpNetwork: NetworkView {
    let own: UInt64 = 1
    var all: [UInt64: NetworkTables] = [1: NetworkTables(name: nil)]
    /// By namespace and destination.
    var routes: [UInt64: [Prefix: RouteAnswer]] = [:]

    var namespaces: [UInt64] { all.keys.sorted() }

    func inode(of name: String?) -> UInt64? { all.first { $0.value.name == name }?.key }

    func tables(_ namespace: UInt64) -> NetworkTables? { all[namespace] }

    func route(_ packet: RoutedPacket, from device: UInt32?, in namespace: UInt64) -> RouteAnswer {
        if all[namespace]?.owners(of: packet.destination).isEmpty == false { return .here }
        let known = routes[namespace] ?? [:]
        let best = known.filter { $0.key.contains(packet.destination) }.max { $0.key.length < $1.key.length }
        return best?.value ?? .nowhere("unreachable")
    }

    /// Adds a device to a namespace.
    func add(
        _ index: UInt32, _ name: String, _ kind: String, master: UInt32? = nil, lower: UInt32? = nil,
        _ address: String? = nil, in namespace: UInt64 = 1, change: (inout NetworkDevice) -> Void = { _ in }
    ) {
        var device = NetworkDevice(id: DeviceID(namespace: namespace, index: index), name: name, kind: kind)
        device.master = master
        device.lower = lower.map { DeviceID(namespace: namespace, index: $0) }
        device.mac = mac(index)
        if let address = address.flatMap({ IPAddress($0) }) { device.addresses = [.init(address, length: 24)] }
        change(&device)
        all[namespace, default: NetworkTables(name: "n\(namespace)")].devices[index] = device
    }

    func mac(_ number: UInt32) -> MACAddress { MACAddress(0x0200_0000_0000 | UInt64(number)) }

    func route(_ prefix: String, _ hops: (UInt32, String?)..., in namespace: UInt64 = 1) throws {
        let hops = hops.map { RouteAnswer.NextHop(device: $0.0, gateway: $0.1.flatMap { IPAddress($0) }) }
        routes[namespace, default: [:]][try Prefix(parsing: prefix)] = .onward(hops)
    }

    func forward(_ devices: UInt32...) {
        for device in devices { all[1]?.forwarding[.v4, default: [:]][device] = .init(isOn: true) }
    }

    /// The bridge knows who has the address, and where.
    func learn(_ address: String, _ number: UInt32, on bridge: UInt32, behind member: UInt32) throws {
        let address = try #require(IPAddress(address))
        all[1]?.neighbours[.init(device: bridge, address: address)] = mac(number)
        all[1]?.stations[.init(bridge: bridge, mac: mac(number), vlan: nil)] = .behind(member)
    }

    /// A bridge 10 with the guests' members 11 and 12, and a NIC 20.
    static func host() throws -> MadeUpNetwork {
        let network = MadeUpNetwork()
        network.add(10, "br0", "bridge", "192.0.2.1")
        network.add(11, "vm1", "tun", master: 10)
        network.add(12, "vm2", "tun", master: 10)
        network.add(20, "eth0", "", "198.51.100.2")
        try network.route("192.0.2.0/24", (10, nil))
        try network.route("198.51.100.0/24", (20, nil))
        try network.route("0.0.0.0/0", (20, "198.51.100.1"))
        network.forward(10, 20)
        return network
    }
}

private func stop(_ name: String, _ protects: Protects, _ addresses: String...) throws -> Route.Stop {
    Route.Stop(
        port: Port(name: name, interface: name, protects: protects),
        addresses: try addresses.map { try Prefix(parsing: $0) })
}

/// The ways between two addresses: each hook with its tag, and the end.
private func ways(
    _ network: MadeUpNetwork, from source: String, to destination: String, _ stops: [Route.Stop] = []
) throws -> [String] {
    let path = PathEnds(network: network, route: Route(stops: stops, local: AddressSet([])))
    let (source, destination) = (try #require(IPAddress(source)), try #require(IPAddress(destination)))
    let ends = (Route.End(address: source), Route.End(address: destination))
    let finder = path.finder(for: RoutedPacket(source: source, destination: destination))
    return path.origins(of: ends.0, to: ends.1).flatMap { origin, assumption in
        finder.ways(from: [origin]).map { way in words(way, network) }
            + (assumption == nil
                ? [] : [path.passing(origin, to: ends.1)].compactMap(\.self).map { words($0, network) })
    }
}

private func words(_ way: Way, _ network: MadeUpNetwork) -> String {
    let passages = way.passages.map { passage in
        let name = network.device(passage.device)?.name ?? "?"
        return (passage.isEgress ? ">" : "<") + name + (passage.vlan.map { ".\($0)" } ?? "")
    }
    let end =
        switch way.end {
        case .delivered: "delivered"
        case .leaves: "leaves"
        case .stopped(let stop): "\(stop)".prefix { $0 != "(" }.description
        case .passesBy: "passes by"
        case .unknown: "unknown"
        }
    return (passages + [end]).joined(separator: " ")
}

/// Hooks are `<` where the kernel gets the packet from the device, and `>` where it hands it to the device.
@Suite struct PathTests {
    @Test(
        arguments: [
            // The host's bridge sends to its guest, and gets from it.
            ("192.0.2.1", "192.0.2.11", [">br0 >vm1 leaves"]),
            ("192.0.2.11", "192.0.2.1", ["<vm1 <br0 delivered"]),
            // From guest to guest the bridge's own device has no part.
            ("192.0.2.11", "192.0.2.12", ["<vm1 >vm2 leaves"]),
            // Forwarded, to and from a guest.
            ("203.0.113.9", "192.0.2.12", ["<eth0 >br0 >vm2 leaves"]),
            ("192.0.2.12", "203.0.113.9", ["<vm2 <br0 >eth0 leaves"]),
            ("203.0.113.9", "198.51.100.2", ["<eth0 delivered"]),
            ("198.51.100.2", "203.0.113.9", [">eth0 leaves"]),
            // Both beyond the same device.
            ("203.0.113.9", "203.0.113.10", ["<eth0 >eth0 leaves", "passes by"]),
        ] as [(String, String, [String])])
    func followsTheTables(source: String, destination: String, expected: [String]) throws {
        let network = try MadeUpNetwork.host()
        try network.learn("192.0.2.11", 111, on: 10, behind: 11)
        try network.learn("192.0.2.12", 112, on: 10, behind: 12)
        #expect(try ways(network, from: source, to: destination) == expected)
    }

    @Test func anUnknownGuestIsBehindEachMember() throws {
        let network = try MadeUpNetwork.host()
        #expect(
            try ways(network, from: "203.0.113.9", to: "192.0.2.12") == [
                "<eth0 >br0 >vm1 leaves", "<eth0 >br0 >vm2 leaves",
            ])
        // The policy's word is taken where the kernel has none.
        let bound = [try stop("vm2", .workload, "192.0.2.12")]
        #expect(try ways(network, from: "203.0.113.9", to: "192.0.2.12", bound) == ["<eth0 >br0 >vm2 leaves"])
    }

    /// A container takes the address that the policy binds to a guest.
    @Test func whoTakesABoundAddressIsNotTheOnlyOneThatHasIt() throws {
        let network = try MadeUpNetwork.host()
        network.add(13, "veth3", "veth", master: 10) { $0.lower = DeviceID(namespace: 2, index: 1) }
        network.add(1, "eth0", "veth", "192.0.2.13", in: 2) { $0.lower = DeviceID(namespace: 1, index: 13) }
        let bound = [try stop("vm2", .workload, "192.0.2.12")]
        #expect(try ways(network, from: "192.0.2.1", to: "192.0.2.13", bound) == [">br0 >veth3 <eth0 delivered"])
        network.all[2]?.devices[1]?.addresses.append(.init("192.0.2.12", length: 24))
        #expect(
            try ways(network, from: "192.0.2.1", to: "192.0.2.12", bound) == [
                ">br0 >veth3 <eth0 delivered", ">br0 >vm2 leaves",
            ])
    }

    @Test func whatTheKernelDoesNotCarryStops() throws {
        let network = try MadeUpNetwork.host()
        try network.learn("192.0.2.11", 111, on: 10, behind: 11)
        try network.learn("192.0.2.12", 112, on: 10, behind: 12)
        network.all[1]?.forwarding[.v4]?[20]?.isOn = false
        #expect(try ways(network, from: "203.0.113.9", to: "192.0.2.12") == ["<eth0 forwardingIsOff"])
        for member in [11, 12] as [UInt32] { network.all[1]?.devices[member]?.membership.isIsolated = true }
        #expect(try ways(network, from: "192.0.2.11", to: "192.0.2.12") == ["<vm1 membersAreIsolated"])
        network.all[1]?.devices[12]?.isUp = false
        #expect(try ways(network, from: "192.0.2.1", to: "192.0.2.12") == [">br0 deviceIsDown"])
        network.all[1]?.devices[11]?.membership.isForwarding = false
        #expect(try ways(network, from: "192.0.2.11", to: "192.0.2.1") == ["<vm1 memberIsNotForwarding"])
        network.routes[1] = [:]
        #expect(try ways(network, from: "192.0.2.1", to: "203.0.113.9") == ["noRoute"])
    }

    @Test func eachNextHopIsAWay() throws {
        let network = try MadeUpNetwork.host()
        network.add(21, "eth1", "", "198.51.101.2")
        try network.route("203.0.113.0/24", (20, "198.51.100.1"), (21, "198.51.101.1"))
        #expect(try ways(network, from: "198.51.100.2", to: "203.0.113.9") == [">eth0 leaves", ">eth1 leaves"])
    }

    @Test func tagsComeAndGoWithVLANDevices() throws {
        let network = try MadeUpNetwork.host()
        network.add(30, "eth0.7", "vlan", lower: 20, "192.0.3.1") { $0.vlan = 7 }
        try network.route("192.0.3.0/24", (30, nil))
        #expect(try ways(network, from: "192.0.3.1", to: "192.0.3.9") == [">eth0.7 >eth0.7 leaves"])
        #expect(try ways(network, from: "192.0.3.9", to: "192.0.3.1") == ["<eth0.7 <eth0.7 delivered"])
    }

    @Test func aBridgeThatFiltersVLANsKeepsThemApart() throws {
        let network = try MadeUpNetwork.host()
        network.all[1]?.devices[10]?.filtersVLANs = true
        let untagged = { (tag: UInt16) in [NetworkTables.BridgeVLAN(tag: tag, isDefault: true, isUntagged: true)] }
        network.all[1]?.bridgeVLANs = [10: untagged(7), 11: untagged(7), 12: untagged(8)]
        let bound = [try stop("vm1", .workload, "192.0.2.11"), try stop("vm2", .workload, "192.0.2.12")]
        #expect(try ways(network, from: "192.0.2.1", to: "192.0.2.11", bound) == [">br0 >vm1 leaves"])
        #expect(try ways(network, from: "192.0.2.1", to: "192.0.2.12", bound) == [">br0 memberIsNotInVLAN"])
        network.all[1]?.bridgeVLANs[11] = [.init(tag: 7, isDefault: false, isUntagged: false)]
        #expect(try ways(network, from: "192.0.2.1", to: "192.0.2.11", bound) == [">br0 >vm1.7 leaves"])
        #expect(try ways(network, from: "192.0.2.11", to: "192.0.2.1", bound) == ["<vm1 memberIsNotInVLAN"])
    }

    @Test func aBondSendsByItsActiveMember() throws {
        let network = try MadeUpNetwork.host()
        network.add(40, "bond0", "bond", "192.0.4.1") {
            $0.isActiveBackup = true
            $0.activeMember = 42
        }
        network.add(41, "eth1", "", master: 40)
        network.add(42, "eth2", "", master: 40)
        try network.route("192.0.4.0/24", (40, nil))
        #expect(try ways(network, from: "192.0.4.1", to: "192.0.4.9") == [">bond0 >eth2 leaves"])
        #expect(try ways(network, from: "192.0.4.9", to: "192.0.4.1") == ["<eth2 <bond0 delivered"])
        network.all[1]?.devices[40]?.isActiveBackup = false
        #expect(
            try ways(network, from: "192.0.4.1", to: "192.0.4.9") == [">bond0 >eth1 leaves", ">bond0 >eth2 leaves"])
    }

    /// A container whose namespace can be seen: its own routes say how it sends.
    @Test func aVethLeadsIntoItsNamespace() throws {
        let network = try MadeUpNetwork.host()
        network.add(50, "c0", "veth", "192.0.5.1") { $0.lower = DeviceID(namespace: 2, index: 51) }
        network.add(51, "eth0", "veth", "192.0.5.2", in: 2) { $0.lower = DeviceID(namespace: 1, index: 50) }
        try network.route("192.0.5.0/24", (50, nil))
        try network.route("0.0.0.0/0", (51, "192.0.5.1"), in: 2)
        network.forward(50)
        let bound = [try stop("c0", .workload, "192.0.5.2")]
        #expect(try ways(network, from: "203.0.113.9", to: "192.0.5.2") == ["<eth0 >c0 <eth0 delivered"])
        #expect(try ways(network, from: "192.0.5.2", to: "203.0.113.9", bound) == [">eth0 <c0 >eth0 leaves"])
        // Nobody there has another address.
        #expect(try ways(network, from: "203.0.113.9", to: "192.0.5.3") == ["<eth0 >c0 <eth0 nobodyAnswers"])
    }

    /// A guest out of sight may use the host as its gateway, or the one that the host uses itself.
    @Test func aGuestsGatewayMayBeEither() throws {
        let network = try MadeUpNetwork.host()
        try network.route("0.0.0.0/0", (10, "192.0.2.254"))
        try network.learn("192.0.2.254", 120, on: 10, behind: 12)
        let bound = [try stop("vm1", .workload, "192.0.2.11")]
        #expect(
            try ways(network, from: "192.0.2.11", to: "203.0.113.9", bound) == [
                "<vm1 >vm2 leaves", "<vm1 <br0 >br0 >vm2 leaves",
            ])
    }

    /// A guest in sight whose gateway is another than this host: that one may lead through this host all the same.
    @Test func aGatewayOutOfSightMaySendItBack() throws {
        let network = try MadeUpNetwork.host()
        network.add(13, "vm3", "veth", master: 10) { $0.lower = DeviceID(namespace: 2, index: 51) }
        network.add(51, "eth0", "veth", "192.0.2.13", in: 2) { $0.lower = DeviceID(namespace: 1, index: 13) }
        try network.route("192.0.2.0/24", (51, nil), in: 2)
        try network.route("0.0.0.0/0", (51, "192.0.2.254"), in: 2)
        try network.learn("192.0.2.254", 120, on: 10, behind: 12)
        let inside = [
            Route.Stop(port: Port(name: "a", interface: "eth0", namespace: "n2", protects: .host), addresses: [])
        ]
        let out = ">eth0 <vm3 >vm2 leaves"
        let back = ">eth0 <vm3 >vm2 <vm2 <br0 >eth0 leaves"
        #expect(try ways(network, from: "192.0.2.13", to: "203.0.113.9", inside) == [out, back])
        // So its answers, and with them the question, may cross either device.
        let answered = try ways(network, from: "203.0.113.9", to: "192.0.2.13", inside)
        #expect(answered == ["<vm2 >vm3 <eth0 delivered", "<eth0 >br0 >vm3 <eth0 delivered"])
        // The host does not forward: nothing comes back.
        network.all[1]?.forwarding = [:]
        #expect(try ways(network, from: "192.0.2.13", to: "203.0.113.9", inside) == [out])
    }

    @Test func withoutARouteBackItMayComeInByAnyHostPort() throws {
        let network = try MadeUpNetwork.host()
        network.add(21, "eth1", "", "198.51.101.2")
        network.routes[1]?.removeValue(forKey: try Prefix(parsing: "0.0.0.0/0"))
        let ports = [try stop("eth0", .host), try stop("eth1", .host), try stop("vm1", .workload)]
        #expect(
            try ways(network, from: "203.0.113.9", to: "198.51.100.2", ports) == ["<eth0 delivered", "<eth1 delivered"])
    }
}
