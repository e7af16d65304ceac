// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

extension Integration {
    /// What is in force after the host starts (`apply --boot`), and for devices that come later (`apply --in-force`).
    @Suite(.serialized) struct BootTests {
        private let site: UplinkSite
        /// Stands for /var/lib.
        private let state: String

        init() throws {
            site = try UplinkSite()
            let file = try site.lab.file("marker", "")
            state = URL(filePath: file).deletingLastPathComponent().appending(path: "lib").path
            try FileManager.default.createDirectory(
                atPath: "\(state)/bulkhead", withIntermediateDirectories: true)
        }

        private var kept: String { "\(state)/bulkhead/\(site.bulkhead.instance).policy" }
        private var isKept: Bool { FileManager.default.fileExists(atPath: kept) }

        private func command(_ words: [String]) -> [String] {
            site.host.command(
                ["unshare", "--mount", "sh", "-c", "mount --bind \(state) /var/lib && exec \"$@\"", "sh"]
                    + [Bulkhead.executable] + words + ["--instance", site.bulkhead.instance])
        }

        private func run(_ words: String...) throws -> CommandResult { try Shell.run(command(words)) }

        /// What is in the kernel goes with a reboot; what is on disk stays.
        private func reboot() throws {
            let bytes = try? Data(contentsOf: URL(filePath: kept))
            #expect(try run("detach", "--all").status == 0)
            #expect(!isKept, "detach --all forgets it")
            try bytes?.write(to: URL(filePath: kept))
        }

        private func add(_ device: String) throws {
            try site.host.run("ip", "link", "add", device, "type", "veth", "peer", "name", "\(device)-b")
        }

        private func verdict(_ port: Int) throws -> String {
            let result = try run("explain", "192.0.2.1", "192.0.2.2", "tcp/\(port)")
            return result.output + result.errors
        }

        private static let web = "  - { name: web, to: host, service: tcp/80, action: accept }"

        @Test func aMissingDeviceIsAwaitedAndTaken() throws {
            let policy = try site.lab.file(
                "policy.yaml",
                """
                version: 1
                ports:
                  uplink: { interface: up0, protects: host }
                  late: { interface: late0, protects: host }
                  tail: { interface: "tail*", protects: host }
                """)
            #expect(try run("apply", policy).status == 1, "an apply that no boot waits for refuses it")
            let boot = try run("apply", "--boot", policy)
            #expect(boot.status == 0, "\(boot.errors)")
            #expect(boot.errors.contains("it is filtered as soon as it comes"), "\(boot.errors)")
            #expect(try site.bulkhead.status().ports.map(\.state) == ["enforcing", "missing", "missing"])

            let idle = try run("apply", "--in-force")
            #expect(idle.status == 0 && idle.output.contains("nothing was changed"), "\(idle.output)\(idle.errors)")
            #expect(try site.bulkhead.status().generation == 1)
            try Data("not a policy".utf8).write(to: URL(filePath: policy))
            try add("late0")
            try add("tail0")
            let taken = try run("apply", "--in-force")
            #expect(taken.status == 0, "\(taken.errors)")
            let status = try site.bulkhead.status()
            #expect(status.ports.map(\.state).filter { $0 == "enforcing" }.count == status.ports.count, "\(status)")
            #expect(status.ports.map(\.interface).contains("tail0"))
        }

        /// Two that come at once must not undo each other.
        @Test func devicesThatComeAtOnceAreAllTaken() throws {
            let policy = try site.lab.file(
                "policy.yaml", "version: 1\nports: { all: { interface: \"port*\", protects: host } }\n")
            #expect(try run("apply", "--boot", policy).status == 0)
            let commands = try (0..<4).map { number in
                try add("port\(number)")
                return try Command(command(["apply", "--in-force"]))
            }
            for command in commands {
                let result = try command.wait(seconds: 90)
                #expect(result.status == 0, "\(result.errors)")
            }
            let enforced = try site.bulkhead.status().ports.filter { $0.state == "enforcing" }.map(\.interface)
            // The peers are called so as well.
            #expect(enforced.count == 8, "\(enforced)")
        }

        @Test func aRefusedPolicyLeavesWhatIsInForce() throws {
            let policy = try site.policy(Self.web)
            #expect(try run("apply", policy).status == 0)
            let broken = try site.policy("  - { name: web, acton: accept }", name: "broken.yaml")
            let result = try run("apply", "--boot", broken)
            #expect(result.status == 1)
            #expect(result.errors.contains("broken.yaml:5"), "\(result.errors)")
            #expect(try site.bulkhead.status().generation == 1)
        }

        /// With the files that it was read from, as they were.
        @Test func theLastGoodPolicyStandsIn() throws {
            let rules = try site.lab.file("rules.yaml", "rules:\n\(Self.web)\n")
            let list = try site.lab.file("list.txt", "203.0.113.0/24\n")
            let text = """
                version: 1
                include: [rules.yaml]
                ports: { uplink: { interface: up0, protects: host } }
                groups: { listed: { files: [list.txt] } }
                rules: [ { name: listed, from: listed, action: drop } ]
                """
            let policy = try site.lab.file("policy.yaml", text)
            #expect(try run("apply", policy).status == 0)
            #expect(isKept)
            let mode = try FileManager.default.attributesOfItem(atPath: kept)[.posixPermissions] as? Int
            #expect(mode == 0o600)
            for file in [rules, list] { try FileManager.default.removeItem(atPath: file) }
            try reboot()
            let result = try run("apply", "--boot", policy)
            #expect(result.status == 1)
            #expect(result.errors.contains("policy.yaml is passed over"), "\(result.errors)")
            #expect(result.errors.contains("in force is the policy that was in force last"), "\(result.errors)")
            #expect(try site.bulkhead.json(Counted.self, "counters").rules.map(\.name) == ["web", "listed"])
            // What stood in is no new decision of the operator's.
            #expect(isKept)
        }

        @Test func withNoneKeptEveryDeviceIsClosed() throws {
            // A pattern would be refused for what is not Ethernet.
            try site.host.run("ip", "tuntap", "add", "dev", "tun9", "mode", "tun")
            let result = try run("apply", "--boot", "/nowhere/policy.yaml")
            #expect(result.status == 1)
            #expect(result.errors.contains("in force is a policy that closes every device"), "\(result.errors)")
            #expect(try verdict(80).contains("drop"))
            try add("late0")
            #expect(try run("apply", "--in-force").status == 0)
            let status = try site.bulkhead.status()
            #expect(Set(status.ports.map(\.interface)) == ["up0", "late0", "late0-b"])
            #expect(status.ports.allSatisfy { $0.state == "enforcing" })
            #expect(!isKept)
        }

        /// A host that fell back on it would be open.
        @Test func aPolicyThatFiltersNothingIsNotKept() throws {
            #expect(try run("apply", site.policy(Self.web)).status == 0)
            #expect(isKept)
            let empty = try site.lab.file("empty.yaml", "version: 1\n")
            #expect(try run("apply", empty).status == 0)
            #expect(!isKept)
        }

        /// A host that goes down during a trial comes up with what was in force for good.
        @Test func aTrialIsKeptOnceItIsConfirmed() throws {
            #expect(try run("apply", site.policy(Self.web)).status == 0)
            let before = try Data(contentsOf: URL(filePath: kept))
            let tried = try site.policy("  - { name: tried, service: tcp/81, action: accept }", name: "tried.yaml")
            #expect(try run("apply", "--trial", "1h", tried).status == 0)
            #expect(try Data(contentsOf: URL(filePath: kept)) == before)
            let boot = try run("apply", "--boot", tried)
            #expect(boot.status == 1 && boot.errors.contains("is on trial for"), "\(boot)")
            #expect(try run("rollback").status == 0)
            #expect(try Data(contentsOf: URL(filePath: kept)) == before)
            #expect(try run("apply", "--trial", "1h", tried).status == 0)
            // As it was when the trial began.
            try FileManager.default.removeItem(atPath: tried)
            #expect(try run("confirm").status == 0)
            let after = try Data(contentsOf: URL(filePath: kept))
            #expect(String(decoding: after, as: UTF8.self).contains("name: tried"))
            try reboot()
            #expect(try run("apply", "--boot", "/nowhere/policy.yaml").status == 1)
            #expect(try site.bulkhead.json(Counted.self, "counters").rules.map(\.name) == ["tried"])
        }

        @Test func aKeptPolicyThatIsNotWholeIsPassedOver() throws {
            #expect(try run("apply", site.policy(Self.web)).status == 0)
            let bytes = try Data(contentsOf: URL(filePath: kept))
            try reboot()
            try bytes.dropLast(3).write(to: URL(filePath: kept))
            let result = try run("apply", "--boot", "/nowhere/policy.yaml")
            #expect(result.status == 1)
            #expect(result.errors.contains("is not whole"), "\(result.errors)")
            #expect(result.errors.contains("closes every device"), "\(result.errors)")
        }

        @Test func theWaysExcludeEachOther() throws {
            for words in [
                ["--boot", "--in-force"], ["--boot", "--dry-run"], ["--in-force", "--dry-run"],
                ["--trial", "1m", "--boot"], ["--trial", "1m", "--in-force"], ["--trial", "1m", "--dry-run"],
            ] {
                #expect(try Shell.run(command(["apply"] + words)).status == 64)
            }
        }
    }
}
