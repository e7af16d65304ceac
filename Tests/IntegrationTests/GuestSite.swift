// SPDX-License-Identifier: Apache-2.0
import Network
import TestSupport
import Testing

/// A bridge with two guests, and an uplink to a router with another network beyond it. Real software runs on every
/// side, and every port has guards.
///
///     far (far0) ---- (out0) router (net0) ---- (up0) host: br0 (vm-a, vm-b) ---- (eth0) guest, other
final class GuestSite: Sendable {
    let lab: Lab
    let host: Namespace
    let guest: Namespace
    let other: Namespace
    let router: Namespace
    let far: Namespace
    let bulkhead: Bulkhead

    /// The MAC addresses of `eth0` of each guest and of `net0`.
    static let macs: (guest: MACAddress, other: MACAddress, router: MACAddress) = (
        Frame.guest, Frame.peer, "52:54:00:00:00:f0"
    )
    static let stranger: MACAddress = "52:54:00:00:00:09"
    /// The address that both guests may have, and its MAC address.
    static let floating: IPAddress = "198.51.100.200"
    static let virtual: MACAddress = "00:00:5e:00:01:07"

    static func guest(_ family: AddressFamily) -> IPAddress { family == .v4 ? "198.51.100.10" : "2001:db8:1:a::10" }
    /// An address with another solicited-node group than the guest's, because in MLD version 1 a member that hears
    /// another's report stays silent.
    static func other(_ family: AddressFamily) -> IPAddress { family == .v4 ? "198.51.100.11" : "2001:db8:1:b::11" }
    static func router(_ family: AddressFamily) -> IPAddress { family == .v4 ? "198.51.100.1" : "2001:db8:1:a::1" }
    static func far(_ family: AddressFamily) -> IPAddress { family == .v4 ? "203.0.113.9" : "2001:db8:9::9" }

    init() throws {
        lab = try Lab()
        host = try lab.namespace("host")
        guest = try lab.namespace("guest")
        other = try lab.namespace("other")
        router = try lab.namespace("net")
        far = try lab.namespace("far")
        try lab.veth((guest, "eth0"), (host, "vm-a"))
        try lab.veth((other, "eth0"), (host, "vm-b"))
        try lab.veth((router, "net0"), (host, "up0"))
        try lab.veth((router, "out0"), (far, "far0"))
        try lab.bridge(host, "br0", ports: ["vm-a", "vm-b", "up0"])
        bulkhead = Bulkhead(lab, in: host)
        for (namespace, device, mac) in [
            (guest, "eth0", Self.macs.guest), (other, "eth0", Self.macs.other), (router, "net0", Self.macs.router),
        ] { try namespace.run("ip", "link", "set", device, "address", "\(mac)") }
        // A router resolves, advertises and serves from its link-local addresses.
        try router.run(
            "sh", "-ec",
            """
            for device in net0 out0; do
              ip link set $device down
              echo 0 > /proc/sys/net/ipv6/conf/$device/addr_gen_mode
              ip link set $device up
            done
            """)
        // The bridge does not flood frames to stations that it knows.
        for (device, mac) in [("vm-a", Self.macs.guest), ("vm-b", Self.macs.other), ("up0", Self.macs.router)] {
            try host.run("bridge", "fdb", "replace", "\(mac)", "dev", device, "master", "static")
        }
        try lab.address(router, "net0", "198.51.100.1/24", "2001:db8:1:a::1/64", "2001:db8:1:b::1/64")
        try lab.address(router, "out0", "203.0.113.1/24", "2001:db8:9::1/64")
        try lab.address(far, "far0", "203.0.113.9/24", "2001:db8:9::9/64")
        try router.run("sh", "-ec", "cd /proc/sys/net; echo 1 > ipv4/ip_forward; echo 1 > ipv6/conf/all/forwarding")
        try far.run("sh", "-ec", "ip route add default via 203.0.113.1; ip -6 route add default via 2001:db8:9::1")
    }

    /// Puts the policy into force.
    ///
    /// - Parameters:
    ///   - uplink: Further keys of the uplink.
    ///   - keys: Further keys of each guest.
    func apply(uplink: String = "", keys: String = "", defaults: String = "in: drop, out: accept") throws {
        let shared = "shared: [\(Self.floating), \(Self.virtual)]"
        let policy = try lab.file(
            "policy.yaml",
            """
            version: 1
            ports:
              uplink: { interface: up0, protects: host, defaults: { in: accept }\(uplink) }
              guest: { interface: vm-a, mac: \(Self.macs.guest), addresses: [198.51.100.10, "2001:db8:1:a::/64"], \
            \(shared)\(keys) }
              other: { interface: vm-b, mac: \(Self.macs.other), addresses: [198.51.100.11, "2001:db8:1:b::/64"], \
            \(shared)\(keys) }
            defaults: { \(defaults) }
            rules:
              - { name: ping, service: ping, action: accept }
              - { name: vrrp, service: proto/112, action: accept }
            """)
        try bulkhead.apply(policy)
    }

    /// Gives both guests the addresses that the policy binds, and a default route.
    func addressGuests() throws {
        for (namespace, make) in [(guest, Self.guest), (other, Self.other)]
            as [(Namespace, (AddressFamily) -> IPAddress)]
        {
            try lab.address(namespace, "eth0", "\(make(.v4))/24", "\(make(.v6))/64")
            let gateway = namespace == guest ? "2001:db8:1:a::1" : "2001:db8:1:b::1"
            try namespace.run(
                "sh", "-ec", "ip route add default via 198.51.100.1; ip -6 route add default via \(gateway)")
        }
    }

    /// The guest's device comes up again, as in a guest that boots: with a link-local address, duplicate address
    /// detection and router solicitation.
    func bootGuest() throws {
        try guest.run(
            "sh", "-ec",
            """
            ip link set eth0 down
            cd /proc/sys/net/ipv6/conf/eth0
            echo 0 > addr_gen_mode; echo 1 > accept_dad; echo 2 > accept_ra; echo 2 > use_tempaddr
            echo 3 > router_solicitations
            ip link set eth0 up
            """)
    }

    /// A DHCP server and router on `net0`, which runs as long as the returned value lives.
    func serve(_ words: String...) throws -> Command {
        let leases = try lab.file("leases", "")
        let server = try Command(
            router.command(
                [
                    "dnsmasq", "--keep-in-foreground", "--log-facility=-", "--conf-file=/dev/null", "--no-resolv",
                    "--no-hosts",
                    "--port=0", "--no-ping", "--user=root", "--pid-file=", "--interface=net0", "--dhcp-authoritative",
                    "--log-dhcp", "--dhcp-leasefile=\(leases)",
                ] + words))
        let isReady = poll(seconds: 10) { !server.isRunning || server.errors.contains("started") }
        try #require(isReady && server.isRunning, "dnsmasq: \(server.errors)")
        return server
    }
}
