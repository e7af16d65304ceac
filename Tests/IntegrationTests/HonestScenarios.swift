// SPDX-License-Identifier: Apache-2.0
import Foundation
import Network
import TestSupport
import Testing

/// What an honest guest does, with the software that guests use. Each scenario throws or records an issue if it does
/// not work.
enum HonestScenarios {
    struct Scenario: Sendable {
        var description: String
        var run: @Sendable (GuestSite) throws -> Void

        init(_ description: String, _ run: @escaping @Sendable (GuestSite) throws -> Void) {
            self.description = description
            self.run = run
        }
    }

    /// Scenarios of a guest that boots; one after the other on one site.
    static let booting: [Scenario] = [
        Scenario("a DHCPv4 lease", leaseV4), Scenario("a DHCPv6 lease", leaseV6),
        Scenario("duplicate address detection", duplicateDetection),
        Scenario("SLAAC with a privacy address", privacyAddress),
    ]

    /// Scenarios of a guest that has its addresses. The last two leave the site changed.
    static let running: [Scenario] = [
        Scenario("`arping`, an ARP probe, a gratuitous ARP", addressResolution),
        Scenario("a floating address with a MAC address of its own (VRRP)", floatingAddress),
        Scenario("TCP both ways through a router", transfer), Scenario("UDP both ways through a router", datagrams),
        Scenario("`ping`", ping), Scenario("`traceroute`", traceroute),
        Scenario("MLD on a snooping bridge, over several queries", snooping),
        Scenario("path MTU discovery", pathMTU),
    ]

    /// Scenarios of a guest with more groups than a report of the least length names.
    static let listening: [Scenario] = [Scenario("members of sixty groups, in both versions", manyGroups)]

    // MARK: Addresses

    private static func leaseV4(_ site: GuestSite) throws {
        let server = try site.serve("--dhcp-range=198.51.100.10,198.51.100.10,255.255.255.0,1h")
        try lease(site, "-4", until: "bound to 198.51.100.10", server)
    }

    private static func leaseV6(_ site: GuestSite) throws {
        let server = try site.serve("--dhcp-range=2001:db8:1:a::10,2001:db8:1:a::10,64,1h")
        try site.bootGuest()
        try #require(try isSettled(site, "scope", "link"))
        try lease(site, "-6", until: "Bound to lease", server)
        #expect(server.errors.contains("2001:db8:1:a::10"))
    }

    private static func lease(_ site: GuestSite, _ family: String, until word: String, _ server: Command) throws {
        let file = try site.lab.file("client\(family)", "")
        let client = try Command(
            site.guest.command([
                "dhclient", family, "-d", "-1", "-v", "-sf", "/bin/true", "-lf", file, "-pf", file + ".pid", "eth0",
            ]))
        let isBound = poll(seconds: 20) { client.errors.contains(word) || !client.isRunning }
        #expect(isBound && client.errors.contains(word), "dhclient: \(client.errors)\ndnsmasq: \(server.errors)")
    }

    /// Whether the guest has an address of this kind that has passed duplicate address detection.
    private static func isSettled(_ site: GuestSite, _ filter: String...) throws -> Bool {
        try poll(seconds: 15) {
            let show = ["ip", "-netns", site.guest.name, "-6", "-o", "addr", "show", "dev", "eth0"]
            let text = try Shell.run(show + filter).output
            return text.contains("inet6") && !text.contains("tentative") && !text.contains("dadfailed")
        }
    }

    private static func duplicateDetection(_ site: GuestSite) throws {
        let network = try PacketSocket(site.router, "net0")
        try site.bootGuest()
        try site.guest.run("ip", "addr", "add", "2001:db8:1:a::77/64", "dev", "eth0")
        #expect(try isSettled(site, "scope", "link"))
        #expect(try isSettled(site, "to", "2001:db8:1:a::77"))
        // Its probe, from `::`, has been sent.
        var asked = false
        while !asked, let frame = try network.receiveFrame() {
            asked =
                frame.bytes.count > 78 && frame.bytes[12...13] == [0x86, 0xdd]
                && frame.bytes[22..<38].allSatisfy { $0 == 0 }
                && frame.bytes[54] == 135
                && Array(frame.bytes[62..<78]) == IPAddress(stringLiteral: "2001:db8:1:a::77").bytes
        }
        #expect(asked)
    }

    private static func privacyAddress(_ site: GuestSite) throws {
        let server = try site.serve("--enable-ra", "--dhcp-range=2001:db8:1:a::,ra-only,64")
        try site.bootGuest()
        try #require(try isSettled(site, "scope", "global", "temporary"), "no privacy address: \(server.errors)")
        let text = try site.guest.run("ip", "-6", "-o", "addr", "show", "dev", "eth0", "temporary")
        let word = text.split(separator: " ").first { $0.hasPrefix("2001:db8:1:a:") }
        let address = try #require(word.map { String($0.prefix { $0 != "/" }) }, "\(text)")
        try site.guest.run("ping", "-6", "-c", "1", "-W", "3", "-I", address, "2001:db8:1:a::1")
    }

    // MARK: The link

    private static func snooping(_ site: GuestSite) throws {
        for version in [1, 2] { try snooping(site, version: version) }
    }

    private static func snooping(_ site: GuestSite, version: Int) throws {
        try site.host.run(
            "sh", "-ec",
            """
            ip link set br0 down
            echo 0 > /proc/sys/net/ipv6/conf/br0/addr_gen_mode
            ip link set br0 type bridge mcast_snooping 1 mcast_querier 1 mcast_stats_enabled 1 \
              mcast_mld_version \(version) mcast_query_interval 100 \
              mcast_query_response_interval 50 mcast_startup_query_interval 50 \
              mcast_membership_interval 250
            ip link set br0 up
            """)
        func queries() throws -> Int {
            let text = try site.host.run("ip", "link", "xstats", "type", "bridge", "dev", "br0")
            let queries =
                text.components(separatedBy: "MLD reports:")[0].components(separatedBy: "MLD queries:").last ?? ""
            return queries.split { $0 == " " || $0 == "\n" }.compactMap { Int($0) }.reduce(0, +)
        }
        // Wait as long as two memberships last; a member that does not answer is forgotten.
        let before = try queries()
        try #require(try poll(seconds: 30) { try queries() >= before + 8 }, "the bridge asks nothing")
        let groups = try site.host.run("bridge", "mdb", "show", "dev", "br0")
        #expect(groups.contains("port vm-a grp ff02::1:ff00:10"), "version \(version): \(groups)")
        try site.router.run("ip", "-6", "neigh", "flush", "all")
        try site.router.run("ping", "-6", "-c", "2", "-W", "3", "\(GuestSite.guest(.v6))")
    }

    /// The bridge sends queries, and learns every group from reports that are as long as they must be.
    private static func manyGroups(_ site: GuestSite) throws {
        try site.host.run(
            "sh", "-ec",
            "ip link set br0 type bridge mcast_snooping 1 mcast_querier 1 mcast_igmp_version 3 mcast_mld_version 2")
        try site.lab.address(site.guest, "eth0", "198.51.100.10/24")
        try site.guest.run("sh", "-ec", "echo 100 > /proc/sys/net/ipv4/igmp_max_memberships")
        let groups = (1...60).map { ("239.1.0.\($0)", "ff05::1:\($0)") }
        let joins = groups.flatMap { v4, v6 in
            ["addr add \(v4)/32 dev eth0 autojoin", "addr add \(v6)/128 dev eth0 autojoin"]
        }
        try Shell.check("ip", "-netns", site.guest.name, "-batch", "-", input: joins.joined(separator: "\n") + "\n")
        let isKnown = try poll(seconds: 20) {
            let text = try site.host.run("bridge", "mdb", "show", "dev", "br0")
            return groups.allSatisfy { text.contains("port vm-a grp \($0) ") && text.contains("port vm-a grp \($1) ") }
        }
        let known = try site.host.run("bridge", "mdb", "show", "dev", "br0")
        #expect(isKnown, "\(known)")
    }

    private static func addressResolution(_ site: GuestSite) throws {
        let network = try PacketSocket(site.router, "net0")
        try site.guest.run("arping", "-c", "1", "-w", "5", "-I", "eth0", "198.51.100.1")
        try site.guest.run("arping", "-D", "-c", "1", "-w", "5", "-I", "eth0", "198.51.100.10")
        try site.guest.run("arping", "-U", "-c", "1", "-w", "5", "-I", "eth0", "198.51.100.10")
        let senders = try network.receiveAll(from: GuestSite.macs.guest).filter { $0.bytes[12...13] == [8, 6] }.map {
            Array($0.bytes[28..<32])
        }
        #expect(senders.contains([0, 0, 0, 0]), "the probe has not arrived")
        #expect(senders.contains([198, 51, 100, 10]))
    }

    /// First one guest has the address, then the other.
    private static func floatingAddress(_ site: GuestSite) throws {
        for (namespace, source) in [(site.guest, GuestSite.guest(.v4)), (site.other, GuestSite.other(.v4))] {
            let network = try PacketSocket(site.router, "net0")
            try namespace.run(
                "sh", "-ec",
                """
                ip link add vrrp0 link eth0 address \(GuestSite.virtual) type macvlan mode bridge
                ip addr add \(GuestSite.floating)/32 dev vrrp0
                ip link set vrrp0 up
                arping -U -c 1 -w 5 -I vrrp0 \(GuestSite.floating)
                """)
            let raw = try PacketSocket(namespace, "eth0")
            let advertisement = Frame(
                Datagram(
                    source, "224.0.0.18", Segment(number: 112, bytes: [0x21, 7, 100, 1, 0, 1, 0, 0, 198, 51, 100, 200])
                ) {
                    $0.hopLimit = 255
                }, from: GuestSite.virtual, to: "01:00:5e:00:00:12")
            try raw.send(advertisement)
            #expect(try network.receiveAll(from: GuestSite.virtual).contains(advertisement))
            try site.router.run("ping", "-c", "1", "-W", "3", "\(GuestSite.floating)")
            try namespace.run("ip", "link", "delete", "vrrp0")
        }
    }

    // MARK: Traffic

    private static func transfer(_ site: GuestSite) throws {
        for family in AddressFamily.allCases { try transfer(site, family, bytes: 8 << 20) }
    }

    private static func transfer(_ site: GuestSite, _ family: AddressFamily, bytes total: Int) throws {
        let server = try IPSocket.bound(site.far, .tcp, GuestSite.far(family), 5001)
        let client = try IPSocket.connected(site.guest, .tcp, GuestSite.far(family), 5001)
        let session = try server.accept()
        #expect(try client.transfer(total, to: session) == total)
        #expect(try session.transfer(total, to: client) == total)
    }

    private static func datagrams(_ site: GuestSite) throws {
        for family in AddressFamily.allCases {
            let client = try IPSocket.connected(site.guest, .udp, GuestSite.far(family), 5002, from: 6000)
            do {
                let server = try IPSocket.bound(site.far, .udp, GuestSite.far(family), 5002)
                for number in 1...100 as ClosedRange<UInt8> {
                    try client.send([number])
                    try #require(try server.receive(milliseconds: 5000) == [number])
                }
            }
            let server = try IPSocket.connected(site.far, .udp, GuestSite.guest(family), 6000, from: 5002)
            try server.send([200])
            #expect(try client.receive(milliseconds: 5000) == [200])
        }
    }

    private static func ping(_ site: GuestSite) throws {
        for family in AddressFamily.allCases {
            try site.guest.run("ping", "-c", "3", "-i", "0.2", "-W", "3", "\(GuestSite.far(family))")
            try site.far.run("ping", "-c", "3", "-i", "0.2", "-W", "3", "\(GuestSite.guest(family))")
        }
    }

    private static func traceroute(_ site: GuestSite) throws {
        for family in AddressFamily.allCases {
            let text = try site.guest.run("traceroute", "-n", "-q", "1", "-w", "3", "\(GuestSite.far(family))")
            let hops = text.split(separator: "\n").dropFirst().map {
                $0.split(separator: " ").dropFirst().first.map(String.init)
            }
            #expect(hops == ["\(GuestSite.router(family))", "\(GuestSite.far(family))"], "\(text)")
        }
    }

    private static func pathMTU(_ site: GuestSite) throws {
        try site.router.run("ip", "link", "set", "out0", "mtu", "1300")
        try site.far.run("ip", "link", "set", "far0", "mtu", "1300")
        for family in AddressFamily.allCases {
            let text = try site.guest.run("tracepath", "-n", "-m", "4", "\(GuestSite.far(family))")
            #expect(text.contains("pmtu 1300") && text.contains("reached"), "\(text)")
            try site.guest.run("ip", "route", "flush", "cache")
            try transfer(site, family, bytes: 1 << 20)
        }
    }
}
