// SPDX-License-Identifier: Apache-2.0
import Network
import TestSupport
import Testing

/// A random network around a host that has a policy: bridges with guests, routed guests with guests of their own,
/// routers with networks beyond them, VLANs; and what may be wrong with it.
final class ExplainWorld {
    /// Somebody who sends and receives.
    struct Party {
        var namespace: Namespace
        var addresses: [IPAddress]
        /// Those of one number reach each other: 0 by the host, any other by a bridge that the host is not on.
        var island: Int
    }

    /// A device of the host that may be a port.
    struct Device {
        var name: String
        /// What a policy may bind to it: the guest's MAC address and addresses.
        var guest: (mac: MACAddress, addresses: [String])?
        var isHost: Bool
    }

    let lab: Lab
    let host: Namespace
    let bulkhead: Bulkhead
    /// Whether everything outside of the host is in sight of the one who is asked.
    let isAllVisible: Bool
    var random: RandomNumbers
    private(set) var parties: [Party] = []
    private(set) var devices: [Device] = []
    /// Those that the policy names.
    var policyNamespaces: [String] = []
    /// Addresses that nobody has.
    private(set) var strangers: [IPAddress] = []
    /// Who is beyond both of two uplinks: the host cannot see that they are one network.
    private(set) var beyondBoth: Set<Namespace> = []
    /// It may send by one of them from its address on the other.
    private(set) var routerOfBoth: Namespace?
    private var island = 0
    private var networks = 0
    private var namespaces = 0
    private var hasDefaultRoute = false

    init(seed: UInt64) throws {
        random = RandomNumbers(seed: seed)
        lab = try Lab()
        host = try Self.namespace(lab, "host")
        bulkhead = Bulkhead(lab, in: host)
        isAllVisible = !random.once(in: 4)
        let isForwarding = !random.once(in: 10)
        if isForwarding { try forward(host) }
        for number in 0..<random.number(1...2) { try addBridge(number) }
        for number in 0..<random.number(0...2) { try addRoutedGuest(number) }
        if !random.once(in: 3) { try addUplink() }
        try addFaults()
    }

    // MARK: Parts

    private func forward(_ namespace: Namespace) throws {
        try namespace.run("sh", "-ec", "cd /proc/sys/net; echo 1 > ipv4/ip_forward; echo 1 > ipv6/conf/all/forwarding")
    }

    private func namespace() throws -> Namespace {
        namespaces += 1
        return try Self.namespace(lab, "n\(namespaces)")
    }

    /// A router asks for its neighbours from link-local addresses.
    private static func namespace(_ lab: Lab, _ suffix: String) throws -> Namespace {
        let namespace = try lab.namespace(suffix)
        try namespace.run("sh", "-ec", "echo 0 > /proc/sys/net/ipv6/conf/default/addr_gen_mode")
        return namespace
    }

    /// Addresses of the same number in a network, in IPv4 and IPv6.
    private static func addresses(_ network: Int, _ number: Int) -> [String] {
        ["198.18.\(network).\(number)", "2001:db8:\(network)::\(number)"]
    }

    private func network() -> Int {
        networks += 1
        strangers += Self.addresses(networks, 99).compactMap { IPAddress($0) }
        return networks
    }

    private func give(_ namespace: Namespace, _ device: String, _ network: Int, _ number: Int) throws {
        let addresses = Self.addresses(network, number)
        try lab.address(namespace, device, "\(addresses[0])/24", "\(addresses[1])/64")
        let own = addresses.compactMap { IPAddress($0) }
        if let index = parties.firstIndex(where: { $0.namespace == namespace }) {
            parties[index].addresses += own
        } else {
            parties.append(Party(namespace: namespace, addresses: own, island: island))
        }
    }

    private func route(_ namespace: Namespace, _ network: Int?, via gateway: (network: Int, number: Int)) throws {
        let gateways = Self.addresses(gateway.network, gateway.number)
        let targets = network.map { ["198.18.\($0).0/24", "2001:db8:\($0)::/64"] } ?? ["default", "default"]
        let lines = zip(targets, gateways).map { "route replace \($0) via \($1)\n" }
        try Shell.check("ip", "-netns", namespace.name, "-batch", "-", input: lines[0])
        try Shell.check("ip", "-6", "-netns", namespace.name, "-batch", "-", input: lines[1])
    }

    /// A router with a network beyond it, and somebody there. Its own end of the link is up already.
    private func addBeyond(_ router: Namespace) throws -> Int {
        let beyond = network()
        let far = try namespace()
        try lab.veth((router, "out0"), (far, "eth0"))
        try give(router, "out0", beyond, 1)
        try give(far, "eth0", beyond, 10)
        try route(far, nil, via: (beyond, 1))
        try forward(router)
        return beyond
    }

    private enum Tagging {
        case none, devices
    }

    /// Whether this kernel has VLAN devices.
    private static let hasVLANs: Bool = {
        guard let lab = try? Lab(), let namespace = try? lab.namespace("vlan") else { return false }
        let words = ["ip", "link", "add", "link", "lo", "name", "v", "type", "vlan", "id", "10"]
        return (try? Shell.run(namespace.command(words)).status) == 0
    }()

    private func tagging() -> Tagging { Self.hasVLANs && random.once(in: 3) ? .devices : .none }

    private func addBridge(_ number: Int) throws {
        let (bridge, segment) = ("br\(number)", network())
        let tagging = tagging()
        let isHostOnIt = !random.once(in: 4)
        let hasRouter = !isHostOnIt || random.once(in: 3)
        island = isHostOnIt ? 0 : number + 1
        defer { island = 0 }
        var members: [String] = []
        var guests: [(namespace: Namespace, device: String)] = []
        for place in 0..<random.number(2...3) {
            let (guest, member) = (try namespace(), "vm\(number)\(place)")
            try lab.veth((guest, "eth0"), (host, member))
            members.append(member)
            guests.append((guest, try tagged(guest, "eth0", tagging)))
        }
        let router = hasRouter ? try namespace() : nil
        if let router {
            try lab.veth((router, "in0"), (host, "up\(number)"))
            members.append("up\(number)")
        }
        try lab.bridge(host, bridge, ports: members)
        for member in members where random.once(in: 6) {
            try host.run("bridge", "link", "set", "dev", member, "isolated", "on")
        }
        if isHostOnIt { try give(host, try tagged(host, bridge, tagging), segment, 1) }
        for (place, guest) in guests.enumerated() { try give(guest.namespace, guest.device, segment, 10 + place) }
        if let router { try join(router, tagging, segment, isHostOnIt: isHostOnIt) }
        for (place, guest) in guests.enumerated() {
            let usesHost = isHostOnIt && (!hasRouter || random.once(in: 2))
            try route(guest.namespace, nil, via: (segment, usesHost ? 1 : 254))
            devices.append(
                Device(
                    name: members[place],
                    guest: (try guest.namespace.mac(of: "eth0"), Self.addresses(segment, 10 + place)), isHost: false))
        }
        if hasRouter { devices.append(Device(name: "up\(number)", isHost: true)) }
        devices.append(Device(name: bridge, isHost: true))
        if tagging == .devices, isHostOnIt { devices.append(Device(name: "\(bridge).10", isHost: true)) }
    }

    /// A router on a bridge's segment, and the ways to what is beyond it.
    private func join(_ router: Namespace, _ tagging: Tagging, _ segment: Int, isHostOnIt: Bool) throws {
        try give(router, try tagged(router, "in0", tagging), segment, 254)
        let beyond = try addBeyond(router)
        guard isHostOnIt else { return }
        try route(host, beyond, via: (segment, 254))
        try route(router, nil, via: (segment, 1))
        if !hasDefaultRoute, random.once(in: 2) {
            try route(host, nil, via: (segment, 254))
            hasDefaultRoute = true
        }
    }

    /// The device that addresses go to: one of VLAN 10, or the device itself.
    private func tagged(_ namespace: Namespace, _ device: String, _ tagging: Tagging) throws -> String {
        guard tagging == .devices else { return device }
        let name = "\(device).10"
        try Shell.check(
            "ip", "-netns", namespace.name, "-batch", "-",
            input: "link add link \(device) name \(name) type vlan id 10\nlink set \(name) up\n")
        return name
    }

    private func addRoutedGuest(_ number: Int) throws {
        let (device, link, guest) = ("rt\(number)", network(), try namespace())
        try lab.veth((guest, "eth0"), (host, device))
        try give(host, device, link, 1)
        try give(guest, "eth0", link, 10)
        try route(guest, nil, via: (link, 1))
        devices.append(
            Device(name: device, guest: (try guest.mac(of: "eth0"), Self.addresses(link, 10)), isHost: false))
        guard random.once(in: 3) else { return }
        let beyond = try addBeyond(guest)
        try route(host, beyond, via: (link, 10))
    }

    /// One or two links to a router, which may send back by the other one.
    private func addUplink() throws {
        let router = try namespace()
        var links: [Int] = []
        for number in 0..<random.number(1...2) {
            let link = network()
            try lab.veth((router, "in\(number)"), (host, "wan\(number)"))
            let tagging = tagging()
            try give(host, try tagged(host, "wan\(number)", tagging), link, 1)
            try give(router, try tagged(router, "in\(number)", tagging), link, 254)
            devices.append(Device(name: "wan\(number)", isHost: true))
            if tagging == .devices { devices.append(Device(name: "wan\(number).10", isHost: true)) }
            links.append(link)
        }
        let first = parties.count
        let beyond = try addBeyond(router)
        if links.count == 2 {
            beyondBoth = Set(parties[first...].map(\.namespace) + [router])
            routerOfBoth = router
        }
        try route(router, nil, via: (isAllVisible ? random.pick(links) : links[0], 1))
        if links.count == 2, random.once(in: 6) {
            try host.run(
                "ip", "route", "replace", "198.18.\(beyond).0/24", "nexthop", "via", "198.18.\(links[0]).254",
                "nexthop", "via", "198.18.\(links[1]).254")
        }
        try route(host, hasDefaultRoute ? beyond : nil, via: (links[0], 254))
        hasDefaultRoute = true
    }

    private func addFaults() throws {
        if random.once(in: 5) {
            let device = random.pick(devices).name
            try host.run("sh", "-ec", "echo 1 > '/proc/sys/net/ipv4/conf/\(device)/rp_filter'")
        }
        // A link that is down takes its routes with it: who sees the host alone takes the rest of them for the truth.
        if isAllVisible, random.once(in: 12) { try host.run("ip", "link", "set", random.pick(devices).name, "down") }
        if random.once(in: 12) {
            try host.run("ip", "route", "add", "blackhole", "198.18.\(random.number(1...networks)).10/32")
        }
        guard isAllVisible, random.once(in: 6) else { return }
        let party = random.pick(parties)
        guard party.namespace != host else { return }
        try party.namespace.run("sh", "-c", "ip route del default; ip -6 route del default; true")
    }
}
