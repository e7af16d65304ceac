// SPDX-License-Identifier: Apache-2.0
import Import
import Network
import Policy
import Testing

/// The files of pve-firewall as policies. What each line means is from pve-firewall's documentation and its source.
@Suite struct ProxmoxTests {
    static let web = """
        name: web
        net0: virtio=BC:24:11:00:01:00,bridge=vmbr0,firewall=1,tag=5
        net1: virtio=BC:24:11:00:01:01,bridge=vmbr1,firewall=1
        net2: e1000=BC:24:11:00:01:02,bridge=vmbr1

        [before-upgrade]
        net3: virtio=BC:24:11:00:01:03,bridge=vmbr9,firewall=1

        """
    static let dns = """
        arch: amd64
        hostname: dns
        net0: name=eth0,bridge=vmbr0,firewall=1,hwaddr=BC:24:11:00:02:00,ip=198.51.100.20/24,ip6=auto,type=veth

        """
    static let cluster = """
        [OPTIONS]
        enable: 1
        [ALIASES]
        local_network 192.0.2.0/24
        office 203.0.113.0/28 # the office
        [IPSET admins]
        203.0.113.16/28
        !203.0.113.20
        2001:db8:9::/48
        [IPSET nobody]

        [RULES]
        IN SSH(ACCEPT) -source +admins -log nolog # shell
        [group webserver] # what is public
        IN HTTPS(ACCEPT)
        IN ACCEPT -p tcp -dport 80,8000:8010 -log info
        OUT DROP -dest office

        """

    /// A node with two guests, with lines at the end of some files.
    static func node(
        _ guest: String = "", options: String = "", host: String = "", cluster more: String = "", map: String? = nil
    ) throws -> Imported {
        try Imported(
            .proxmox,
            [
                "etc/cluster.fw": cluster + more, "etc/host.fw": host, "corosync.conf": "",
                "100.fw": "[OPTIONS]\nenable: 1\n\(options)\n[RULES]\n\(guest)\n", "100.conf": web,
                "200.fw": "[OPTIONS]\nenable: 1\nipfilter: 1\n", "200.conf": dns,
            ], ports: map, devices: ["vmbr0", "vmbr1", "tap100i0", "tap100i1", "veth200i0", "eno1"])
    }

    /// The rules of guest 100, without what every import has.
    static func guest(_ line: String, options: String = "", cluster: String = "") throws -> ([String], Imported) {
        let imported = try node(line, options: options, cluster: cluster)
        #expect(imported.errors == [], "\(imported.policy.text)")
        return (imported.rules.filter { $0.hasPrefix("- { name: web-") }, imported)
    }

    // MARK: Ports

    @Test func firewalledNICsAreGuardedPorts() throws {
        let text = try Self.node().policy.text
        for line in [
            "  vmbr0: { interface: vmbr0, protects: host }", "  vmbr1: { interface: vmbr1, protects: host }",
            "  web: { interface: tap100i0, protects: workload, mac: \"bc:24:11:00:01:00\", guard: [mac, ra] }",
            "  web-net1: { interface: tap100i1, protects: workload, mac: \"bc:24:11:00:01:01\", guard: [mac, ra] }",
            "  dns: { interface: veth200i0, protects: workload, mac: \"bc:24:11:00:02:00\", "
                + "addresses: [198.51.100.20],\n      guard: [mac, ip, arp, ra] }",
        ] {
            #expect(text.contains(line + "\n"), "\(line)\n\(text)")
        }
        #expect(!text.contains("tap100i2") && !text.contains("vmbr9"))
        #expect(try Self.node().errors == [])
    }

    @Test(arguments: [
        ("macfilter: 0", "guard: [ra] }"), ("radv: 1", "guard: [mac] }"), ("macfilter: 0\nradv: 1", "guard: off }"),
        ("ipfilter: 1", "addresses: [], guard: [mac, ip, ra] }"),
        ("[IPSET ipfilter-net0]\n192.0.2.9\n", "addresses: [192.0.2.9],\n      guard: [mac, ip, arp, ra] }"),
        ("macfilter: 0\n[IPSET ipfilter-net0]\n192.0.2.9\n", "addresses: [192.0.2.9],\n      guard: [ip, ra] }"),
        ("[IPSET ipfilter-net0]\n2001:db8::/64\nfe80::5\n", "\"fe80::5\", \"fe80::be24:11ff:fe00:100\""),
        ("policy_in: REJECT\npolicy_out: DROP", "guard: [mac, ra],\n      defaults: { in: reject, out: drop } }"),
        ("policy_in: ACCEPT", "guard: [mac, ra],\n      defaults: { in: accept } }"),
    ])
    func optionsSayGuardsAndDefaults(options: String, words: String) throws {
        let imported = try Self.node(options: options)
        let entry = imported.policy.text.split(separator: "  web: ").last?.split(separator: "  web-net1: ").first ?? ""
        #expect(entry.contains(words), "\(imported.policy.text)")
        #expect(imported.errors == [])
    }

    @Test func whatIsOffOrUnknownHasNoPort() throws {
        let off = try Imported(
            .proxmox,
            [
                "cluster.fw": "[RULES]\nIN ACCEPT -p tcp -dport 22\n", "host.fw": "[OPTIONS]\nenable: 0\n",
                "100.fw": "[RULES]\nIN DROP\n", "100.conf": Self.web, "101.fw": "[OPTIONS]\nenable: 1\n",
                "102.conf": Self.dns,
            ])
        #expect(off.policy.text.contains("ports: {}"))
        for words in [
            "cluster.fw: stays where it is: the firewall is off for the whole cluster",
            "host.fw: stays where it is: the firewall of the host is off",
            "100.fw: stays where it is: the firewall of guest 100 is off",
            "101.fw: left out: the rules of guest 101, whose NICs are not known; give 101.conf too",
            "stays where it is: guest 102 has no file 102.fw",
        ] {
            #expect(off.notes.contains { $0.hasPrefix(words) }, "\(words): \(off.notes)")
        }
    }

    @Test func namesAreTheGuestsOwnOrTheirNumbers() throws {
        let guest = "[OPTIONS]\nenable: 1\n"
        let imported = try Imported(
            .proxmox,
            [
                "cluster.fw": "[OPTIONS]\nenable: 1\n", "100.fw": guest, "101.fw": guest, "102.fw": guest,
                "100.conf": Self.web, "101.conf": Self.web,
                "102.conf": "net0: virtio=BC:24:11:00:03:00,firewall=1\n",
            ], devices: ["vmbr0", "vmbr1"])
        #expect(imported.errors == [], "\(imported.policy.text)")
        for name in ["vm-100", "vm-100-net1", "vm-101", "vm-102"] {
            #expect(imported.policy.text.contains("\n  \(name): { interface: tap"), "\(imported.policy.text)")
        }
        // Two guests with one MAC address share it.
        #expect(imported.policy.text.contains("shared: [\"bc:24:11:00:01:00\"]"))
    }

    @Test func theMapNamesInterfaces() throws {
        let map = "eno1: uplink\nvmbr0: { port: lan, networks: 198.51.100.0/24 }\ntap100i0: { port: shop }\n"
        let imported = try Self.node("IN ACCEPT -i net0 -p tcp", map: map)
        #expect(imported.policy.text.contains("  uplink: { interface: eno1, protects: host }"))
        #expect(imported.policy.text.contains("  lan: { interface: vmbr0, protects: host }"))
        #expect(imported.policy.text.contains("  shop: { interface: tap100i0, protects: workload"))
        #expect(imported.rules.contains { $0.contains("at: shop,") })
        #expect(imported.rules.contains { $0.contains("198.51.100.255") })
        #expect(imported.errors == [])
    }

    // MARK: A guest's rules

    @Test(arguments: [
        ("IN SSH(ACCEPT)", "name: web-ssh, service: ssh, at: [web, web-net1], direction: in, action: accept }"),
        ("IN ssh(DROP) -i net1", "name: web-drop-ssh, service: ssh, at: web-net1, direction: in, action: drop }"),
        ("OUT REJECT -p udp", "name: web-reject-out-udp-any, service: \"udp/*\", at: [web, web-net1], direction: out,"),
        ("|IN ACCEPT -p tcp -dport 9", "action: accept, enabled: false }"),
        ("IN ACCEPT -p tcp -dport 9 # \"x\": y", "name: web-x-y, service: tcp/9,"),
        ("IN ACCEPT -p tcp -dport 9 # \"x\": y", "comment: \"\\\"x\\\": y\" }"),
        ("IN ACCEPT -p tcp -dport 9 -log warning", "action: accept, log: true }"),
        ("IN DROP -p tcp -dport 9 -log nolog", "action: drop, log: false }"),
        ("IN ACCEPT -p tcp -dport 80,443,9000:9010", "service: \"tcp/80,443,9000-9010\","),
        (
            "IN ACCEPT -p tcp -dport https -sport 1024:65535",
            "service: { protocol: tcp, ports: 443, sourcePorts: 1024-65535 }"
        ),
        ("IN ACCEPT -p gre", "service: gre,"), ("IN ACCEPT -p 47", "service: gre,"),
        ("IN ACCEPT -p ipip", "service: proto/94,"), ("IN ACCEPT -p icmp", "service: \"icmp/*\","),
        ("IN ACCEPT -p icmp -dport echo-request", "service: icmp/echo-request,"),
        ("IN ACCEPT -p icmp -icmp-type host-unreachable", "service: icmp/3/1,"),
        ("IN ACCEPT -p icmpv6 -icmp-type packet-too-big", "service: icmpv6/2,"),
        ("IN Ping(ACCEPT)", "service: ping,"), ("IN DNS(ACCEPT)", "service: dns,"),
        ("IN DHCPv6(ACCEPT)", "from: \"::/0\", service: { protocol: udp, ports: 546-547, sourcePorts: 546-547 }"),
        ("IN ACCEPT -source +admins", "from: admins,"), ("IN ACCEPT -source +dc/admins", "from: admins,"),
        ("IN ACCEPT -source Office", "from: office,"), ("IN ACCEPT -source dc/office", "from: office,"),
        ("IN ACCEPT -source 192.0.2.1,192.0.2.8/29", "from: [192.0.2.1, 192.0.2.8/29],"),
        ("IN ACCEPT -source 192.0.2.1-192.0.2.9", "from: 192.0.2.1-192.0.2.9,"),
        ("OUT ACCEPT -dest 2001:db8::/64 -p tcp", "to: \"2001:db8::/64\", service: \"tcp/*\","),
    ])
    func aLineBecomesARule(line: String, words: String) throws {
        let (rules, imported) = try Self.guest(line)
        #expect(rules.count == 1 && rules[0].contains(words), "\(rules)")
        #expect(imported.policy.isComplete, "\(imported.notes)")
    }

    /// An accept is left out, a drop drops more, and both are named at their place.
    @Test(arguments: [
        ("-source +unknown", "the set +unknown is not known"), ("-source unknown", "the alias unknown is not known"),
        ("-source +ADMINS", "the set +ADMINS is not known"), ("-p tcp -dport nosuchname", "the ports nosuchname"),
        ("-p tcp -dport 0", "the ports 0"), ("-p tcp -dport 9:8", "the ports 9:8"),
        ("-p tcp -dport \((1...16).map(String.init).joined(separator: ","))", "the ports 1,2"),
        ("-p icmp -dport 8,0", "the message 8,0"), ("-p dccp -dport 9", "ports of the protocol dccp"),
        ("-p ip", "the protocol ip"), ("-owner 5", "-owner 5"), ("-p  tcp", "-p  tcp"),
        ("-source 192.0.2.999", "192.0.2.999 is not an address"),
    ])
    func conditionsThatCannotBeSaid(condition: String, words: String) throws {
        let (accepts, one) = try Self.guest("IN ACCEPT \(condition)")
        #expect(accepts.isEmpty)
        #expect(one.notes.contains { $0.hasPrefix("100.fw:5: left out: IN ACCEPT \(condition): cannot say: \(words)") })
        #expect(one.policy.text.contains("  # 100.fw:5: left out: IN ACCEPT"))
        let (drops, other) = try Self.guest("IN DROP \(condition)")
        #expect(drops.count == 1 && !drops[0].contains("from:") && !drops[0].contains("ports"), "\(drops)")
        #expect(other.notes.contains { $0.contains(words) && $0.hasSuffix("it drops more than it did") })
    }

    /// What pve-firewall itself does not apply is not written.
    @Test(arguments: [
        "-dport 22", "-source 192.0.2.1,2001:db8::1", "-p gre -dport 9", "-icmp-type echo-request",
    ])
    func rulesWithFaultsAreNotApplied(condition: String) throws {
        for action in ["ACCEPT", "DROP"] {
            let (rules, imported) = try Self.guest("IN \(action) \(condition)")
            #expect(rules.isEmpty)
            #expect(imported.notes.contains { $0.contains("pve-firewall does not apply it either") })
        }
        #expect(try Self.guest("IN ACCEPT -source 192.0.2.1 -dest 2001:db8::1").0.isEmpty)
        #expect(try Self.guest("IN ACCEPT -source 192.0.2.1 -p icmpv6").0.isEmpty)
        #expect(try Self.guest("IN ACCEPT -source +nobody").0.isEmpty)
        #expect(try Self.guest("IN ACCEPT -source 192.0.2.5/24").0.isEmpty)
        #expect(try Self.guest("IN DROP -source 192.0.2.5/24").0.first?.contains("from: 192.0.2.0/24,") == true)
    }

    @Test(arguments: ["IN accept", "FROM ACCEPT", "IN", "nonsense", "IN Foo(accept)"])
    func whatIsNoRuleIsNamed(line: String) throws {
        let (rules, imported) = try Self.guest(line)
        #expect(rules.isEmpty)
        #expect(imported.notes.contains { $0.hasPrefix("100.fw:5: left out: \(line): it is not a rule") })
    }

    @Test func unknownMacrosAcceptNothingAndDropAll() throws {
        #expect(try Self.guest("IN NoSuch(ACCEPT)").0.isEmpty)
        let (drops, imported) = try Self.guest("IN NoSuch(DROP)")
        #expect(drops == ["- { name: web-drop-any, at: [web, web-net1], direction: in, action: drop }"])
        #expect(imported.notes.contains { $0.contains("the macro NoSuch is not known; it drops more than it did") })
        #expect(try Self.guest("IN SSH(ACCEPT) -p tcp -dport 9").0.isEmpty)
    }

    @Test func securityGroupsStandWhereTheyAreNamed() throws {
        let (rules, imported) = try Self.guest("IN DROP -p sctp\nGROUP webserver -i net0 # public\n|GROUP webserver")
        #expect(imported.policy.text.contains("  # GROUP webserver -i net0 # public\n"))
        try #require(rules.count == 7, "\(rules)")
        #expect(rules[1] == "- { name: web-webserver-https, service: https, at: web, direction: in, action: accept }")
        #expect(rules[2].contains("service: \"tcp/80,8000-8010\",") && rules[2].contains("log: true"))
        #expect(rules[3].contains("name: web-webserver-drop-out-any, to: office,") && rules[3].contains("at: web,"))
        #expect(rules[4...].allSatisfy { $0.contains("enabled: false") && $0.contains("at: [web, web-net1]") })
        #expect(try Self.guest("GROUP unknown").1.notes.contains { $0.contains("no such security group") })
        #expect(throws: ImportError.self) {
            try Imported(.proxmox, ["100.fw": "[OPTIONS]\nenable: 1\n[RULES]\nGROUP web\n", "100.conf": Self.web])
        }
    }

    @Test func setsAreGroupsWithExceptions() throws {
        let (_, imported) = try Self.guest(
            "IN ACCEPT -source +own\nIN ACCEPT -source +admins\nIN ACCEPT -source +nested",
            options: "[IPSET own]\n192.0.2.7\noffice\n[IPSET nested]\n10.0.0.0/8\n!10.1.0.0/16\n10.1.1.0/24\n")
        for line in [
            "  vm-100-own: { addresses: [192.0.2.7, 203.0.113.0/28] }",
            "  admins: { addresses: [203.0.113.16/28, \"2001:db8:9::/48\"], except: 203.0.113.20 }",
            // Of two entries the longer prefix decides.
            "  vm-100-nested: { addresses: [10.0.0.0/16, 10.1.1.0/24, 10.2.0.0-10.255.255.255] }",
        ] {
            #expect(imported.policy.text.contains(line), "\(imported.policy.text)")
        }
        #expect(imported.policy.isComplete, "\(imported.notes)")
    }

    @Test func membersThatAreNotKnownNarrowAcceptsAndWidenDrops() throws {
        let sets = "[IPSET odd]\n192.0.2.7\nnowhere\n[IPSET less]\n192.0.2.0/24\n! nowhere\n"
        let (rules, imported) = try Self.guest(
            "IN ACCEPT -source +odd\nIN DROP -source +odd\nIN ACCEPT -source +less\nIN DROP -source +less",
            options: sets)
        try #require(rules.count == 3, "\(rules)")
        #expect(rules[0].contains("from: vm-100-odd,"))
        #expect(!rules[1].contains("from:"))
        #expect(rules[2].contains("from: vm-100-less,") && rules[2].contains("action: drop"))
        #expect(!imported.policy.isComplete)
    }

    @Test func leasesPassWhereTheGuestIsShut() throws {
        #expect(!(try Self.node()).policy.text.contains("name: dhcp"))
        let shut = try Self.node(options: "policy_out: DROP")
        #expect(
            shut.rules.contains(
                "- { name: dhcp, from: 0.0.0.0/0, service: { protocol: udp, ports: 67, sourcePorts: 68 }, "
                    + "at: [web, web-net1], direction: out, action: accept }"), "\(shut.rules)")
        #expect(!(try Self.node(options: "policy_out: DROP\ndhcp: 0")).policy.text.contains("name: dhcp"))
    }
}
