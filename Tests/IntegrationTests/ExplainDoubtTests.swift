// SPDX-License-Identifier: Apache-2.0
import TestSupport
import Testing

extension Integration {
    /// Whoever rules a container may say of it what is not true, or too much. `explain` takes neither for the whole
    /// truth.
    @Suite(.serialized) struct ExplainDoubtTests {
        private let site: UplinkSite
        private let container: Namespace

        init() throws {
            site = try UplinkSite()
            container = try site.lab.namespace("box")
            try site.lab.veth((container, "eth0"), (site.host, "box0"))
            try site.lab.address(container, "eth0", "198.51.100.10/24")
            try site.lab.address(site.host, "box0", "198.51.100.1/24")
            try container.run("ip", "route", "add", "default", "via", "198.51.100.1")
            try site.host.run("ip", "route", "add", "default", "via", "192.0.2.1")
        }

        private func apply(_ rules: String = "") throws {
            let policy = try site.lab.file(
                "policy.yaml",
                """
                version: 1
                ports:
                  uplink: { interface: up0, protects: host }
                  box: { interface: box0, protects: workload }
                  inside: { interface: eth0, netns: \(container.name), protects: host }
                defaults: { in: accept, out: accept }
                rules: [\(rules)]
                """)
            try site.bulkhead.apply(policy)
        }

        /// Somebody far away has the address too, and his packets come in where the route back leads.
        @Test func anAddressThatAContainerTakesIsAlsoItsOwners() throws {
            try apply("{ name: no-box, at: [box], direction: out, action: drop }")
            try site.lab.address(site.network, "lo", "203.0.113.9/32")
            let alone = try site.bulkhead.json(Explained.self, "explain", "203.0.113.9", "192.0.2.2", "udp/9")
            #expect(alone.verdict == "accept" && alone.words == ["in at uplink"], "\(alone)")
            try site.lab.address(container, "lo", "203.0.113.9/32")
            let both = try site.bulkhead.json(Explained.self, "explain", "203.0.113.9", "192.0.2.2", "udp/9")
            #expect(both.verdict == "unknown", "\(both)")
            let ways = try #require(both.ways, "\(both)")
            #expect(ways.contains { $0.words == ["in at uplink"] && $0.verdict == "accept" }, "\(ways)")
            let claimed = try #require(ways.first { $0.words == ["out at inside", "out at box"] }, "\(ways)")
            #expect(claimed.verdict == "drop")
            #expect(claimed.assumed.first?.contains("network namespace \(container.name): root there") == true)
        }

        /// The address that the container has by right is certain, because the host's routes lead there.
        @Test func theOwnAddressOfAContainerIsCertain() throws {
            try apply()
            let said = try site.bulkhead.json(Explained.self, "explain", "198.51.100.10", "192.0.2.2", "udp/9")
            #expect(said.verdict == "accept" && said.words == ["out at inside", "out at box"], "\(said)")
            #expect(said.assumed == [])
        }

        @Test func aTableThatIsTooLongIsSaidToBeCut() throws {
            try apply()
            let lines = (0..<270_000).map { number in
                "neigh add 2001:db8:\(String(number >> 16, radix: 16)):1::\(String(number & 0xffff, radix: 16)) "
                    + "lladdr 02:00:00:00:00:01 dev lo nud permanent"
            }
            try Shell.check(
                "ip", "-6", "-netns", container.name, "-batch", "-", input: lines.joined(separator: "\n"))
            let said = try site.bulkhead.json(Explained.self, "explain", "198.51.100.10", "192.0.2.2", "udp/9")
            #expect(said.verdict == "unknown", "\(said)")
            #expect(said.assumed?.contains { $0.hasPrefix("there are more neighbours in \(container.name)") } == true)
            // What does not lead through the container is as certain as before.
            let other = try site.bulkhead.json(Explained.self, "explain", "192.0.2.1", "192.0.2.2", "udp/9")
            #expect(other.verdict == "accept", "\(other)")
        }

        /// Where not all was read, nothing is said to be all.
        @Test func liveSaysWhatItDidNotSee() throws {
            try apply()
            let rules = (0..<66_000).map { "add rule ip other through ip saddr 198.18.\($0 >> 8 & 255).\($0 & 255)\n" }
            try container.run(
                "nft", "-f", "-",
                input: "add table ip other\nadd chain ip other through\n" + rules.joined())
            let words = ["explain", "198.51.100.10", "192.0.2.2", "udp/9", "--live"]
            let said = try site.bulkhead.json(Explained.self, words[0], words[1], words[2], words[3], words[4])
            #expect(said.live?.map(\.words) == [])
            #expect(said.unseen?.map(\.netns) == [container.name], "\(said)")
            #expect(said.unseen?.first?.why.contains("more than 65536 rules of nftables") == true, "\(said)")
            let text = try Shell.run(site.bulkhead.command(words)).output
            #expect(!text.contains("nothing else"), "\(text)")
            #expect(text.contains("what could not be looked at, and may drop it too:"), "\(text)")
        }
    }
}
