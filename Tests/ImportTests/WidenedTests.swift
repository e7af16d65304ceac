// SPDX-License-Identifier: Apache-2.0
import Import
import Testing

/// Rule files that could be read as accepting more than they do.
@Suite struct WidenedTests {
    /// Rules in no layer make up the layer "rules", which a chain's layer must not be.
    @Test(arguments: ["RULES", "rules", "Rules"]) func aChainCalledRules(chain: String) throws {
        let imported = try Imported(
            .iptablesSave,
            [
                "a.v4": savedTable(
                    [
                        "-A INPUT -j \(chain)", "-A INPUT -p tcp -m tcp --dport 3306 -j DROP",
                        "-A \(chain) -s 10.0.0.0/8 -j RETURN", "-A \(chain) -p tcp -m tcp --dport 22 -j DROP",
                    ], chains: [chain], policy: "ACCEPT")
            ])
        #expect(imported.errors == [])
        #expect(imported.policy.text.contains("name: rules-2"))
        let layers = try #require(imported.loaded.ruleset).layers
        #expect(layers == ["rules-2", "rules"])
    }

    /// An option that is not known may put other addresses into a set than its elements say.
    @Test(arguments: ["netmask 24", "bitmask 255.255.255.0", "wildcard"]) func aSetWithOptions(option: String) throws {
        let set = "create bad hash:ip family inet hashsize 1024 maxelem 65536 \(option)\nadd bad 192.0.2.0\n"
        let rules = ["-A INPUT -m set --match-set bad src -j DROP", "-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT"]
        let imported = try Imported(.iptablesSave, ["a.v4": savedTable(rules), "sets": set])
        #expect(!imported.policy.isComplete)
        // Whom the set has is not known, so nobody gets through.
        #expect(!imported.rules.contains { $0.contains("action: accept") && $0.contains("direction: in") })
        let plain = try Imported(
            .iptablesSave,
            ["a.v4": savedTable(rules), "sets": set.replacing(" " + option, with: " counters comment")])
        #expect(plain.policy.isComplete)
        #expect(plain.rules.contains { $0.contains("from: bad") && $0.contains("action: drop") }, "\(plain.rules)")
    }

    /// What must be a list and is none is left out, and said.
    @Test(arguments: [
        "ingress: [ { from: { podSelector: { matchLabels: { a: b } } } } ]",
        "ingress: [ { ports: { port: 80 } } ]",
        "ingress: [ { from: [ { ipBlock: { cidr: 192.0.2.0/24, except: 192.0.2.128/25 } } ] } ]",
        "ingress: [ { from: [ { podSelector: { matchExpressions: [ { operator: Exists } ] } } ] } ]",
    ]) func aListThatIsNone(rule: String) throws {
        let imported = try Imported(
            .networkPolicy,
            [
                "policy.yaml": """
                apiVersion: networking.k8s.io/v1
                kind: NetworkPolicy
                metadata: { name: p, namespace: x }
                spec:
                  podSelector: {}
                  \(rule)
                ---
                apiVersion: v1
                kind: Pod
                metadata: { name: a, namespace: x }
                status: { podIP: 192.0.2.1 }
                """
            ])
        #expect(!imported.policy.isComplete)
        #expect(imported.rules.filter { !$0.contains("-node") } == [], "\(imported.rules)")
    }

    /// A direction that may be meant is closed.
    @Test func aDirectionThatIsNoList() throws {
        let imported = try Imported(
            .networkPolicy,
            [
                "policy.yaml": """
                apiVersion: networking.k8s.io/v1
                kind: NetworkPolicy
                metadata: { name: p, namespace: x }
                spec: { podSelector: {}, policyTypes: Ingress }
                ---
                apiVersion: v1
                kind: Pod
                metadata: { name: a, namespace: x }
                status: { podIP: 192.0.2.1 }
                """
            ])
        #expect(!imported.policy.isComplete)
        #expect(imported.policy.text.contains("defaults: { in: drop, out: drop }"), "\(imported.policy.text)")
    }

    /// Who is in a set that rules fill or empty is not known: those that were saved are not all, or no more.
    @Test func aSetThatRulesChange() throws {
        let set = "create seen hash:ip family inet hashsize 1024 maxelem 65536\nadd seen 192.0.2.1\n"
        let fill = "-A INPUT -p tcp -m tcp --dport 23 -j SET --add-set seen src"
        let web = "-A INPUT -p tcp -m tcp --dport 80 -j ACCEPT"
        func imported(_ rules: String...) throws -> Imported {
            try Imported(.iptablesSave, ["a.v4": savedTable(rules), "sets": set])
        }
        let banned = try imported("-A INPUT -m set --match-set seen src -j DROP", fill, web)
        #expect(!banned.policy.isComplete)
        #expect(!banned.rules.contains { $0.contains("direction: in, action: accept") }, "\(banned.rules)")
        let strangers = try imported("-A INPUT -m set ! --match-set seen src -j ACCEPT", fill)
        #expect(!strangers.rules.contains { $0.contains("direction: in, action: accept") }, "\(strangers.rules)")
        // Who was in it may have left.
        let trusted = "-A INPUT -m set --match-set seen src -j ACCEPT"
        let stays = try imported(trusted, fill)
        #expect(stays.rules.contains { $0.contains("from: seen") && $0.contains("accept") }, "\(stays.rules)")
        let leaves = try imported(trusted, fill.replacing("--add-set", with: "--del-set"))
        #expect(!leaves.rules.contains { $0.contains("direction: in, action: accept") }, "\(leaves.rules)")
    }

    /// What is added to a list of sets goes to its sets, and what is taken from it goes from them.
    @Test func aListThatRulesChange() throws {
        let sets = """
            create seen hash:ip family inet hashsize 1024 maxelem 65536
            add seen 192.0.2.1
            create all list:set size 8
            add all seen

            """
        let web = "-A INPUT -p tcp -m tcp --dport 80 -j ACCEPT"
        let fill = "-A INPUT -p tcp -m tcp --dport 23 -j SET --add-set all src"
        let banned = try Imported(
            .iptablesSave,
            ["a.v4": savedTable(["-A INPUT -m set --match-set seen src -j DROP", fill, web]), "sets": sets])
        #expect(!banned.rules.contains { $0.contains("direction: in, action: accept") }, "\(banned.rules)")
        let leaves = try Imported(
            .iptablesSave,
            [
                "a.v4": savedTable([
                    "-A INPUT -m set --match-set seen src -j ACCEPT", fill.replacing("--add-set", with: "--del-set"),
                ]), "sets": sets,
            ])
        #expect(!leaves.rules.contains { $0.contains("direction: in, action: accept") }, "\(leaves.rules)")
    }

    /// Whoever is in a set for a time only is not let in for good.
    @Test(arguments: [
        "create ok hash:ip family inet timeout 300\nadd ok 192.0.2.1\n",
        "create one hash:ip family inet\nadd one 192.0.2.1\ncreate ok list:set size 8 timeout 300\nadd ok one\n",
        "create one hash:ip family inet\nadd one 192.0.2.1\ncreate ok list:set size 8\nadd ok one timeout 100\n",
    ]) func aMemberThatGoes(sets: String) throws {
        let rules = ["-A INPUT -m set --match-set ok src -j ACCEPT"]
        let imported = try Imported(.iptablesSave, ["a.v4": savedTable(rules), "sets": sets])
        #expect(!imported.policy.isComplete)
        #expect(!imported.rules.contains { $0.contains("direction: in, action: accept") }, "\(imported.rules)")
    }

    /// A remark that names a program does not say of which family the rules are.
    @Test(arguments: ["# keep like the rules.v4 of iptables-save", "# see iptables-extensions(8)"])
    func aRemarkThatNamesTheProgram(remark: String) throws {
        let v6 = savedTable(["-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT"])
            .replacing("iptables-save", with: "ip6tables-save")
        let raw = "# Generated by ip6tables-save v1.8.9\n*raw\n:PREROUTING ACCEPT [0:0]\nCOMMIT\n\(remark)\n"
        let bare = v6.split(separator: "\n").filter { !$0.hasPrefix("#") }.joined(separator: "\n") + "\n"
        let v4 = savedTable(["-A INPUT -p udp -m udp --dport 53 -j ACCEPT"])
        let imported = try Imported(.iptablesSave, ["rules.v4": v4, "rules.v6": raw + bare])
        #expect(imported.rules.contains { $0.contains("from: ipv6, service: ssh") }, "\(imported.rules)")
    }

    /// What both programs print may stand in one file; each part is of its family.
    @Test func bothFamiliesInOneFile() throws {
        let v4 = savedTable(["-A INPUT -p udp -m udp --dport 53 -j ACCEPT"])
        let v6 = savedTable(["-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT"])
            .replacing("iptables-save", with: "ip6tables-save")
        let one = try Imported(.iptablesSave, ["all": v4 + v6])
        let two = try Imported(.iptablesSave, ["a.v4": v4, "b.v6": v6])
        #expect(one.rules == two.rules)
        #expect(one.rules.contains { $0.contains("from: ipv6, service: ssh") }, "\(one.rules)")
    }

    /// Of a table that stands twice the first is gone once the second is restored.
    @Test func aTableThatStandsTwice() {
        let text = savedTable(["-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT"]) + savedTable([])
        #expect(throws: ImportError.self) { try Imported(.iptablesSave, ["a.v4": text]) }
    }

    /// The rules themselves say of which family they are, rather than a number in the file's name.
    @Test func aFileNamedByItsYear() throws {
        let text = savedTable(["-A INPUT -s 192.0.2.1/32 -p tcp -m tcp --dport 22 -j ACCEPT"])
            .replacing("# Generated by iptables-save v1.8.9\n", with: "")
        let imported = try Imported(.iptablesSave, ["2016.rules": text])
        #expect(imported.policy.isComplete && imported.rules.contains { $0.contains("192.0.2.1") })
    }

    /// What a chain does that is not in the file is not known: it may drop.
    @Test(arguments: ["jump", "goto"]) func aChainThatIsNotThere(word: String) throws {
        let text = """
            { "nftables": [
              { "table": { "family": "inet", "name": "t" } },
              { "chain": { "family": "inet", "table": "t", "name": "in", "type": "filter", "hook": "input",
                           "prio": 0, "policy": "accept" } },
              { "rule": { "family": "inet", "table": "t", "chain": "in", "expr": [
                { "match": { "op": "==", "right": 22,
                             "left": { "payload": { "protocol": "tcp", "field": "dport" } } } },
                { "\(word)": { "target": "blocked" } } ] } }
            ] }
            """
        let imported = try Imported(.nftJSON, ["a.json": text])
        #expect(imported.notes.contains { $0.contains("the chain blocked, which is not here") }, "\(imported.notes)")
        #expect(imported.rules.contains { $0.contains("service: ssh") && $0.contains("action: drop") })
    }

    /// Devices of a set whose type is said by what its elements are the values of.
    @Test func devicesOfASetOfValues() throws {
        let text = """
            { "nftables": [
              { "table": { "family": "inet", "name": "t" } },
              { "set": { "family": "inet", "table": "t", "name": "shut",
                         "type": { "typeof": { "meta": { "key": "iifname" } } }, "elem": [ "eth7" ] } },
              { "chain": { "family": "inet", "table": "t", "name": "in", "type": "filter", "hook": "input",
                           "prio": 0, "policy": "accept" } },
              { "rule": { "family": "inet", "table": "t", "chain": "in", "expr": [
                { "match": { "op": "==", "left": { "meta": { "key": "iifname" } }, "right": "@shut" } },
                { "drop": null } ] } }
            ] }
            """
        let imported = try Imported(.nftJSON, ["a.json": text], devices: ["eth0", "eth7"])
        #expect(imported.rules.contains { $0.contains("at: eth7") && $0.contains("action: drop") }, "\(imported.rules)")
    }

    /// A rule that takes what is established, and what NAT has changed, takes the first whatever NAT does.
    @Test func statesThatNATSets() throws {
        let web = "-A INPUT -p tcp -m tcp --dport 80 -j ACCEPT"
        func imported(_ rule: String) throws -> Imported {
            let output = savedTable([rule, web]).replacing(":OUTPUT ACCEPT", with: ":OUTPUT DROP").replacing(
                "COMMIT", with: "-A OUTPUT -m conntrack --ctstate RELATED,ESTABLISHED,DNAT -j ACCEPT\nCOMMIT")
            return try Imported(.iptablesSave, ["a.v4": output])
        }
        let usual = try imported("-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED,DNAT -j ACCEPT")
        #expect(
            usual.rules.contains("- { name: http, service: http, direction: in, action: accept }"), "\(usual.rules)")
        #expect(usual.notes.contains { $0.contains("cannot say: --ctstate DNAT") }, "\(usual.notes)")
        // A drop of them may drop anything, and what is not of these states cannot be told.
        let shut = try imported("-A INPUT -m conntrack --ctstate INVALID,DNAT -j DROP")
        #expect(!shut.rules.contains { $0.contains("http") && $0.contains("accept") }, "\(shut.rules)")
        let other = try imported("-A INPUT -m conntrack ! --ctstate ESTABLISHED,DNAT -j ACCEPT")
        #expect(other.notes.contains { $0.contains("cannot say: ! --ctstate ESTABLISHED,DNAT") }, "\(other.notes)")
    }

    /// Where a drop is widened to everything, nothing is left of what is accepted behind it, and that is said.
    @Test func nothingIsLeftBehindADropOfEverything() throws {
        let rules = [
            "-A INPUT -m rpfilter --invert -j DROP", "-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT",
            "-A INPUT -p udp -m udp --dport 53 -j ACCEPT",
        ]
        let imported = try Imported(.iptablesSave, ["a.v4": savedTable(rules)])
        #expect(
            imported.notes.contains { $0.contains("rpfilter") && $0.contains("nothing is left of the 2 behind it") },
            "\(imported.notes)")
        let plain = try Imported(.iptablesSave, ["a.v4": savedTable(["-A INPUT -j DROP"] + rules.dropFirst())])
        #expect(plain.notes == [])
    }
}
