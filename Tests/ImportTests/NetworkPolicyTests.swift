// SPDX-License-Identifier: Apache-2.0
import Import
import Network
import Policy
import Reference
import Testing
import Wire

/// NetworkPolicies against truth tables: which of nine pods in three namespaces reaches which, as the documentation and
/// the conformance tests of Kubernetes have it. What the imported policy says is asked of the reference model.
@Suite struct NetworkPolicyTests {
    /// Nine pods: `x/a` to `z/c`. Each serves TCP, UDP and SCTP at 80 and 81, by names such as `serve-80-tcp`.
    struct Cluster {
        let policy: ImportedPolicy
        private let evaluator: ReferenceEvaluator
        private let entries: [String: Int]

        static let pods = ["x", "y", "z"].flatMap { space in ["a", "b", "c"].map { "\(space)/\($0)" } }
        static let node: IPAddress = "198.51.100.250"

        static func address(_ pod: String) -> IPAddress {
            guard let number = pods.firstIndex(of: pod) else { return IPAddress(pod) ?? node }
            return IPAddress(v4: 0xc633_6401 + UInt32(number))
        }

        private static func manifest(_ pod: String, labels: [String: String]) -> String {
            let (space, name) = (pod.prefix(1), pod.suffix(1))
            let more = labels.map { ", \($0.key): \($0.value)" }.joined()
            let ports = [80, 81].flatMap { number in
                ["TCP", "UDP", "SCTP"].map {
                    "{ containerPort: \(number), name: serve-\(number)-\($0.lowercased()), protocol: \($0) }"
                }
            }
            return """
                apiVersion: v1
                kind: Pod
                metadata: { name: \(name), namespace: \(space), labels: { pod: \(name)\(more) } }
                spec: { containers: [ { name: c, ports: [ \(ports.joined(separator: ", ")) ] } ] }
                status: { podIP: \(address(pod)) }
                ---

                """
        }

        /// - Parameter policies: Documents of policies; what they leave out of a manifest is added.
        init(_ policies: [String], labels: [String: [String: String]] = [:]) throws {
            let spaces = ["x", "y", "z"].map { space in
                let more = (labels[space] ?? [:]).map { ", \($0.key): \($0.value)" }.joined()
                return
                    "apiVersion: v1\nkind: Namespace\n"
                    + "metadata: { name: \(space), labels: { ns: \(space)\(more) } }\n---\n"
            }
            let pods = Self.pods.map { Self.manifest($0, labels: labels[$0] ?? [:]) }
            let documents = policies.enumerated().map { number, text in
                let name = "metadata: { name: p\(number), namespace: x }"
                return "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n\(name)\nspec:\n\(text)\n---\n"
            }
            let map = Self.pods.map { pod in
                let device = "v" + pod.replacing("/", with: "")
                return "\(pod): { port: \"\(pod.replacing("/", with: "."))\", interface: \(device) }\n"
            }
            let imported = try Imported(
                .networkPolicy, ["a.yaml": (spaces + pods + documents).joined()], ports: map.joined(),
                devices: Self.pods.map { "v" + $0.replacing("/", with: "") })
            try #require(imported.errors == [], "\(imported.policy.text)")
            policy = imported.policy
            let ruleset = try #require(imported.loaded.ruleset)
            evaluator = ReferenceEvaluator(ruleset)
            entries = Dictionary(uniqueKeysWithValues: ruleset.entries.enumerated().map { ($1.name, $0) })
        }

        /// Whether a packet passes the port of the pod that sends it, and that of the pod that receives it. An end may
        /// be an address of nobody.
        func reaches(_ from: String, _ to: String, _ port: UInt16 = 80, _ number: UInt8 = 6) -> Bool {
            var packet = Packet()
            packet.source = Self.address(from)
            packet.destination = Self.address(to)
            packet.ipProtocol = number
            packet.etherType = 0x0800
            packet.sourcePort = 40000
            packet.destinationPort = port
            packet.hasL4 = true
            packet.hopLimit = 64
            packet.tcpFlags = number == 6 ? 2 : 0
            func passes(_ pod: String, _ direction: Direction) -> Bool {
                guard let entry = entries[pod.replacing("/", with: ".")] else { return true }
                return evaluator.judgeByRules(
                    packet, entry: entry, direction: direction, isMember: { _, _ in false },
                    isOwn: { $0 == Self.node }, holds: { _ in true }
                ).verdict == .accept
            }
            return passes(from, .out) && passes(to, .in)
        }
    }

    /// What may be expected of a pair; a pod reaches itself without the network.
    private static func expect(
        _ cluster: Cluster, _ port: UInt16 = 80, _ number: UInt8 = 6, _ expected: (String, String) -> Bool
    ) {
        for from in Cluster.pods {
            for to in Cluster.pods where from != to {
                #expect(
                    cluster.reaches(from, to, port, number) == expected(from, to),
                    "\(from) > \(to) \(port)\n\(cluster.policy.text)")
            }
        }
    }

    private static func isIn(_ pod: String, _ space: String) -> Bool { pod.hasPrefix(space + "/") }
    private static let namesY = "{ matchLabels: { kubernetes.io/metadata.name: y } }"
    private static let notX =
        "{ matchExpressions: [ { key: kubernetes.io/metadata.name, operator: NotIn, values: [x] } ] }"
    private static let podA = "  podSelector: { matchLabels: { pod: a } }\n"

    // MARK: Who

    @Test func denyAllIngress() throws {
        let cluster = try Cluster(["  podSelector: {}\n  ingress: []"])
        Self.expect(cluster) { _, to in !Self.isIn(to, "x") }
        #expect(cluster.policy.isComplete)
        #expect(cluster.reaches("192.0.2.1", "y/a") && !cluster.reaches("192.0.2.1", "x/a"))
    }

    @Test func denyAllEgress() throws {
        let cluster = try Cluster(["  podSelector: {}\n  policyTypes: [Egress]"])
        Self.expect(cluster) { from, _ in !Self.isIn(from, "x") }
    }

    @Test func denyAllBothWays() throws {
        let cluster = try Cluster(["  podSelector: {}\n  policyTypes: [Ingress, Egress]"])
        Self.expect(cluster) { from, to in !Self.isIn(from, "x") && !Self.isIn(to, "x") }
        // The node reaches its pods, and they reach it.
        #expect(cluster.reaches("198.51.100.250", "x/a") && cluster.reaches("x/a", "198.51.100.250"))
    }

    @Test func allowAll() throws {
        let cluster = try Cluster(["  podSelector: {}\n  ingress: [ {} ]"])
        for port in [80, 81] as [UInt16] { Self.expect(cluster, port) { _, _ in true } }
        #expect(cluster.reaches("x/a", "x/b", 0, 47))
    }

    @Test func ingressFromPodsOfTheNamespace() throws {
        let cluster = try Cluster(["  podSelector: {}\n  ingress: [ { from: [ { podSelector: {} } ] } ]"])
        Self.expect(cluster) { from, to in Self.isIn(from, "x") || !Self.isIn(to, "x") }
    }

    @Test func ingressFromAllNamespaces() throws {
        let cluster = try Cluster([Self.podA + "  ingress: [ { from: [ { namespaceSelector: {} } ] } ]"])
        Self.expect(cluster) { _, _ in true }
        #expect(!cluster.reaches("192.0.2.1", "x/a"))
    }

    @Test(arguments: [namesY, "{ matchExpressions: [ { key: ns, operator: In, values: [y] } ] }"])
    func ingressFromOneNamespace(selector: String) throws {
        let cluster = try Cluster([Self.podA + "  ingress: [ { from: [ { namespaceSelector: \(selector) } ] } ]"])
        Self.expect(cluster) { from, to in to != "x/a" || Self.isIn(from, "y") }
    }

    @Test(arguments: [
        "{ matchLabels: { pod: b } }", "{ matchExpressions: [ { key: pod, operator: In, values: [b] } ] }",
    ])
    func ingressFromOnePod(selector: String) throws {
        let cluster = try Cluster([Self.podA + "  ingress: [ { from: [ { podSelector: \(selector) } ] } ]"])
        Self.expect(cluster) { from, to in to != "x/a" || from == "x/b" }
    }

    @Test func eitherSelector() throws {
        let peers = "{ namespaceSelector: \(Self.notX) }, { podSelector: { matchLabels: { pod: b } } }"
        let cluster = try Cluster([Self.podA + "  ingress: [ { from: [ \(peers) ] } ]"])
        Self.expect(cluster) { from, to in to != "x/a" || !Self.isIn(from, "x") || from == "x/b" }
    }

    @Test func bothSelectors() throws {
        let peer = "{ namespaceSelector: \(Self.notX), podSelector: { matchLabels: { pod: b } } }"
        let cluster = try Cluster([Self.podA + "  ingress: [ { from: [ \(peer) ] } ]"])
        Self.expect(cluster) { from, to in to != "x/a" || from == "y/b" || from == "z/b" }
    }

    @Test func severalPodsOfOtherNamespaces() throws {
        let pods = "{ matchExpressions: [ { key: pod, operator: In, values: [b, c] } ] }"
        let cluster = try Cluster([
            Self.podA + "  ingress: [ { from: [ { namespaceSelector: \(Self.notX), podSelector: \(pods) } ] } ]"
        ])
        Self.expect(cluster) { from, to in to != "x/a" || !Self.isIn(from, "x") && !from.hasSuffix("a") }
    }

    @Test func labelsThatAreThereOrNot() throws {
        let exists = "{ matchExpressions: [ { key: role, operator: Exists } ] }"
        let missing = "{ matchExpressions: [ { key: role, operator: DoesNotExist } ] }"
        let notIn = "{ matchExpressions: [ { key: role, operator: NotIn, values: [web] } ] }"
        for (selector, meant) in [(exists, ["x/b"]), (missing, ["x/a", "x/c"]), (notIn, ["x/a", "x/c"])] {
            let cluster = try Cluster(
                [
                    Self.podA + "  ingress: [ { from: [ { podSelector: \(selector) } ] } ]"
                ],
                labels: ["x/b": ["role": "web"]])
            Self.expect(cluster) { from, to in to != "x/a" || meant.contains(from) }
        }
    }

    @Test func labelsOfNamespaces() throws {
        let text = Self.podA + "  ingress: [ { from: [ { namespaceSelector: { matchLabels: { ns2: updated } } } ] } ]"
        Self.expect(try Cluster([text])) { _, to in to != "x/a" }
        Self.expect(try Cluster([text], labels: ["y": ["ns2": "updated"]])) { from, to in
            to != "x/a" || Self.isIn(from, "y")
        }
    }

    // MARK: What

    @Test func onePort() throws {
        let rule = "{ from: [ { namespaceSelector: \(Self.namesY) } ], ports: [ { port: 81, protocol: TCP } ] }"
        let one = Self.podA + "  ingress: [ \(rule) ]"
        Self.expect(try Cluster([one]), 81) { from, to in to != "x/a" || Self.isIn(from, "y") }
        Self.expect(try Cluster([one]), 80) { _, to in to != "x/a" }
        Self.expect(try Cluster([one]), 81, 17) { _, to in to != "x/a" }
        // A second policy adds to the first.
        let both = try Cluster([one, one.replacing("81", with: "80")])
        for port in [80, 81] as [UInt16] { Self.expect(both, port) { from, to in to != "x/a" || Self.isIn(from, "y") } }
    }

    @Test func namedPorts() throws {
        let cluster = try Cluster(["  podSelector: {}\n  ingress: [ { ports: [ { port: serve-81-tcp } ] } ]"])
        Self.expect(cluster, 81) { _, _ in true }
        Self.expect(cluster, 80) { _, to in !Self.isIn(to, "x") }
        Self.expect(cluster, 81, 17) { _, to in !Self.isIn(to, "x") }
    }

    @Test func namedPortsOfPeers() throws {
        let peers = "to: [ { namespaceSelector: \(Self.namesY) } ]"
        let cluster = try Cluster([
            Self.podA + "  policyTypes: [Egress]\n  egress: [ { \(peers), ports: [ { port: serve-80-tcp } ] } ]"
        ])
        Self.expect(cluster, 80) { from, to in from != "x/a" || Self.isIn(to, "y") }
        Self.expect(cluster, 81) { from, _ in from != "x/a" }
    }

    /// Whom a name of a port means is asked of all pods that are there; of anybody else nobody knows.
    @Test func namedPortsOfAnybodyAreThoseOfPods() throws {
        let cluster = try Cluster([
            Self.podA + "  policyTypes: [Egress]\n  egress: [ { ports: [ { port: serve-80-tcp } ] } ]"
        ])
        Self.expect(cluster, 80) { _, _ in true }
        Self.expect(cluster, 81) { from, _ in from != "x/a" }
        Self.expect(cluster, 80, 17) { from, _ in from != "x/a" }
        #expect(!cluster.reaches("x/a", "192.0.2.1"))
        #expect(cluster.policy.isComplete)
    }

    @Test func aRangeOfPorts() throws {
        let cluster = try Cluster([Self.podA + "  ingress: [ { ports: [ { port: 81, endPort: 90 } ] } ]"])
        for port in [81, 85, 90] as [UInt16] { Self.expect(cluster, port) { _, _ in true } }
        for port in [80, 91] as [UInt16] { Self.expect(cluster, port) { _, to in to != "x/a" } }
    }

    @Test func aProtocolWithoutAPort() throws {
        let cluster = try Cluster([Self.podA + "  ingress: [ { ports: [ { protocol: UDP } ] } ]"])
        Self.expect(cluster, 9, 17) { _, _ in true }
        Self.expect(cluster, 9, 6) { _, to in to != "x/a" }
    }

    @Test func sctp() throws {
        let cluster = try Cluster([Self.podA + "  ingress: [ { ports: [ { port: 80, protocol: SCTP } ] } ]"])
        Self.expect(cluster, 80, 132) { _, _ in true }
        Self.expect(cluster, 80, 6) { _, to in to != "x/a" }
    }

    // MARK: Egress and addresses

    @Test func egressToOnePod() throws {
        let peer = "{ namespaceSelector: \(Self.namesY), podSelector: { matchLabels: { pod: b } } }"
        let cluster = try Cluster([Self.podA + "  policyTypes: [Egress]\n  egress: [ { to: [ \(peer) ] } ]"])
        Self.expect(cluster) { from, to in from != "x/a" || to == "y/b" }
    }

    @Test func bothEndsMustAgree() throws {
        let out =
            Self.podA
            + "  policyTypes: [Egress]\n  egress: [ { to: [ { podSelector: { matchLabels: { pod: b } } } ] } ]"
        let into = "  podSelector: { matchLabels: { pod: b } }\n  ingress: []"
        Self.expect(try Cluster([out, into])) { from, to in to != "x/b" && from != "x/a" }
    }

    /// Policies of one pod add up, whichever says less.
    @Test func whatOnePolicyAllowsNoOtherForbids() throws {
        let allow = Self.podA + "  ingress: [ { from: [ { namespaceSelector: {} } ] } ]"
        let cluster = try Cluster(["  podSelector: {}\n  ingress: []", allow])
        Self.expect(cluster) { _, to in !Self.isIn(to, "x") || to == "x/a" }
    }

    @Test func blocksOfAddresses() throws {
        let block = "{ ipBlock: { cidr: 192.0.2.0/24, except: [192.0.2.64/26] } }"
        let cluster = try Cluster([
            Self.podA + "  policyTypes: [Ingress, Egress]\n  ingress: [ { from: [ \(block) ] } ]\n"
                + "  egress: [ { to: [ { ipBlock: { cidr: 198.51.100.2/32 } } ] } ]"
        ])
        for (end, passes) in [
            ("192.0.2.1", true), ("192.0.2.64", false), ("192.0.2.128", true), ("203.0.113.1", false),
        ] {
            #expect(cluster.reaches(end, "x/a") == passes, "\(end)")
            #expect(!cluster.reaches("x/a", end))
        }
        Self.expect(cluster) { from, to in to != "x/a" && (from != "x/a" || to == "x/b") }
    }

    // MARK: What types mean

    @Test func withoutTypesIngressIsMeantAndEgressIfWritten() throws {
        Self.expect(try Cluster([Self.podA])) { _, to in to != "x/a" }
        let egress = Self.podA + "  egress: [ {} ]"
        Self.expect(try Cluster([egress])) { _, to in to != "x/a" }
        let onlyEgress = Self.podA + "  policyTypes: [Egress]\n  ingress: []\n  egress: [ {} ]"
        Self.expect(try Cluster([onlyEgress])) { _, _ in true }
    }

    /// A list of types that is empty, or nothing, is one that is not written; so is an empty list of rules.
    @Test(arguments: ["[]", "null", "~", ""]) func typesThatAreNoneAreNotWritten(types: String) throws {
        let text = Self.podA + "  policyTypes: \(types)\n"
        Self.expect(try Cluster([text])) { _, to in to != "x/a" }
        Self.expect(try Cluster([text + "  egress: []\n"])) { _, to in to != "x/a" }
        let rule = "  egress: [ { to: [ { podSelector: { matchLabels: { pod: b } } } ] } ]\n"
        Self.expect(try Cluster([text + rule])) { from, to in to != "x/a" && (from != "x/a" || to == "x/b") }
    }

    /// What is closed is not known where a type is not: both directions are.
    @Test(arguments: ["[ingress]", "[Ingress, Both]", "[ [Egress] ]"]) func typesThatAreNotKnownCloseBoth(types: String)
        throws
    {
        let cluster = try Cluster([Self.podA + "  policyTypes: \(types)\n"])
        Self.expect(cluster) { from, to in to != "x/a" && from != "x/a" }
        #expect(!cluster.policy.isComplete)
    }

    /// An empty list of peers, or of ports, is everybody and everything.
    @Test func emptyListsMeanAll() throws {
        Self.expect(try Cluster([Self.podA + "  ingress: [ { from: [], ports: [] } ]"])) { _, _ in true }
    }

    // MARK: What is not known

    @Test(arguments: [
        "{ from: [ {} ] }", "{ form: [ { podSelector: {} } ] }",
        "{ from: [ { podSelector: { matchLabel: { a: b } } } ] }",
        "{ from: [ { podSelector: { matchExpressions: [ { key: pod, operator: Like, values: [b] } ] } } ] }",
        "{ from: [ { ipBlock: { cidr: 192.0.2.0/33 } } ] }", "{ ports: [ { protocol: ICMP } ] }",
        "{ ports: [ { port: 70000 } ] }", "{ from: [ { serviceAccount: a } ] }",
        "{ from: [ { ipBlock: { cidr: 0.0.0.0/0, except: [all] } } ] }",
    ])
    func whatIsNotKnownAcceptsNothingAndIsNamed(rule: String) throws {
        let cluster = try Cluster([Self.podA + "  ingress: [ \(rule) ]"])
        #expect(!cluster.policy.isComplete)
        Self.expect(cluster) { _, to in to != "x/a" }
    }

    @Test func othersPoliciesAreRefused() {
        let text = "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: { name: a }\n"
        #expect(throws: ImportError.self) {
            try ImportedPolicy.of([ImportSource(name: "a", text: text)], format: .networkPolicy)
        }
    }

    @Test func podsWithoutADeviceAreNamed() throws {
        let text = """
            kind: List
            items:
            - { apiVersion: v1, kind: Pod, metadata: { name: "a\\u001b[2J", namespace: x, labels: { pod: a } },
                status: { podIP: 198.51.100.1 } }
            - { apiVersion: v1, kind: Pod, metadata: { name: h, namespace: x }, spec: { hostNetwork: true },
                status: { podIP: 198.51.100.9 } }
            - apiVersion: networking.k8s.io/v1
              kind: NetworkPolicy
              metadata: { name: p, namespace: x }
              spec: { podSelector: {} }
            """
        let policy = try ImportedPolicy.of([ImportSource(name: "a", text: text)], format: .networkPolicy)
        #expect(policy.notes.count == 1 && policy.notes[0].words.contains("its device is not known"))
        #expect(!policy.text.contains("\u{1b}") && !policy.text.contains("198.51.100.9"))
    }
}
