// SPDX-License-Identifier: Apache-2.0
import Network
import TestSupport
import Testing

extension Integration {
    /// Imported NetworkPolicies on live devices, against the truth tables that the conformance tests of Kubernetes
    /// have: a packet for every pair of nine pods, in both IP versions.
    @Suite(.serialized) struct NetworkPolicyTests {
        /// Policies of the namespace `x`, and what they let pass.
        struct Table: Sendable, CustomTestStringConvertible {
            var name: String
            var policies: [String]
            var passes: @Sendable (PodProbe) -> Bool

            var testDescription: String { name }

            init(_ name: String, _ policies: String..., passes: @escaping @Sendable (PodProbe) -> Bool) {
                self.name = name
                self.policies = policies
                self.passes = passes
            }
        }

        private static let podA = "podSelector: { matchLabels: { pod: a } }"
        private static let podB = "podSelector: { matchLabels: { pod: b } }"
        private static let spaceY = "namespaceSelector: { matchLabels: { kubernetes.io/metadata.name: y } }"
        private static let notX =
            "namespaceSelector: "
            + "{ matchExpressions: [ { key: kubernetes.io/metadata.name, operator: NotIn, values: [x] } ] }"
        private static let podsBC =
            "podSelector: { matchExpressions: [ { key: pod, operator: In, values: [b, c] } ] }"

        /// What reaches `x/a` from those that are meant; everything else is open.
        private static func toA(_ probe: PodProbe, _ isMeant: (String) -> Bool) -> Bool {
            probe.to != "x/a" || isMeant(probe.from)
        }

        private static func ingress(_ rules: String) -> String { "{ \(podA), ingress: [ \(rules) ] }" }

        private static func port(_ port: Int) -> String {
            "{ from: [ { \(spaceY) } ], ports: [ { port: \(port), protocol: TCP } ] }"
        }

        private static let whom: [Table] = [
            Table("deny all ingress", "{ podSelector: {}, policyTypes: [Ingress] }") { !$0.to.hasPrefix("x/") },
            Table("deny all", "{ podSelector: {}, policyTypes: [Ingress, Egress] }") {
                !$0.to.hasPrefix("x/") && !$0.from.hasPrefix("x/")
            },
            Table("from one pod", ingress("{ from: [ { \(podB) } ] }")) { toA($0) { $0 == "x/b" } },
            Table(
                "ingress for a target", "{ podSelector: {}, policyTypes: [Ingress] }",
                ingress("{ from: [ { podSelector: {}, namespaceSelector: {} } ] }")
            ) { !$0.to.hasPrefix("x/") || $0.to == "x/a" },
            Table("from all namespaces", ingress("{ from: [ { namespaceSelector: {} } ] }")) { _ in true },
            Table("from a namespace", ingress("{ from: [ { \(spaceY) } ] }")) { toA($0) { $0.hasPrefix("y/") } },
            Table("by either selector", ingress("{ from: [ { \(notX) }, { \(podB) } ] }")) {
                toA($0) { !$0.hasPrefix("x/") || $0 == "x/b" }
            },
            Table("by both selectors", ingress("{ from: [ { \(notX), \(podB) } ] }")) {
                toA($0) { $0 == "y/b" || $0 == "z/b" }
            },
            Table("several pods elsewhere", ingress("{ from: [ { \(notX), \(podsBC) } ] }")) {
                toA($0) { !$0.hasPrefix("x/") && !$0.hasSuffix("a") }
            },
            Table("allow all", "{ podSelector: {}, ingress: [ {} ] }") { _ in true },
        ]

        private static let what: [Table] = [
            Table("one port", ingress(port(81))) { probe in
                toA(probe) { $0.hasPrefix("y/") && probe.port == 81 && probe.kind == .tcp }
            },
            Table("stacked policies", ingress(port(81)), ingress(port(80))) { probe in
                toA(probe) { $0.hasPrefix("y/") && probe.kind == .tcp }
            },
            Table("a named port", "{ podSelector: {}, ingress: [ { ports: [ { port: serve-81-tcp } ] } ] }") {
                !$0.to.hasPrefix("x/") || $0.port == 81 && $0.kind == .tcp
            },
            Table(
                "a named port of anybody",
                "{ podSelector: {}, egress: [ { ports: [ { port: serve-80-tcp } ] } ], "
                    + "policyTypes: [Egress] }"
            ) {
                !$0.from.hasPrefix("x/") || $0.port == 80 && $0.kind == .tcp
            },
            Table("SCTP alone", ingress("{ ports: [ { port: 80, protocol: SCTP } ] }")) { probe in
                toA(probe) { _ in probe.port == 80 && probe.kind == .sctp }
            },
            Table("a range of ports", ingress("{ ports: [ { port: 81, endPort: 90 } ] }")) { probe in
                toA(probe) { _ in probe.port == 81 && probe.kind == .tcp }
            },
        ]

        private static let whereTo: [Table] = [
            Table(
                "egress to a pod elsewhere",
                "{ \(podA), egress: [ { to: [ { \(spaceY), \(podB) } ] } ], "
                    + "policyTypes: [Egress] }"
            ) {
                $0.from != "x/a" || $0.to == "y/b"
            },
            Table(
                "ingress and egress each by itself", "{ \(podA), egress: [ { to: [ { \(podB) } ] } ] }",
                "{ \(podB), policyTypes: [Ingress] }"
            ) { $0.to != "x/a" && $0.to != "x/b" && $0.from != "x/a" },
            Table(
                "blocks of addresses",
                "{ \(podA), policyTypes: [Egress], egress: [ { to: [ { ipBlock: "
                    + "{ cidr: 198.51.100.0/28, except: [198.51.100.2/32] } }, "
                    + "{ ipBlock: { cidr: \"2001:db8:1::/124\", except: [\"2001:db8:1::2/128\"] } } ] } ] }"
            ) { $0.from != "x/a" || $0.to != "x/b" },
        ]

        /// The tables one after the other on the same pods: each takes the place of the one before.
        @Test func passesWhatTheTablesSay() throws {
            let site = try PodSite()
            defer { withExtendedLifetime(site) {} }
            var first: UInt16 = 20_000
            for table in Self.whom + Self.what + Self.whereTo {
                let policy = try site.apply(table.policies)
                for family in AddressFamily.allCases {
                    let probes =
                        PodProbe.all(80, .tcp, family) + PodProbe.all(81, .tcp, family)
                        + PodProbe.all(80, .udp, family) + PodProbe.all(80, .sctp, family)
                    let arrived = try site.arriving(probes, from: first)
                    let expected = Set(probes.indices.filter { table.passes(probes[$0]) })
                    let (more, less) = (arrived.subtracting(expected), expected.subtracting(arrived))
                    #expect(more.map { "\(probes[$0])" } == [], "\(table.name): passes\n\(policy)")
                    #expect(less.map { "\(probes[$0])" } == [], "\(table.name): does not pass\n\(policy)")
                    first += UInt16(probes.count)
                }
            }
        }

        /// The node reaches its own pods whatever the policies say, and they reach it.
        @Test(arguments: AddressFamily.allCases) func theNodeReachesItsPods(family: AddressFamily) throws {
            let site = try PodSite()
            defer { withExtendedLifetime(site) {} }
            _ = try site.apply(["{ podSelector: {}, policyTypes: [Ingress, Egress] }"])
            let pod = try #require(site.spaces["x/a"])
            let address = PodSite.address("x/a", family)
            let server = try IPSocket.bound(pod, .udp, address, 80)
            let client = try IPSocket.connected(site.node, .udp, address, 80)
            try client.send([1])
            #expect(try server.count(quiet: 300) == 1)
            let own: IPAddress = family == .v4 ? "198.51.100.250" : "2001:db8:1::250"
            let listener = try IPSocket.bound(site.node, .udp, own, 81)
            try IPSocket.connected(pod, .udp, own, 81).send([1])
            #expect(try listener.count(quiet: 300) == 1)
            // The pod beside it is shut.
            let other = try #require(site.spaces["x/b"])
            try IPSocket.connected(other, .udp, address, 80).send([1])
            #expect(try server.count(quiet: 300) == 0)
        }
    }
}
