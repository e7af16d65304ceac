// SPDX-License-Identifier: Apache-2.0
import Import
import Network
import Policy
import TestSupport
import Testing

/// What pve-firewall says of the host itself and of all ports, and files that nobody wrote in good faith.
@Suite struct ProxmoxHostTests {
    /// The rules with this word in their names.
    private static func rules(_ imported: Imported, _ word: String) -> [String] {
        imported.rules.filter { $0.hasPrefix("- { name: \(word)") }
    }

    // MARK: The host

    @Test func rulesOfTheHostComeBeforeThoseOfTheCluster() throws {
        let imported = try ProxmoxTests.node(
            host: "[RULES]\nIN DROP -p tcp -dport 22 -source 192.0.2.66\nOUT ACCEPT -i vmbr1 -p udp -dport 53\n")
        let rules = Self.rules(imported, "host-")
        try #require(rules.count == 3, "\(imported.policy.text)")
        #expect(rules[0].contains("from: 192.0.2.66, service: ssh, at: [vmbr0, vmbr1], direction: in, action: drop }"))
        #expect(rules[1].contains("service: \"udp/53\"") || rules[1].contains("service: udp/53"))
        #expect(rules[1].contains("at: vmbr1, direction: out, action: accept }"))
        #expect(rules[2].contains("name: host-shell, from: admins, service: ssh, at: [vmbr0, vmbr1], direction: in,"))
        #expect(imported.errors == [])
    }

    @Test func whatPveAcceptsByItselfIsRules() throws {
        let imported = try ProxmoxTests.node()
        #expect(
            Self.rules(imported, "management").first?.contains(
                "from: local_network, service: [ssh, tcp/3128, vnc, tcp/8006, tcp/60000-60050], at: [vmbr0, vmbr1],")
                == true, "\(imported.policy.text)")
        #expect(
            Self.rules(imported, "igmp").first?.contains("service: igmp, at: [vmbr0, vmbr1], action: accept,") == true)
        #expect(imported.policy.isComplete, "\(imported.notes)")
        let set = try ProxmoxTests.node(cluster: "[IPSET management]\n198.51.100.7\n")
        #expect(Self.rules(set, "management").first?.contains("from: management,") == true)
        #expect(set.policy.text.contains("  management: { addresses: [192.0.2.0/24, 198.51.100.7] }"))
    }

    @Test func theNodesOfAClusterKeepTogether() throws {
        let nodes =
            "nodelist {\n node {\n ring0_addr: 192.0.2.1\n ring1_addr: 2001:db8::1\n }\n node {\n"
            + " ring0_addr: 192.0.2.2\n ring1_addr: 2001:db8::2\n }\n}\n"
        let files = ["cluster.fw": ProxmoxTests.cluster.replacing("enable: 1", with: "enable: 1\npolicy_out: DROP")]
        let imported = try Imported(.proxmox, files.merging(["corosync.conf": nodes]) { $1 }, devices: ["vmbr0"])
        #expect(imported.policy.text.contains("  corosync-0: { addresses: [192.0.2.1, 192.0.2.2] }"))
        let rules = Self.rules(imported, "corosync")
        #expect(
            rules.count == 2 && rules.allSatisfy { $0.contains("service: udp/5405-5412, at: vmbr0, action: accept") })
        #expect(Self.rules(imported, "management-out").first?.contains("to: local_network,") == true)
        #expect(imported.errors == [], "\(imported.policy.text)")
        let without = try Imported(.proxmox, files, devices: ["vmbr0"])
        #expect(without.notes.contains { $0.contains("/etc/pve/corosync.conf") })
        #expect(!without.policy.isComplete)
    }

    @Test func theOwnNetworkThatIsNotKnownIsNamed() throws {
        let imported = try Imported(.proxmox, ["cluster.fw": "[OPTIONS]\nenable: 1\n", "corosync.conf": ""])
        #expect(imported.notes.contains { $0.hasPrefix("cluster.fw: left out: who of the node's own network") })
        #expect(Self.rules(imported, "management").isEmpty)
        #expect(imported.policy.text.contains("  vmbr0: { interface: vmbr0, protects: host }"))
    }

    @Test(arguments: ["wg0", "a-name-too-long-for-it", "eth0:1", "../x"])
    func interfacesThatCannotBePorts(name: String) throws {
        let imported = try ProxmoxTests.node(host: "[RULES]\nIN ACCEPT -i \(name)\nIN ACCEPT -i lo\n")
        #expect(imported.notes == ["etc/host.fw:2: left out: IN ACCEPT -i \(name): \(name) cannot be a port"])
        #expect(imported.errors == [])
    }

    @Test(arguments: ["[OPTIONS]\npolicy_forward: DROP\n", "[RULES]\nFORWARD DROP -p tcp\n"])
    func whatIsNotForwardedIsDropped(text: String) throws {
        let imported = try ProxmoxTests.node(cluster: text)
        #expect(
            Self.rules(imported, "forwarded").first?.contains(
                "to: { except: [host, multicast, broadcast] }, at: [vmbr0, vmbr1], direction: in, action: drop") == true
        )
        #expect(imported.errors == [])
        #expect(Self.rules(try ProxmoxTests.node(cluster: "[RULES]\nFORWARD ACCEPT\n"), "forwarded").isEmpty)
    }

    // MARK: All ports

    @Test func filtersStandAheadOfAllRules() throws {
        let imported = try ProxmoxTests.node(
            "IN ACCEPT", host: "[OPTIONS]\ntcpflags: 1\nprotection_synflood: 1\nprotection_synflood_rate: 50\n",
            cluster: "[IPSET blacklist]\n198.51.100.66\n")
        #expect(imported.errors == [], "\(imported.policy.text)")
        let rules = imported.rules
        #expect(rules[0] == "- { name: blacklist, from: blacklist, direction: in, action: drop }")
        #expect(rules[1].contains("from: [224.0.0.0/4, 255.255.255.255, 192.0.2.255], direction: in, action: drop,"))
        #expect(rules[2...6].allSatisfy { $0.contains("match: { tcpFlags: ") && $0.contains("action: drop") })
        #expect(rules[7].contains("limit: { rate: 50/s, burst: 1000, per: source, over: true }"), "\(rules[7])")
        #expect(rules[8].contains("at: [web, web-net1, dns]") && rules[8].contains("direction: out"))
        let quiet = try ProxmoxTests.node(host: "[OPTIONS]\nnosmurfs: 0\n")
        #expect(Self.rules(quiet, "smurfs").isEmpty)
    }

    @Test(arguments: [
        ("host", "nf_conntrack_helpers: ftp", "left out"), ("host", "nf_conntrack_allow_invalid: 1", "left out"),
        ("host", "nf_conntrack_max: 99999", "stays where it is"), ("guest", "ips: 1", "left out"),
        ("guest", "layer2_protocols: ARP,LLDP", "left out"), ("guest", "wonder: 1", "left out"),
        ("guest", "policy_in: MAYBE", "left out"),
    ])
    func optionsThatNoPolicySays(file: String, option: String, words: String) throws {
        let imported =
            try file == "host" ? ProxmoxTests.node(host: "[OPTIONS]\n\(option)\n") : ProxmoxTests.node(options: option)
        #expect(imported.notes.contains { $0.contains(": \(words): \(option): ") }, "\(imported.notes)")
        #expect(imported.errors == [])
    }

    @Test func partsOfVirtualNetworksAreNamed() throws {
        let imported = try Imported(
            .proxmox, ["cluster.fw": ProxmoxTests.cluster, "vnet0.fw": "", "corosync.conf": ""])
        #expect(imported.notes.contains { $0.hasPrefix("vnet0.fw: left out: the rules of a virtual network") })
    }

    // MARK: Files in bad faith

    @Test(arguments: [
        [:], ["100.conf": ""], ["rules.v4": "*filter\n"], ["-": ""], ["a/host.fw": "", "b/host.fw": ""],
        ["a/100.fw": "", "b/100.fw": ""],
    ])
    func filesThatAreNotOfANodeAreRefused(files: [String: String]) {
        #expect(throws: ImportError.self) { try Imported(.proxmox, files) }
    }

    @Test func manyRulesOfManyGuestsAreRefusedInTime() {
        let group = "[group big]\n" + String(repeating: "IN ACCEPT -p tcp -dport 9\n", count: 3000)
        var files = ["cluster.fw": "[OPTIONS]\nenable: 1\n" + group]
        for number in 100..<130 {
            files["\(number).fw"] = "[OPTIONS]\nenable: 1\n[RULES]\nGROUP big\n"
            files["\(number).conf"] = "net0: virtio=BC:24:11:00:01:\(number % 90 + 10),firewall=1\n"
        }
        let sources = files.map { ImportSource(name: $0.key, text: $0.value) }
        #expect { try ImportedPolicy.of(sources, format: .proxmox) } throws: {
            "\($0)".contains("more than 50000 rules")
        }
    }

    private static let tricks = [
        "\u{1b}]0;owned\u{7}", "a\rb", "\u{202e}evil", "\u{2028}", "\\\"", "' : - {",
        "}\\n  - { name: open, action: accept }", "&a *a !!t", "\u{fffd}", "%", "\t", "[", "]", "+", "/", "|", "#",
    ]

    private static func isHarmless(_ text: String) -> Bool {
        text.unicodeScalars.allSatisfy { scalar in
            switch scalar.properties.generalCategory {
            case .control, .format, .lineSeparator, .paragraphSeparator, .privateUse, .surrogate, .unassigned:
                scalar == "\n"
            default: true
            }
        }
    }

    @Test(arguments: tricks) func nothingEscapesIntoThePolicyOrTheTerminal(trick: String) throws {
        let lines = [
            "IN ACCEPT -p tcp -dport 9 # \(trick)", "IN ACCEPT -source \(trick)", "IN DROP -dest +\(trick)",
            "IN \(trick)(ACCEPT)", "GROUP \(trick)", "IN DROP -i \(trick)", trick, "IN DROP -p \(trick)",
        ]
        let imported = try Imported(
            .proxmox,
            [
                "\(trick)/cluster.fw": ProxmoxTests.cluster + "[IPSET \(trick)]\n\(trick)\n[\(trick)]\n",
                "100.fw": "[OPTIONS]\nenable: 1\n\(trick): 1\n[RULES]\n\(lines.joined(separator: "\n"))\n",
                "100.conf":
                    "name: \(trick)\nnet0: virtio=BC:24:11:00:01:00,bridge=\(trick),firewall=1,trunks=\(trick)\n",
                "host.fw": "[RULES]\n\(lines.joined(separator: "\n"))\n",
            ], devices: ["vmbr0", "tap100i0"])
        #expect(Self.isHarmless(imported.policy.text), "\(imported.policy.text)")
        #expect(imported.notes.allSatisfy { Self.isHarmless($0) && !$0.contains("\n") })
        // Devices that are only named so are not there.
        #expect(
            imported.errors.allSatisfy { $0.contains("does not exist") || $0.contains("no such") }, "\(imported.errors)"
        )
        #expect(imported.loaded.ruleset?.rules.contains { $0.name == "open" } != true)
    }

    /// Cut, doubled and changed anywhere, files are refused or imported, and never the end of the process.
    @Test(arguments: 1...6) func mutationsEndInWords(seed: Int) throws {
        var random = RandomNumbers(seed: UInt64(seed))
        let guest =
            "[OPTIONS]\nenable: 1\nipfilter: 1\n[IPSET ipfilter-net0]\n192.0.2.0/24\n!192.0.2.9\n[RULES]\n"
            + "GROUP webserver -i net0\nIN SSH(ACCEPT) -source +admins -log info # a\n|OUT DROP -p icmp -dport any\n"
        for _ in 0..<200 {
            var files = ["cluster.fw": ProxmoxTests.cluster, "100.fw": guest, "100.conf": ProxmoxTests.web]
            for (name, text) in files {
                var bytes = Array(text.utf8)
                for _ in 0..<random.number(1...3) {
                    let place = random.number(0...bytes.count - 1)
                    switch random.number(0...3) {
                    case 0: bytes[place] = UInt8(random.number(0...255))
                    case 1: bytes.remove(at: place)
                    case 2: bytes.insert(bytes[random.number(0...bytes.count - 1)], at: place)
                    default: bytes.removeSubrange(place..<min(bytes.count, place + random.number(0...30)))
                    }
                }
                files[name] = String(decoding: bytes, as: UTF8.self)
            }
            let devices = ["vmbr0", "vmbr1", "tap100i0", "tap100i1"]
            guard let imported = try? Imported(.proxmox, files, devices: devices) else { continue }
            let errors = imported.errors.filter { !$0.contains("does not exist") && !$0.contains("no such") }
            #expect(errors == [], "\(files)\n\(imported.policy.text)")
            #expect(Self.isHarmless(imported.policy.text))
        }
    }
}
