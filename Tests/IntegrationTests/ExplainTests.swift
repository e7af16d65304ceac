// SPDX-License-Identifier: Apache-2.0
import TestSupport
import Testing

extension Integration {
    /// The packet that `explain` asks about is one that an honest guest would send.
    @Suite(.serialized) struct ExplainTests {
        @Test func aGuestSendsAsItself() throws {
            let site = try BridgeSite()
            let policy = try site.lab.file(
                "guests.yaml",
                """
                version: 1
                ports:
                  a: { interface: vm-a, mac: "52:54:00:00:00:01", addresses: [198.51.100.1, "2001:db8:1::1"] }
                  b: { interface: vm-b, mac: "52:54:00:00:00:02", addresses: [198.51.100.2, "2001:db8:1::2"] }
                defaults: { in: drop, out: accept }
                rules:
                  - { name: web, service: tcp/80, action: accept }
                """)
            for (words, verdict, reasons) in [
                (["a", "b", "tcp/80"], "accept", ["rule", "rule"]),
                (["2001:db8:1::2", "2001:db8:1::1", "tcp/81"], "drop", ["default", "default"]),
                (["198.51.100.2", "198.51.100.1", "tcp/80", "--at", "a", "--direction", "out"], "drop", ["guard-ip"]),
            ] {
                let result = try Shell.run(site.bulkhead.command(["explain"] + words + ["--policy", policy, "--json"]))
                try #require(result.status == 0, "\(result.errors)")
                #expect(result.output.contains(#""verdict": "\#(verdict)""#), "\(words): \(result.output)")
                let found = result.output.split(separator: "\"reason\": \"").dropFirst().map {
                    $0.prefix { $0 != "\"" }
                }
                #expect(found.map(String.init) == reasons, "\(words): \(result.output)")
            }
        }
    }
}

extension Integration.ExplainTests {
    /// The bridge is a port itself: what the host sends to a guest goes `out` there.
    @Test func aBridgeThatIsAPortIsJudgedTheRightWay() throws {
        let site = try BridgeSite()
        try site.lab.address(site.host, "br0", "198.51.100.254/24")
        let policy = try site.lab.file(
            "bridge.yaml",
            """
            version: 1
            ports:
              lan: { interface: br0, protects: host, defaults: { in: drop, out: accept } }
              a: { interface: vm-a, addresses: [198.51.100.1] }
            defaults: { in: accept, out: accept }
            """)
        try site.bulkhead.apply(policy)
        let there = try site.bulkhead.json(Explained.self, "explain", "198.51.100.254", "a", "udp/9")
        #expect(there.verdict == "accept" && there.words == ["out at lan", "in at a"] && there.end == "delivered")
        let back = try site.bulkhead.json(Explained.self, "explain", "a", "198.51.100.254", "udp/9")
        #expect(back.verdict == "drop" && back.words == ["out at a", "in at lan"])
        let between = try site.bulkhead.json(Explained.self, "explain", "a", "198.51.100.2", "udp/9")
        #expect(between.verdict == "accept" && between.words == ["out at a"])
    }

    /// A bridge with an address of the host's, and a policy in force that accepts everything.
    private static func openSite() throws -> BridgeSite {
        let site = try BridgeSite()
        try site.lab.address(site.host, "br0", "198.51.100.254/24")
        let policy = try site.lab.file(
            "live.yaml",
            """
            version: 1
            ports:
              a: { interface: vm-a, addresses: [198.51.100.1] }
              b: { interface: vm-b, addresses: [198.51.100.2] }
            defaults: { in: accept, out: accept }
            """)
        try site.bulkhead.apply(policy)
        return site
    }

    @Test func liveNamesWhatElseCanDrop() throws {
        let site = try Self.openSite()
        let quiet = try site.bulkhead.json(Explained.self, "explain", "a", "198.51.100.254", "udp/9", "--live")
        #expect(quiet.live?.map(\.name) == [])
        try site.host.run(
            "nft", "-f", "-",
            input: """
                table inet other {
                  chain guard { ip saddr 198.51.100.7 drop; }
                  chain in { type filter hook input priority 0; policy accept; jump guard; }
                  chain through { type filter hook forward priority 0; policy drop; }
                  chain harmless { type filter hook prerouting priority 0; policy accept; counter; }
                }
                """)
        try site.host.run("sh", "-ec", "echo 1 > /proc/sys/net/ipv4/conf/br0/rp_filter")
        let other = Bulkhead(site.lab, in: site.host, instance: "-other")
        try other.apply(try site.lab.file("other.yaml", "version: 1\nports: { a: { interface: vm-a, mode: tc } }\n"))
        let said = try site.bulkhead.json(Explained.self, "explain", "a", "198.51.100.254", "udp/9", "--live")
        let found = said.live?.map { "\($0.kind) \($0.interface ?? "-"): \($0.name.prefix { $0 != "(" })" } ?? []
        #expect(
            found == [
                "tc vm-a: program 'entry_tc_ingres' ", "nftables -: chain 'in' of table 'other'",
                "rp_filter br0: rp_filter: the source must be routed back by it",
            ])
        for member in ["vm-a", "vm-b"] { try site.host.run("bridge", "link", "set", "dev", member, "isolated", "on") }
        let apart = try site.bulkhead.json(Explained.self, "explain", "a", "b", "udp/9", "--live")
        #expect(apart.verdict == "drop" && apart.end == "stopped")
        #expect(Set(apart.live?.filter { $0.kind == "isolation" }.compactMap(\.interface) ?? []) == ["vm-a", "vm-b"])
    }

    @Test func liveNamesXDPProgramsOfOthers() throws {
        let site = try Self.openSite()
        let other = Bulkhead(site.lab, in: site.host, instance: "-other")
        try other.apply(try site.lab.file("other.yaml", "version: 1\nports: { a: { interface: vm-a, mode: xdp } }\n"))
        let said = try site.bulkhead.json(Explained.self, "explain", "a", "198.51.100.254", "udp/9", "--live")
        #expect(said.live?.contains { $0.kind == "xdp" && $0.interface == "vm-a" } == true, "\(said)")
        // What comes in by the other member does not meet it.
        let beside = try site.bulkhead.json(Explained.self, "explain", "b", "198.51.100.254", "udp/9", "--live")
        #expect(beside.live?.map(\.words) == [])
    }

    /// The older iptables has its own tables, and a bridge may hand what it carries to the filters of the IP layer.
    @Test func liveReadsTheOlderTables() throws {
        let site = try Self.openSite()
        try site.host.run(
            "iptables-legacy-restore",
            input: """
                *filter
                :INPUT ACCEPT [0:0]
                :FORWARD DROP [0:0]
                :OUTPUT ACCEPT [0:0]
                :guard - [0:0]
                :unused - [0:0]
                -A INPUT -p tcp -j guard
                -A OUTPUT -j LOG
                -A guard -s 198.51.100.7/32 -j REJECT
                -A unused -j DROP
                COMMIT
                *mangle
                -A PREROUTING -j MARK --set-mark 1
                COMMIT

                """)
        let input = "iptables -: chain 'INPUT' of iptables table 'filter'"
        let toHost = try site.bulkhead.json(Explained.self, "explain", "a", "198.51.100.254", "udp/9", "--live")
        #expect(toHost.live?.map(\.words) == [input])
        #expect(toHost.unseen?.map(\.why) == [])
        let setting = "/proc/sys/net/bridge/bridge-nf-call-iptables"
        try site.host.run("sh", "-ec", "echo 0 > \(setting)")
        let between = try site.bulkhead.json(Explained.self, "explain", "a", "b", "udp/9", "--live")
        #expect(between.live?.map(\.words) == [])
        try site.host.run("sh", "-ec", "echo 1 > \(setting)")
        let called = try site.bulkhead.json(Explained.self, "explain", "a", "b", "udp/9", "--live")
        #expect(
            called.live?.map(\.words) == [
                "iptables -: chain 'FORWARD' of iptables table 'filter', whose policy is drop, which bridged packets "
                    + "pass too (bridge-nf-call-iptables)"
            ])
        try site.host.run("sh", "-ec", "echo 0 > \(setting)")
        try site.host.run("ip", "link", "set", "br0", "type", "bridge", "nf_call_iptables", "1")
        let byBridge = try site.bulkhead.json(Explained.self, "explain", "a", "b", "udp/9", "--live")
        #expect(byBridge.live?.map(\.words) == called.live?.map(\.words))
    }
}
