// SPDX-License-Identifier: Apache-2.0
import Import
import Testing

/// What rules of iptables become in the policy's own words.
@Suite struct LanguageTests {
    private static let established = "-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"

    @Test(arguments: [
        ("-p tcp --dport 22 -m mac --mac-source 52:54:00:00:00:09 -j ACCEPT", "fromMac: \"52:54:00:00:00:09\""),
        ("-p udp --dport 9 -m length --length 0:128 -j ACCEPT", "match: { length: 0-128 }"),
        ("-p udp --dport 9 -m length ! --length :128 -j ACCEPT", "match: { length: 129-65535 }"),
        ("-p udp --dport 9 -m dscp --dscp-class EF -j ACCEPT", "match: { dscp: 46 }"),
        ("-p udp --dport 9 -m dscp --dscp 0x0a -j ACCEPT", "match: { dscp: 10 }"),
        ("-p udp --dport 9 -m ttl --ttl-lt 5 -j ACCEPT", "match: { hopLimit: 0-4 }"),
        ("-p udp --dport 9 -m ttl --ttl-gt 254 -j ACCEPT", "match: { hopLimit: 255 }"),
        ("-p udp --dport 9 -m ttl ! --ttl-eq 255 -j ACCEPT", "match: { hopLimit: 0-254 }"),
        ("-p tcp --dport 9 --tcp-flags SYN,ACK,PSH SYN,PSH -j ACCEPT", "match: { tcpFlags: SP/SPA }"),
        ("-p icmp -m limit --limit 100/hour --limit-burst 7 -j ACCEPT", "limit: { rate: 100/h, burst: 7 }"),
        ("-p icmp -m limit --limit 48/day -j ACCEPT", "limit: { rate: 2/h, burst: 5 }"),
        (
            "-p tcp --dport 9 -m conntrack --ctstate NEW -m hashlimit --hashlimit-above 5/min --hashlimit-mode srcip "
                + "--hashlimit-srcmask 24 --hashlimit-name a -j DROP",
            "limit: { rate: 5/m, burst: 5, per: source, prefix: { v4: 24 }, over: true }"
        ),
        (
            "-p udp --dport 9 -m hashlimit --hashlimit-upto 9/s --hashlimit-mode dstip --hashlimit-name a -j ACCEPT",
            "limit: { rate: 9/s, burst: 5, per: destination }"
        ),
        (
            "-p udp --dport 9 -m hashlimit --hashlimit-upto 512kb/s --hashlimit-name a -j ACCEPT",
            "limit: { rate: 524288B/s, burst: 524288B }"
        ),
        ("-p udp --dport 9 -j LOG --log-prefix \"odd one: \"", "action: log, tag: odd-one"),
        ("-m limit --limit 3/min -j LOG", "action: log, limit: { rate: 3/m, burst: 5 }"),
    ])
    func isSaid(rule: String, words: String) throws {
        let imported = try Imported(
            .iptablesSave, ["a.v4": savedTable([Self.established, "-A INPUT \(rule)", Self.last])])
        #expect(imported.errors == [])
        #expect(imported.notes == [])
        #expect(imported.rules.contains { $0.contains(words) }, "\(imported.policy.text)")
    }

    /// So that a drop before it says something.
    private static let last = "-A INPUT -p tcp -m multiport --dports 9,10 -j ACCEPT"

    @Test(arguments: [
        "-p udp --dport 9 -m mac ! --mac-source 52:54:00:00:00:09 -j ACCEPT",
        "-p udp --dport 9 -m ttl ! --ttl-eq 64 -j ACCEPT", "-f -j ACCEPT", "! -f -j ACCEPT",
        "-p icmp -m limit --limit 3/day -j ACCEPT",
        "-p tcp --dport 9 -m hashlimit --hashlimit-upto 5/min --hashlimit-mode srcip,dstport --hashlimit-name a "
            + "-j ACCEPT",
        "-p tcp --dport 9 -m limit --limit 5/min -m conntrack --ctstate NEW -j ACCEPT",
        "-p tcp --dport 9 -m connlimit --connlimit-upto 3 -j ACCEPT",
        "-p tcp --dport 9 ! --tcp-flags SYN,ACK,PSH SYN,PSH -j ACCEPT",
    ])
    func whatCannotBeSaidIsNotAccepted(rule: String) throws {
        let imported = try Imported(.iptablesSave, ["a.v4": savedTable([Self.established, "-A INPUT \(rule)"])])
        #expect(imported.errors == [])
        #expect(imported.notes.count == 1 && imported.notes[0].hasPrefix("a.v4:7: left out: "), "\(imported.notes)")
        #expect(!imported.rules.contains { $0.contains("direction: in, action: accept") }, "\(imported.policy.text)")
    }

    /// A rule set that writes fields asks for what it wrote.
    @Test func fieldsThatTheRuleSetChangesAreNotAsked() throws {
        let mangle = "*mangle\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -j DSCP --set-dscp 0x2e\nCOMMIT\n"
        let rules = [Self.established, "-A INPUT -p udp --dport 9 -m dscp --dscp 46 -j ACCEPT"]
        let imported = try Imported(.iptablesSave, ["a.v4": mangle + savedTable(rules)])
        #expect(!imported.rules.contains { $0.contains("dscp") })
        #expect(!imported.policy.isComplete)
    }

    // MARK: Chains that return

    @Test func aChainThatReturnsIsALayer() throws {
        let rules = [
            Self.established, "-A INPUT -p tcp --syn -j flood", "-A INPUT -p tcp --dport 80 -j ACCEPT",
            "-A flood -m limit --limit 100/s --limit-burst 200 -j RETURN", "-A flood -j DROP",
        ]
        let imported = try Imported(.iptablesSave, ["a.v4": savedTable(rules, chains: ["flood"])])
        #expect(imported.errors == [])
        #expect(imported.notes == [])
        #expect(imported.loaded.ruleset?.layers == ["flood", "rules"])
        #expect(imported.rules.map { $0.contains("action: pass") } == [false, true, false, false])
        #expect(imported.rules[1].contains("limit: { rate: 100/s, burst: 200 }"))
    }

    /// What returns from an outer chain must not go on in that chain behind an inner layer.
    @Test func whatReturnsBeforeAnotherLayerIsTakenAwayInstead() throws {
        let rules = [
            Self.established, "-A INPUT -j outer", "-A INPUT -p udp --dport 1:9 -j ACCEPT",
            "-A outer -s 192.0.2.1 -j RETURN", "-A outer -j inner", "-A outer -p udp -j DROP",
            "-A inner -s 192.0.2.2 -j RETURN", "-A inner -s 192.0.2.0/24 -j DROP",
        ]
        let imported = try Imported(.iptablesSave, ["a.v4": savedTable(rules, chains: ["outer", "inner"])])
        #expect(imported.errors == [])
        let passes = imported.rules.filter { $0.contains("action: pass") }
        #expect(passes.count == 1 && passes[0].contains("192.0.2.2"), "\(imported.policy.text)")
    }

    @Test func whatReturnsWithAConditionThatCannotBeSaidIsNotPassed() throws {
        let rules = [
            Self.established, "-A INPUT -j own", "-A INPUT -p tcp --dport 9 -j ACCEPT",
            "-A own -m mark --mark 1 -j RETURN", "-A own -j DROP",
        ]
        let imported = try Imported(.iptablesSave, ["a.v4": savedTable(rules, chains: ["own"])])
        #expect(!imported.rules.contains { $0.contains("pass") })
        #expect(!imported.policy.isComplete)
    }

    /// A policy has at most 16 conditions that one packet may meet: more are named.
    @Test func moreConditionsThanAPolicyMayHaveAreNamed() throws {
        let rules = (1...40).map { "-A INPUT -p udp -m length --length \($0):100 -j LOG --log-prefix l\($0)" }
        let imported = try Imported(.iptablesSave, ["a.v4": savedTable([Self.established] + rules)])
        #expect(imported.errors == [])
        #expect((1...8).contains(imported.rules.filter { $0.contains("action: log") }.count))
        #expect(imported.notes.filter { $0.contains("too many conditions") }.count >= 24)
    }

    // MARK: Limits that several ways share

    /// A chain that is called twice has one limit; two rules would let through twice as much.
    @Test func aLimitOfAChainThatIsCalledTwiceStandsOnce() throws {
        let rules = [
            Self.established, "-A INPUT -s 192.0.2.0/24 -j slow", "-A INPUT -s 198.51.100.0/24 -j slow",
            "-A slow -p udp --dport 9 -m limit --limit 5/min -j ACCEPT",
        ]
        let imported = try Imported(.iptablesSave, ["a.v4": savedTable(rules, chains: ["slow"])])
        #expect(imported.rules.filter { $0.contains("limit:") }.count == 1, "\(imported.policy.text)")
        #expect(imported.notes.count == 1 && imported.notes[0].contains("one limit"))
    }

    /// INPUT counts nothing that the host forwards. Neither may the rule, or what is forwarded would use the limit up.
    @Test func aLimitCountsWhatIsForTheHost() throws {
        let rules = [
            Self.established, "-A INPUT -p tcp --dport 25 -j ACCEPT",
            "-A INPUT -p udp --dport 9 -m limit --limit 5/min -j ACCEPT",
        ]
        let map = """
            eth0: { port: wan, networks: [198.51.100.0/24, default] }
            eth1: { port: lan, networks: [192.0.2.0/24] }
            """
        let imported = try Imported(.iptablesSave, ["a.v4": savedTable(rules)], ports: map + "\n")
        #expect(imported.errors == [])
        #expect(
            imported.rules.filter { $0.contains("accept") }.map { $0.contains("to: local") } == [false, true],
            "\(imported.policy.text)")
        #expect(!imported.policy.text.contains("would forward"))
        // Without the networks, nothing tells what is for their broadcast addresses from what is forwarded.
        let unknown = try Imported(.iptablesSave, ["a.v4": savedTable(rules)])
        #expect(unknown.rules.allSatisfy { !$0.contains("local") })
        #expect(unknown.policy.text.contains("also count what this host would forward"))
    }

    /// The rules of one family hold the other to them too, but not to their limits.
    @Test(arguments: [("a.v4", "from: ipv4"), ("a.v6", "from: ipv6")])
    func aLimitCountsOneFamily(file: String, words: String) throws {
        let limited = "-A INPUT -p udp --dport 9 -m limit --limit 5/min"
        let rules = [
            Self.established, "\(limited) -j DROP", "\(limited) ! -s \(file == "a.v4" ? "192.0.2.1" : "::1") -j DROP",
            "-A INPUT -p tcp --dport 25 -j ACCEPT",
        ]
        let table = savedTable(rules).replacing("iptables", with: file == "a.v4" ? "iptables" : "ip6tables")
        let imported = try Imported(.iptablesSave, [file: table])
        #expect(imported.errors == [])
        let written = imported.rules.filter { $0.contains("limit:") }
        try #require(written.count == 2, "\(imported.policy.text)")
        #expect(written[0].contains(words), "\(imported.policy.text)")
        #expect(!written[1].contains("except"), "\(imported.policy.text)")
        #expect(imported.rules.filter { $0.contains("ipv") }.count == 1, "\(imported.policy.text)")
    }

    @Test func rulesWithOneTableOfLimitsHaveNone() throws {
        let limit = "-m hashlimit --hashlimit-upto 5/min --hashlimit-mode srcip --hashlimit-name a -j ACCEPT"
        let rules = [Self.established, "-A INPUT -p udp --dport 9 \(limit)", "-A INPUT -p udp --dport 8 \(limit)"]
        let imported = try Imported(.iptablesSave, ["a.v4": savedTable(rules)])
        #expect(!imported.rules.contains { $0.contains("limit:") })
        #expect(imported.notes.count == 2)
    }
}
