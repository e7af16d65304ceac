// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

@testable import Datapath

/// `log --json`.
struct Logged: Decodable {
    struct Generation: Decodable {
        var generation: Int
        var time: String
        var user: String?
        var file: String
        var sha256: String
        var message: String?
        var rules: Int
        var inForce: Bool
        var kept: Bool
        var rollbackOf: Int?
        var uid: Int?
        var sudoUser: String?
        var directory: String?
    }
    var generations: [Generation]
}

/// The part of `show --json` that has the texts.
private struct Shown: Decodable {
    struct File: Decodable, Equatable {
        var name: String
        var text: String
    }
    var generation: Int
    var sha256: String
    var files: [File]
}

/// The part of `check --json` that has the findings.
private struct CheckedPolicy: Decodable {
    struct Diagnostic: Decodable {
        var code: String?
        var rule: String?
        var message: String
    }
    var diagnostics: [Diagnostic]
}

extension Bulkhead {
    func log() throws -> [Logged.Generation] { try json(Logged.self, "log").generations }
}

extension Integration {
    /// What an instance remembers of its generations, and going back to one.
    @Suite(.serialized) struct HistoryTests {
        private static func rule(_ port: Int) -> String {
            "  - { name: r\(port), service: tcp/\(port), action: accept }"
        }

        @Test func theLogSaysWhoWhenWhyAndFromWhere() throws {
            let site = try UplinkSite()
            let policy = try site.policy(Self.rule(80))
            let message = "open the web \u{1b}[31m\nfor all"
            let before = Date().addingTimeInterval(-1)
            let command = try site.bulkhead.start(
                ["apply", policy, "-m", message], environment: ["SUDO_USER": "alice"])
            #expect(try command.wait().status == 0)
            let log = try site.bulkhead.log()
            try #require(log.count == 1)
            let first = log[0]
            #expect(first.generation == 1 && first.inForce && first.kept && first.rules == 1)
            #expect(first.user == "alice" && first.sudoUser == "alice" && first.uid == 0)
            #expect(first.file == policy && first.message == message)
            #expect(first.directory == FileManager.default.currentDirectoryPath)
            #expect(first.sha256 == (try site.bulkhead.status().policy.sha256))
            let time = try Date(first.time, strategy: Date.ISO8601FormatStyle(includingFractionalSeconds: true))
            #expect(time >= before && time <= Date())
            // Text for people can neither command a terminal nor look like another line.
            let words = try site.bulkhead.run("log").output
            #expect(words.split(separator: "\n").count == 2)
            #expect(words.contains(#"open the web \x1b[31m\nfor all"#))
            #expect(!words.contains("\u{1b}"))
            // Without sudo it is the user of the process, who has not logged in here.
            try site.bulkhead.apply(try site.policy(Self.rule(81)))
            #expect(try site.bulkhead.log()[0].sudoUser == nil)
        }

        @Test func aMessageThatIsTooLongIsRefused() throws {
            let site = try UplinkSite()
            let policy = try site.policy(Self.rule(80))
            let result = try site.bulkhead.run("apply", policy, "-m", String(repeating: "x", count: 4097))
            #expect(result.status == 1 && result.errors.contains("longer than 4096 bytes"), "\(result.errors)")
            #expect(try site.bulkhead.run("status").status == 1)
        }

        /// Included files and lists are as they were, though all of them have changed or gone since.
        @Test func rollbackBringsBackEveryFile() throws {
            let site = try UplinkSite()
            let list = try site.lab.file("bad.txt", "203.0.113.1\n")
            let included = try site.lab.file("web.yaml", "rules: [{ name: deny, from: bad, action: drop }]\n")
            let text = """
                version: 1
                include: [w*.yaml]
                ports: { uplink: { interface: up0, protects: host } }
                groups: { bad: { files: [bad.txt] } }
                rules:
                  - { name: web, service: tcp/80, action: accept }
                """
            let policy = try site.lab.file("policy.yaml", text)
            let servers = try [80, 81].map { try IPSocket.bound(site.host, .tcp, UplinkSite.v4.host, $0) }
            defer { withExtendedLifetime(servers) {} }
            try site.bulkhead.apply(policy)
            let hash = try site.bulkhead.status().policy.sha256
            _ = try site.lab.file("bad.txt", "192.0.2.1\n")
            try site.bulkhead.apply(policy)
            #expect(!site.network.connects(to: UplinkSite.v4.host, 80))
            for path in [list, included] { try FileManager.default.removeItem(atPath: path) }
            try site.bulkhead.apply(try site.policy(Self.rule(81), name: "other.yaml"))
            #expect(site.network.connects(to: UplinkSite.v4.host, 81))

            let shown = try site.bulkhead.json(Shown.self, "show", "--generation", "1")
            #expect(shown.generation == 1 && shown.sha256 == hash)
            #expect(shown.files.map(\.name) == [policy, included] && shown.files[0].text == text)
            let back = try site.bulkhead.json(Applied.self, "rollback", "1")
            #expect(back.generation == 4 && back.changed)
            #expect(site.network.connects(to: UplinkSite.v4.host, 80))
            #expect(!site.network.connects(to: UplinkSite.v4.host, 81))
            #expect(try site.bulkhead.status().policy.sha256 == hash)
            // Generation 2 differs in its list alone.
            #expect(try site.bulkhead.json(Applied.self, "rollback", "2").generation == 5)
            #expect(!site.network.connects(to: UplinkSite.v4.host, 80))
            let log = try site.bulkhead.log()
            #expect(log.map(\.generation) == [5, 4, 3, 2, 1])
            #expect(log.map(\.inForce) == [true, false, false, false, false])
            #expect(log.map(\.rollbackOf) == [2, 1, nil, nil, nil])
            #expect(log[0].file == policy)
        }

        /// It goes to the latest other policy, so a second one undoes the first.
        @Test func withoutANumberItGoesToThePolicyBefore() throws {
            let site = try UplinkSite()
            let first = try site.bulkhead.run("rollback")
            #expect(first.status == 1 && first.errors.contains("no policy is in force"))
            try site.bulkhead.apply(try site.policy(Self.rule(80)))
            let only = try site.bulkhead.run("rollback")
            #expect(only.status == 1 && only.errors.contains("there is no policy before that of generation 1"))
            let second = try site.policy(Self.rule(81))
            try site.bulkhead.apply(second)
            // The same policy again, for another device.
            try site.host.run("ip", "link", "set", "up0", "down")
            try site.host.run("ip", "link", "set", "up0", "name", "up1")
            try site.host.run("ip", "link", "set", "up1", "name", "up0")
            try site.host.run("ip", "link", "set", "up0", "up")
            try site.bulkhead.apply(second)
            let before = Int(try site.bulkhead.status().generation)
            #expect(try site.bulkhead.json(Applied.self, "rollback").generation == before + 1)
            #expect(try site.bulkhead.run("show").output.contains("tcp/80"))
            #expect(try site.bulkhead.json(Applied.self, "rollback", "-m", "sorry").generation == before + 2)
            #expect(try site.bulkhead.run("show").output.contains("tcp/81"))
            #expect(try site.bulkhead.log()[0].message == "sorry")
            // To what is in force already, nothing changes.
            let same = try site.bulkhead.json(Applied.self, "rollback", "\(before + 2)")
            #expect(!same.changed && same.generation == before + 2)
        }

        @Test func whatIsNotKeptIsNamed() throws {
            let site = try UplinkSite()
            for port in 1...12 { try site.bulkhead.apply(try site.policy(Self.rule(port))) }
            #expect(try site.bulkhead.log().map(\.generation) == Array((3...12).reversed()))
            for words in [["rollback", "2"], ["show", "--generation", "2"]] {
                let result = try Shell.run(site.bulkhead.command(words))
                #expect(result.status == 1)
                #expect(result.errors.contains("generation 2 of instance"), "\(result.errors)")
                #expect(result.errors.contains("those that are: 12, 11,"), "\(result.errors)")
            }
            #expect(try site.bulkhead.run("show", "--generation", "3").output.contains("tcp/3,"))
            let words = ["rollback"]
            let line = ["bulkhead"] + words + ["--instance", site.bulkhead.instance, "1"]
            let offered = try Shell.run(
                [Bulkhead.executable, "---completion", "rollback", "--", "positional@0", "\(line.count - 1)", "1"]
                    + line)
            #expect(offered.lines == ["12", "11", "10"])
        }

        /// Nothing of it outlives the instance, and a new one starts with a history of its own.
        /// The rules that no packet has matched are named by `check --live`, each since it is there.
        @Test func unhitRulesAreNamedSinceTheyAreThere() throws {
            let site = try UplinkSite()
            func policy(_ ports: Int...) throws -> String {
                try site.policy(
                    ports.map { "  - { name: r\($0), service: udp/\($0), action: accept }" }.joined(separator: "\n"))
            }
            try site.bulkhead.apply(try policy(80, 81))
            try site.bulkhead.apply(try policy(82, 81, 80))
            try PacketSocket(site.network, "net0").send(site.probe(to: 80))
            let log = try site.bulkhead.log()
            func start(_ generation: Int) -> String {
                log.first { $0.generation == generation }.map { "\($0.time.prefix(19))Z" } ?? ""
            }
            let report = try site.bulkhead.json(CheckedPolicy.self, "check", "--live", try policy(83, 82, 81, 80))
            let found = report.diagnostics.filter { $0.code == "unhit" }
            #expect(found.map(\.rule) == ["r82", "r81"])
            #expect(found.map(\.message) == [2, 1].map { "the rule has matched no packet since \(start($0))" })
        }

        @Test func detachAllRemovesIt() throws {
            let site = try UplinkSite()
            for port in 1...3 { try site.bulkhead.apply(try site.policy(Self.rule(port))) }
            #expect(try site.bulkhead.run("detach", "--all").status == 0)
            #expect(!FileManager.default.fileExists(atPath: "/sys/fs/bpf/\(site.bulkhead.instance)"))
            #expect(try site.bulkhead.run("log").status == 1)
            try site.bulkhead.apply(try site.policy(Self.rule(80)))
            #expect(try site.bulkhead.log().map(\.generation) == [1])
        }

        /// Killed at any moment, an apply leaves a history that is true: the generation in force is the newest one, and
        /// each record's text is that of its generation.
        @Test func killedAppliesLeaveATrueHistory() throws {
            let site = try UplinkSite()
            try site.bulkhead.apply(try site.policy(Self.rule(1)))
            var random = RandomNumbers(seed: 13)
            for port in 2...25 {
                let policy = try site.policy(Self.rule(port))
                let command = try site.bulkhead.start("apply", policy)
                usleep(UInt32.random(in: 1_000...120_000, using: &random))
                command.signal(SIGKILL)
                _ = try command.wait()
                let status = try site.bulkhead.status()
                let log = try site.bulkhead.log()
                #expect(log.filter(\.inForce).map(\.generation) == [Int(status.generation)])
                #expect(log.first?.inForce == true)
                #expect(log.first?.sha256 == status.policy.sha256)
                #expect(Set(log.map(\.generation)).count == log.count)
                for past in log where past.kept {
                    let shown = try site.bulkhead.json(Shown.self, "show", "--generation", "\(past.generation)")
                    #expect(shown.sha256 == past.sha256)
                }
            }
            let last = try site.bulkhead.apply(try site.policy(Self.rule(99)))
            let folder = "/sys/fs/bpf/\(site.bulkhead.instance)"
            #expect(try Shell.check("ls", "\(folder)/history").contains("\(last.generation)\n"))
            #expect(try !Shell.check("ls", "\(folder)/history").contains("new"))
            let log = try site.bulkhead.log()
            #expect(log.first?.generation == last.generation)
            #expect(try Shell.check("ls", "\(folder)/texts").split(separator: "\n").count <= log.count)
        }

        /// A record that was pinned and whose generation never came into force does not count, and goes; one whose
        /// generation came into force counts, also before it has its own name.
        @Test func anUnfinishedRecordCountsOnlyIfItsGenerationIsInForce() throws {
            let site = try UplinkSite()
            for port in 1...2 { try site.bulkhead.apply(try site.policy(Self.rule(port))) }
            let folder = "/sys/fs/bpf/\(site.bulkhead.instance)/history"
            try Shell.check("mv", "\(folder)/2", "\(folder)/2-new")
            #expect(try site.bulkhead.log().map(\.generation) == [2, 1])
            #expect(try site.bulkhead.log()[0].kept)
            try Shell.check("mv", "\(folder)/2-new", "\(folder)/3-new")
            #expect(try site.bulkhead.log().map(\.generation) == [2, 1])
            #expect(try site.bulkhead.log()[0].user == nil)
            try site.bulkhead.apply(try site.policy(Self.rule(3)))
            #expect(try Shell.check("ls", folder) == "1\n3\n")
        }
    }
}
