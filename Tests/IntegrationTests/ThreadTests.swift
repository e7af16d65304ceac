// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

extension Integration {
    /// If the kernel gives a command no second thread, it does without or says so, and never waits for one.
    @Suite(.serialized) struct ThreadTests {
        /// Each stack is to have a terabyte, so that a thread finds no memory for it. (Limits on the number of
        /// processes do not bind root.)
        private static let threadless = ["sh", "-c", "ulimit -s 1000000000; exec \"$@\"", "sh", "timeout", "20"]

        private static func run(_ site: UplinkSite, _ words: String...) throws -> CommandResult {
            try Shell.run(threadless + site.bulkhead.command(words))
        }

        @Test func everyCommandEnds() throws {
            let site = try UplinkSite()
            let policy = try site.policy(
                """
                  - { name: web, service: tcp/80, action: accept }
                  - { name: listed, from: listed, action: drop }
                groups: { listed: { dynamic: {} } }
                """)
            for words in [
                ["check", policy], ["apply", policy, "--dry-run"], ["apply", policy], ["status"], ["counters"],
                ["flows"], ["show"], ["explain", "192.0.2.1", "192.0.2.2", "tcp/80"],
                ["explain", "192.0.2.1", "192.0.2.2", "tcp/80", "--policy", policy],
                ["group", "add", "listed", "203.0.113.9"], ["group", "list", "listed"], ["quarantine", "uplink"],
                ["release", "uplink"],
            ] {
                let result = try Shell.run(Self.threadless + site.bulkhead.command(words))
                #expect(result.status == 0, "\(words): \(result.status) \(result.errors)")
            }
            // The stream needs a thread, so that its reader may be slow.
            let drops = try Self.run(site, "drops", "--count", "1")
            #expect(drops.status == 1, "\(drops.status)")
            #expect(drops.errors.contains("cannot start a thread"), "\(drops.errors)")
            #expect(drops.errors.contains("ulimit"), "\(drops.errors)")
            // It has released what it had begun: there is room for all four readers.
            let streams = try (0..<4).map { _ in try site.bulkhead.drops() }
            for stream in streams { #expect(try stream.interrupt().status == 0) }
            #expect(try Self.run(site, "detach", "uplink").status == 0)
            #expect(try Self.run(site, "detach", "--all").status == 0)
        }

        /// A user who may have one process.
        @Test func checkEndsWithinALimitOfProcesses() throws {
            let site = try UplinkSite()
            let policy = try site.policy("  - { name: web, service: tcp/80, action: accept }")
            let folder = URL(filePath: policy).deletingLastPathComponent().path
            try Shell.check("cp", Bulkhead.executable, "\(folder)/bulkhead")
            try Shell.check("chmod", "-R", "a+rX", folder)
            let words = ["setpriv", "--reuid", "64111", "--regid", "64111", "--clear-groups", "\(folder)/bulkhead"]
            let result = try Shell.run(
                ["bash", "-c", "ulimit -u 1; exec \"$@\"", "sh", "timeout", "20"]
                    + site.host.command(words + ["check", policy]))
            #expect(result.status == 0, "\(result.status): \(result.errors)")
            #expect(result.output.contains("valid, 1 rule"), "\(result.output)")
        }
    }
}
