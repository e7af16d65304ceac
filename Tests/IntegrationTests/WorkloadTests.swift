// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

extension Integration {
    /// Guests by name: the agent's inventory, from a file, and what packets meet.
    @Suite(.serialized) struct WorkloadTests {
        private static func line(
            _ name: String, _ device: String, _ mac: String, _ address: String, labels: String = "{}",
            uuid: String? = nil
        ) -> String {
            let id = uuid.map { "\"uuid\": \"\($0)\", " } ?? ""
            return "{\"add\": {\"name\": \"\(name)\", \(id)\"labels\": \(labels), \"interfaces\": [{\"device\": "
                + "\"\(device)\", \"mac\": \"\(mac)\", \"addresses\": [\"\(address)\"]}]}}\n"
        }

        private static let guest = (mac: "52:54:00:00:00:01", address: "198.51.100.10")
        private static let other = (mac: "52:54:00:00:00:02", address: "198.51.100.11")

        private static func guest(_ name: String, labels: String = "{}", uuid: String? = nil) -> String {
            line(name, "vm-a", "\(GuestSite.macs.guest)", guest.address, labels: labels, uuid: uuid)
        }

        private static func other(_ name: String, mac: String = "\(GuestSite.macs.other)") -> String {
            line(name, "vm-b", mac, other.address)
        }

        /// A site whose guests' policy is by name, with an agent that reads a file of them.
        private final class Site: WorkloadSite {
            let file: String

            init(_ lines: String...) throws {
                let site = try GuestSite()
                try site.addressGuests()
                file = try site.lab.file("workloads.jsonl", lines.joined())
                try super.init(site, web: #"["web-*", { tier: web }]"#, sources: "file:\(file)")
            }

            /// Replaces the file as editors do.
            func write(_ lines: String...) throws {
                try Data(lines.joined().utf8).write(to: URL(filePath: file), options: .atomic)
            }
        }

        @Test func guestsAreNamedRetaggedRenamedAndLeave() throws {
            let site = try Site(Self.guest("web-1", uuid: "u1"), Self.other("db-1"))
            #expect(try site.becomes("web/vm-a", "db/vm-b"), "\(site.agent.errors)")
            #expect(site.pings(site.site.guest))
            #expect(!site.pings(site.site.other))
            // A rename keeps the policy.
            try site.write(Self.guest("app", uuid: "u1"), Self.other("db-1"))
            #expect(try site.becomes("web/vm-a"))
            #expect(site.pings(site.site.guest))
            // A guest that left is nobody's, and one that arrives has its policy.
            try site.write(Self.other("db-1"))
            #expect(try site.becomes("rest/vm-a"), "\(site.agent.errors)")
            #expect(!site.pings(site.site.guest))
            try site.write(Self.guest("web-1"), Self.other("db-1"))
            #expect(try site.becomes("web/vm-a"))
            #expect(site.pings(site.site.guest))
            // Every command knows what the agent knows, also when it is dead.
            site.agent.signal(SIGKILL)
            _ = try site.agent.wait(seconds: 20)
            let policy = try site.site.lab.file("shown.yaml", try site.site.bulkhead.run("show").output)
            try site.site.bulkhead.apply(policy)
            #expect(try site.becomes("web/vm-a", "db/vm-b"))
        }

        @Test func aRetagIsInForceWithinASecond() throws {
            let site = try Site(Self.guest("a"), Self.other("b"))
            #expect(try site.becomes("rest/vm-a"), "\(site.agent.errors)")
            for tag in ["web", "none", "web"] {
                let isInForce = try site.isInForceWithinASecond {
                    try site.write(Self.guest("a", labels: "{\"tier\": \"\(tag)\"}"), Self.other("b"))
                }
                #expect(isInForce, "\(site.agent.errors)")
                #expect(site.pings(site.site.guest) == (tag == "web"))
            }
        }

        @Test func theSameMACAtTwoGuestsIsRefusedAndTold() throws {
            let site = try Site(Self.guest("web-1"))
            #expect(try site.becomes("web/vm-a"), "\(site.agent.errors)")
            try site.write(Self.guest("web-1"), Self.other("web-2", mac: Self.guest.mac))
            #expect(
                poll(seconds: 20) { site.agent.errors.contains("workload 'web-2' is not admitted at vm-b") },
                "\(site.agent.errors)")
            #expect(try site.becomes("web/vm-a", "web/vm-b"))
            #expect(site.pings(site.site.guest))
            #expect(!site.pings(site.site.other))
            let reasons = try site.site.bulkhead.counters().ports.filter { $0.name == "web/vm-b" }.map(\.reasons)
            #expect(reasons.contains { ($0["not-admitted"] ?? 0) > 0 }, "\(reasons)")
            #expect(reasons.allSatisfy { Set($0.keys).isSubset(of: ["not-admitted"]) }, "\(reasons)")
            let why = "its MAC address \(Self.guest.mac) is that of workload \"web-1\", which was there before"
            #expect(
                try site.site.bulkhead.status().notAdmitted
                    == [.init(port: "web/vm-b", interface: "vm-b", workload: "web-2", why: why)])
            let words = try site.site.bulkhead.run("status", "--check")
            #expect(words.status == 3)
            #expect(
                words.output.contains(
                    "web/vm-b: workload 'web-2' is not admitted, and all packets are dropped: \(why)\n"))
            let explained = try site.site.bulkhead.run(
                "explain", Self.other.address, "198.51.100.1", "ping", "--at", "web/vm-b", "--direction", "out",
                "--json")
            #expect(explained.output.contains("\"reason\": \"not-admitted\""), "\(explained.output)")
            // What is refused is admitted when there is room for it.
            try site.write(Self.other("web-2", mac: Self.guest.mac))
            #expect(poll(seconds: 20) { (try? site.site.bulkhead.status().notAdmitted) == [] })
            #expect(try site.site.bulkhead.run("status", "--check").status == 0)
        }

        @Test func aFaultyFileChangesNothing() throws {
            let site = try Site(Self.guest("web-1"))
            #expect(try site.becomes("web/vm-a"), "\(site.agent.errors)")
            try site.write(Self.guest("web-1"), "{\"add\": {}}\n")
            #expect(poll(seconds: 20) { site.agent.errors.contains("line 2: \"name\" is missing") })
            #expect(try site.becomes("web/vm-a"))
            #expect(site.pings(site.site.guest))
        }
    }
}
