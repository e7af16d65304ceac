// SPDX-License-Identifier: Apache-2.0
import Foundation
import Network
import TestSupport
import Testing

extension Integration {
    /// Failures are reported with their cause, and the policy in force stays untouched.
    @Suite(.serialized) struct FailureTests {
        private static let web = "  - { name: web, service: tcp/80, action: accept }"

        /// Runs a command that must be refused, and compares what is in force before and after.
        private static func refuse(
            _ site: UplinkSite, saying word: String, sourceLocation: SourceLocation = #_sourceLocation,
            _ run: (_ policy: String) throws -> CommandResult
        ) throws {
            let policy = try site.policy(web)
            try site.bulkhead.apply(policy)
            let before = try site.bulkhead.status().generation
            let result = try run(policy)
            #expect(result.status == 1, "\(result.output)\(result.errors)", sourceLocation: sourceLocation)
            #expect(result.errors.contains(word), "\(result.errors)", sourceLocation: sourceLocation)
            #expect(try site.bulkhead.status().generation == before, sourceLocation: sourceLocation)
            let servers = try [80, 81].map { try IPSocket.bound(site.host, .tcp, UplinkSite.v6.host, $0) }
            defer { withExtendedLifetime(servers) {} }
            #expect(site.network.connects(to: UplinkSite.v6.host, 80), sourceLocation: sourceLocation)
            #expect(!site.network.connects(to: UplinkSite.v6.host, 81), sourceLocation: sourceLocation)
        }

        @Test func withoutRoot() throws {
            let site = try UplinkSite()
            try Self.refuse(site, saying: "root") { policy in
                // Executable and policy may be unreadable for others where the tests are built.
                let folder = URL(filePath: policy).deletingLastPathComponent().path
                try Shell.check("cp", Bulkhead.executable, "\(folder)/bulkhead")
                try Shell.check("chmod", "-R", "a+rX", folder)
                return try Shell.run(
                    site.host.command([
                        "setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "\(folder)/bulkhead",
                        "apply",
                        policy, "--instance", site.bulkhead.instance,
                    ]))
            }
        }

        @Test func withoutABPFFileSystem() throws {
            let site = try UplinkSite()
            try Self.refuse(site, saying: "/sys/fs/bpf") { policy in
                let command = site.bulkhead.command(["apply", policy]).joined(separator: " ")
                return try Shell.run(["unshare", "--mount", "sh", "-c", "umount -l /sys/fs/bpf && exec \(command)"])
            }
        }

        @Test func aDeviceThatVanishesDuringAnApply() throws {
            let site = try BridgeSite()
            let policy = try site.lab.file(
                "policy.yaml",
                """
                version: 1
                ports:
                  b: { interface: vm-b, protects: workload, vlans: any }
                  guests: { interface: "gone*", protects: workload }
                defaults: { in: drop, out: accept }
                """)
            let others = try site.lab.namespace("others")
            for _ in 0..<6 {
                for index in 0..<3 { try site.lab.veth((others, "x\(index)"), (site.host, "gone\(index)")) }
                let command = try site.bulkhead.start("apply", policy)
                usleep(UInt32.random(in: 0...600_000))
                for index in 0..<3 { try site.host.run("ip", "link", "delete", "gone\(index)") }
                let result = try command.wait()
                #expect(result.status == 0 || result.status == 1)
                #expect(result.status == 0 || result.errors.contains("gone"), "\(result.errors)")
                // What it left does not hinder the next apply.
                try site.bulkhead.apply(policy)
                #expect(try site.bulkhead.status().port("b").state == "enforcing")
            }
            let server = try IPSocket.bound(site.b, .tcp, "2001:db8:1::2", 80)
            defer { withExtendedLifetime(server) {} }
            #expect(!site.a.connects(to: "2001:db8:1::2", 80))
            // The programs of devices that are gone are gone too.
            try site.bulkhead.apply(policy)
            let links = try FileManager.default.contentsOfDirectory(
                atPath: "/sys/fs/bpf/\(site.bulkhead.instance)/links")
            #expect(links.count == 2, "\(links)")
        }

        @Test(arguments: [
            ("a bomb", "bomb.yaml"), ("a directory as feed", "feed.yaml"), ("a rule of nothing known", "unknown.yaml"),
        ])
        func aPolicyThatIsWrong(description: String, name: String) throws {
            // Each alias stands for nine of the previous one.
            let bomb = (1..<9).reduce(into: "version: 1\na0: &a0 [x, x, x, x, x, x, x, x, x]\n") { text, level in
                let parts = [String](repeating: "*a\(level - 1)", count: 9).joined(separator: ", ")
                text += "a\(level): &a\(level) [\(parts)]\n"
            }
            let texts = [
                "bomb.yaml": bomb,
                "feed.yaml":
                    "version: 1\nports: { uplink: { interface: up0, protects: host } }\n"
                    + "groups: { bad: { files: [/tmp] } }\n" + "rules: [{ name: bad, from: bad, action: drop }]\n",
                "unknown.yaml": "version: 1\nports: { uplink: { interface: up0, protects: host } }\n"
                    + "rules: [{ name: bad, from: nobody, action: drop }]\n",
            ]
            let site = try UplinkSite()
            try Self.refuse(site, saying: name) { _ in
                try site.bulkhead.run("apply", try site.lab.file(name, try #require(texts[name])))
            }
        }

        /// A hundred megabytes are refused or accepted within seconds.
        @Test func aPolicyOfAHundredMegabytes() throws {
            let site = try UplinkSite()
            try Self.refuse(site, saying: "huge.yaml") { policy in
                let huge = URL(filePath: policy).deletingLastPathComponent().appending(path: "huge.yaml").path
                try Shell.check(
                    "sh", "-c", "cat \(policy) > \(huge) && head -c 104857600 /dev/zero | tr '\\0' '#' >> \(huge)")
                return try site.bulkhead.run("apply", huge)
            }
        }

        /// Standard output to a full disk.
        @Test func aFullDisk() throws {
            let site = try UplinkSite()
            try site.bulkhead.apply(try site.policy(Self.web))
            for words in [["status", "--json"], ["counters"], ["show"]] {
                let command = site.bulkhead.command(words).joined(separator: " ")
                let result = try Shell.run(["sh", "-c", "\(command) > /dev/full"])
                #expect(result.status == 1, "\(words)")
                #expect(!result.errors.isEmpty, "\(words)")
            }
            let raw = try PacketSocket(site.network, "net0")
            let full = try site.bulkhead.start("drops", "--pcap", "/dev/full")
            #expect(
                try poll(seconds: 5) {
                    try raw.send(site.probe(to: 1000))
                    usleep(20_000)
                    return !full.isRunning
                })
            let result = try full.wait()
            #expect(result.status == 1)
            #expect(result.errors.contains("/dev/full"), "\(result.errors)")
        }
    }
}
