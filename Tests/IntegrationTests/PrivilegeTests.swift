// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

extension Integration {
    /// Which capabilities suffice for which command, as docs/operations.md says, and what is said without them.
    @Suite(.serialized) struct PrivilegeTests {
        /// Commands, in an order in which each can be run, and the capabilities that suffice for them.
        static let table: [(command: String, capabilities: [String])] = [
            ("check POLICY", []),
            ("apply POLICY", ["bpf", "net_admin", "perfmon"]),
            ("apply OTHER", ["bpf", "net_admin", "perfmon"]),
            ("status", ["net_admin"]),
            ("counters", []),
            ("show", []),
            ("flows", ["bpf", "net_admin", "perfmon"]),
            ("explain 192.0.2.1 192.0.2.2 tcp/80", ["bpf", "net_admin", "perfmon"]),
            ("explain 192.0.2.1 192.0.2.2 tcp/80 --policy OTHER", ["bpf", "net_admin", "perfmon"]),
            ("group add listed 203.0.113.9", []),
            ("group list listed", []),
            ("group delete listed 203.0.113.9", []),
            ("group add listed 203.0.113.7", []),
            ("group flush listed", ["bpf"]),
            ("group add listed 203.0.113.8", []),
            ("quarantine uplink", []),
            ("release uplink", []),
            ("detach uplink", ["net_admin"]),
            ("apply POLICY", ["bpf", "net_admin", "perfmon"]),
            ("detach --all", ["net_admin"]),
        ]

        private let site: UplinkSite
        private let policies: [String: String]

        init() throws {
            site = try UplinkSite()
            var policies: [String: String] = [:]
            for (name, port) in [("POLICY", 80), ("OTHER", 81)] {
                policies[name] = try site.policy(
                    """
                      - { name: listed, from: listed, action: drop }
                      - { name: web, to: host, service: tcp/\(port), action: accept }
                      - { name: some, service: udp/9, action: accept, limit: { rate: 5/s, per: source } }
                    groups: { listed: { dynamic: {} } }
                    """, name: "\(name).yaml")
            }
            self.policies = policies
        }

        private func words(_ command: String) -> [String] {
            command.split(separator: " ").map { policies[String($0)] ?? String($0) }
        }

        /// root with these capabilities alone: it owns the pins, and is held by their modes.
        private func run(_ command: String, _ capabilities: [String]) throws -> CommandResult {
            try Shell.run(
                site.host.command(
                    Self.limits(capabilities) + ["sh", "-c", "umask 0777; exec \"$@\"", "sh"]
                        + [Bulkhead.executable] + words(command) + ["--instance", site.bulkhead.instance]))
        }

        /// Runs a command with these capabilities alone, and where no thread may have another priority. Swift's worker
        /// threads try to set theirs, and say that they could not where they are told to log.
        private static func limits(_ capabilities: [String]) -> [String] {
            let set = (["-all"] + capabilities.map { "+\($0)" }).joined(separator: ",")
            return ["env", "LIBDISPATCH_LOG=stderr", "prlimit", "--nice=0", "setpriv", "--bounding-set=\(set)"]
        }

        /// Whether the kernel has all that libbpf would otherwise look for among the types of modules.
        private static let needsSystemAdministration: Bool = {
            let release = (try? String(contentsOfFile: "/proc/sys/kernel/osrelease", encoding: .utf8)) ?? ""
            return release.hasPrefix("6.1.")
        }()

        @Test func theDocumentedCapabilitiesSuffice() throws {
            for (command, capabilities) in Self.table {
                let isLoading = capabilities.contains("perfmon") && Self.needsSystemAdministration
                let result = try run(command, capabilities + (isLoading ? ["sys_admin"] : []))
                #expect(result.status == 0, "\(command) with \(capabilities): \(result.errors)")
                // Also nothing of a thread's priority.
                #expect(result.errors.isEmpty, "\(command): \(result.errors)")
            }
        }

        /// What is said is the capability that is missing, and nothing of the verifier.
        @Test(arguments: ["bpf", "net_admin", "perfmon"]) func aMissingCapabilityIsNamed(missing: String) throws {
            #expect(try site.bulkhead.run("apply", policies["POLICY"] ?? "").status == 0)
            for (command, capabilities) in Self.table where capabilities.contains(missing) {
                let result = try run(command, capabilities.filter { $0 != missing })
                #expect(result.status == 1, "\(command): \(result.output)")
                #expect(
                    result.errors.contains("lacks CAP_\(missing.uppercased())"), "\(command): \(result.errors)")
                #expect(!result.errors.contains("verifier"), "\(command): \(result.errors)")
                #expect(result.errors.contains("as root"), "\(command): \(result.errors)")
            }
            #expect(try site.bulkhead.status().generation == 1, "nothing was changed")
        }

        @Test func theStreamNeedsToMakeItsRing() throws {
            #expect(try site.bulkhead.run("apply", policies["POLICY"] ?? "").status == 0)
            let refused = try run("drops --count 1", [])
            #expect(refused.status == 1)
            #expect(refused.errors.contains("lacks CAP_BPF"), "\(refused.errors)")
            let stream = try Command(
                site.host.command(
                    Self.limits(["bpf"]) + [
                        Bulkhead.executable, "drops", "--json", "--instance", site.bulkhead.instance,
                    ]))
            let raw = try PacketSocket(site.network, "net0")
            #expect(
                try poll(seconds: 5) {
                    try raw.send(site.probe(to: 1000))
                    return stream.output.contains("1000")
                }, "\(stream.errors)")
            let ended = try stream.interrupt()
            #expect(ended.status == 0)
            #expect(ended.errors.isEmpty, "\(ended.errors)")
        }

        /// Another user may not look, which is not to say that there is nothing to see.
        @Test(arguments: [[], ["bpf", "net_admin", "perfmon"]])
        func anotherUserIsToldThatHeMayNotLook(capabilities: [String]) throws {
            #expect(try site.bulkhead.run("apply", policies["POLICY"] ?? "").status == 0)
            let folder = URL(filePath: policies["POLICY"] ?? "").deletingLastPathComponent().path
            try Shell.check("cp", Bulkhead.executable, "\(folder)/bulkhead")
            try Shell.check("chmod", "-R", "a+rX", folder)
            let set = (["-all"] + capabilities.map { "+\($0)" }).joined(separator: ",")
            for command in [
                "status", "counters", "show", "drops", "flows", "group list", "quarantine uplink", "detach --all",
            ] {
                let result = try Shell.run(
                    site.host.command(
                        [
                            "setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--inh-caps=\(set)",
                            "--ambient-caps=\(set)", "\(folder)/bulkhead",
                        ] + words(command) + ["--instance", site.bulkhead.instance]))
                #expect(result.status == 1, "\(command): \(result.output)")
                #expect(result.errors.contains("as root"), "\(command): \(result.errors)")
                #expect(!result.errors.contains("no policy is in force"), "\(command): \(result.errors)")
                #expect(
                    result.errors.contains("may not look") || result.errors.contains("lacks CAP_"),
                    "\(command): \(result.errors)")
            }
        }
    }
}
