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
}
