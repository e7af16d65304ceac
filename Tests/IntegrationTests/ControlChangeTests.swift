// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

extension Integration {
    /// What operators change through the agent, and what is noted of it.
    @Suite(.serialized) struct ControlChangeTests {
        @Test func anOperatorChangesThingsAsRootDoes() throws {
            let site = try ControlSite()
            for (words, said) in [
                (["group", "add", "banned", "192.0.2.66", "2001:db8::/48"], "banned: 2 members added\n"),
                (["group", "delete", "banned", "192.0.2.66"], "banned: 1 member deleted\n"),
                (["group", "flush", "banned"], "banned: 1 member deleted\n"),
                (["quarantine", "uplink"], "uplink is cut off: nothing passes\n"),
                (["release", "uplink"], "uplink is released: the policy judges it again\n"),
                (["release", "--all"], "nothing was in quarantine\n"),
            ] {
                let result = try Shell.run(site.words(.op, words))
                #expect(result.status == 0 && result.output == said, "\(words): \(result)")
            }
            let wrong = try site.run(.op, "quarantine", "none")
            #expect(wrong.status == 1 && wrong.errors.contains("none"), "\(wrong)")
            let log = try site.changes()
            #expect(
                log.map(\.change).suffix(7).map(\.self) == [
                    "group add", "group delete", "group flush", "quarantine", "release", "release", "quarantine",
                ])
            let last = try #require(log.last)
            #expect(last.failure != nil && last.uid == 5 && last.through == "agent" && last.object == "none")
            #expect(log.dropLast().suffix(6).allSatisfy { $0.failure == nil && $0.before?.sha256 == $0.after?.sha256 })
            // root's own command is in the log too.
            try #require(try site.bulkhead.run("quarantine", "uplink").status == 0)
            let own = try #require(try site.changes().last)
            #expect(own.through == "command" && own.uid == 0)
        }

        /// Whoever does it, and whether it is done or fails: what ends flows and takes ports in or out is noted too.
        @Test(arguments: [true, false]) func flowsAndPortsAreNoted(isRoot: Bool) throws {
            let site = try ControlSite()
            // The folder is there from here on, as the package has it.
            try #require(try site.run(.op, "release", "--all").status == 0)
            func run(_ words: [String]) throws -> CommandResult {
                try Shell.run(isRoot ? site.bulkhead.command(words) : site.words(.op, words))
            }
            let network = try PacketSocket(site.site.network, "net0")
            try network.send(site.site.probe(to: 80))
            let flows = ["flows", "--port", "uplink", "--service", "udp/80"]
            let isOpen = try poll(seconds: 10) { try run(flows + ["--json"]).lines.count == 1 }
            #expect(isOpen)
            #expect(try run(flows + ["--kill"]).output == "1 flow ended\n")
            #expect(try run(["detach", "none"]).status == 1)
            #expect(try run(["detach", "uplink"]).output == "uplink is detached and passes all traffic\n")
            #expect(try site.bulkhead.status().port("uplink").state == "detached")
            let all = try run(["detach", "--all"])
            let gone = "instance \(site.bulkhead.instance) is out of the kernel\n"
            #expect(all.status == 0 && all.output.hasSuffix(gone), "\(all)")
            let noted = try site.changes().suffix(4)
            #expect(
                noted.map { "\($0.change) \($0.object ?? "-")" } == [
                    "flows --kill port=uplink service=udp/80", "detach none", "detach uplink", "detach all",
                ])
            #expect(noted.allSatisfy { $0.uid == (isRoot ? 0 : 5) && $0.through == (isRoot ? "command" : "agent") })
            #expect(noted.map { $0.failure != nil } == [false, true, false, false])
            // What is in force is the same until there is nothing.
            #expect(noted.allSatisfy { $0.before?.generation == 1 })
            #expect(noted.map { $0.after?.generation } == [1, 1, 1, nil])
        }

        /// Devices are admitted by root alone, who says why a policy is changed.
        @Test func rootsOwnCommandsAreNotedWithTheirReason() throws {
            let site = try ControlSite()
            try #require(try site.run(.op, "release", "--all").status == 0)
            let refused = try site.run(.op, "admit", "up0")
            #expect(refused.status == 1 && refused.errors.contains("run it as root"), "\(refused)")
            try #require(try site.bulkhead.run("admit", "up0").status == 0)
            let next = try site.site.policy("  - { name: n, service: udp/81, action: accept }", name: "next.yaml")
            try #require(try site.bulkhead.run("apply", "--force", "-m", "why not", next).status == 0)
            try #require(try site.bulkhead.run("rollback", "-m", "not so").status == 0)
            // As the host's unit does, which refuses a policy and leaves what is in force.
            let broken = try site.site.policy("  - { acton: accept }", name: "broken.yaml")
            try #require(try site.bulkhead.run("apply", "--boot", broken).status == 1)
            let noted = try site.changes().suffix(4)
            #expect(noted.map(\.change) == ["admit", "apply", "rollback", "apply --boot"])
            #expect(noted.map(\.object) == ["up0", next, nil, broken])
            #expect(noted.map(\.message) == [nil, "why not", "not so", nil])
            #expect(noted.map(\.forced) == [nil, true, false, nil])
            #expect(noted.map { $0.failure != nil } == [false, false, false, true])
        }

        /// A policy of 100,000 rules goes through the socket. What is longer than there is room for is refused, whether
        /// its length is announced or not.
        @Test func longBodiesAreTakenAsFarAsThereIsRoom() throws {
            let site = try ControlSite()
            let rules = (0..<100_000).map { number in
                let address = "198.\(18 + number >> 16).\(number >> 8 & 255).\(number & 255)"
                return "  - { name: r\(number), from: \(address), service: tcp/80, action: drop }"
            }
            let large = try site.site.policy(rules.joined(separator: "\n"), name: "large.yaml")
            let long = try site.site.lab.file("long.txt", String(repeating: "192.0.2.1\n", count: 110_000))
            try Shell.check("chmod", "-R", "a+rX", URL(filePath: large).deletingLastPathComponent().path)
            try Shell.check("chmod", "a+r", long)
            let applied = try site.run(.op, "apply", large)
            #expect(applied.status == 0 && applied.output.contains("100000 rules"), "\(applied)")
            let members = "/v1/groups/banned/members"
            let announced = try site.curl(.op, members, "--data-binary", "@\(long)")
            #expect(announced.status == 413 && announced.text.contains("1048576 bytes"), "\(announced)")
            let pieces = try site.curl(
                .op, members, "-H", "Transfer-Encoding: chunked", "--data-binary", "@\(long)")
            #expect(pieces.status == 413, "\(pieces)")
            #expect(try site.changes().count == 2)
        }

        @Test func anOperatorAppliesTriesAndGoesBack() throws {
            let site = try ControlSite()
            let next = try site.site.policy("  - { name: next, service: udp/81, action: accept }", name: "next.yaml")
            try Shell.check("chmod", "-R", "a+rX", URL(filePath: next).deletingLastPathComponent().path)
            let applied = try site.run(.op, "apply", "-m", "why not", next)
            #expect(applied.status == 0 && applied.output.contains("generation 2 is in force"), "\(applied)")
            let log = try site.run(.reader, "log")
            #expect(log.output.contains("games") && log.output.contains("why not"), "\(log)")
            let back = try site.run(.op, "rollback")
            #expect(back.status == 0 && back.output.contains("generation 3 is in force"), "\(back)")
            let tried = try site.run(.op, "apply", "--trial", "60s", next)
            #expect(tried.status == 0 && tried.output.contains("on trial"), "\(tried)")
            #expect(try site.run(.op, "confirm").output == "generation 4 is in force, and stays\n")
            let changes = try site.changes().suffix(4)
            #expect(changes.map(\.change) == ["apply", "rollback", "apply --trial", "confirm"])
            #expect(changes.first.map { $0.before?.sha256 != $0.after?.sha256 && $0.after?.generation == 2 } == true)
            // A document that was shown can be sent back.
            let shown = try site.curl(.op, "/v1/policy?generation=1").text
            let file = try site.site.lab.file("shown.json", shown)
            try Shell.check("chmod", "a+r", file)
            let sent = try site.curl(.op, "/v1/policy?message=back", "--data-binary", "@\(file)")
            #expect(sent.status == 200 && sent.text.contains("\"generation\": 5"), "\(sent)")
        }

        /// The agent may read files that an operator may not: it reads none of them for him.
        @Test func thePolicyIsReadFromWhatWasSentAlone() throws {
            let site = try ControlSite()
            let body = """
                {"files": [{"name": "/x/p.yaml", "text": "version: 1\\ninclude: [/etc/shadow]\\nports: {}\\n"}]}
                """
            let answer = try site.curl(.op, "/v1/policy", "--data-binary", body)
            #expect(answer.status == 409 && !answer.text.contains("root:"), "\(answer)")
            #expect(try site.curl(.op, "/v1/policy", "--data-binary", "{}").status == 400)
        }

        @Test func aPolicyThatCutsTheSessionIsRefused() throws {
            let site = try ControlSite()
            let shut = "  - { name: shut, action: drop }"
            let next = try site.site.policy(shut, name: "next.yaml")
            try Shell.check("chmod", "-R", "a+rX", URL(filePath: next).deletingLastPathComponent().path)
            let words = site.words(.op, ["apply", next])
            let session = ["SSH_CONNECTION": "192.0.2.1 40000 192.0.2.2 22"]
            let result = try Command(words, environment: session).wait()
            #expect(result.status == 1 && result.errors.contains("would cut the session"), "\(result)")
            let forced = try Command(words + ["--force"], environment: session).wait()
            #expect(forced.status == 0, "\(forced)")
        }

        @Test func aReaderChangesNothing() throws {
            let site = try ControlSite()
            for words in [
                ["quarantine", "uplink"], ["release", "--all"], ["group", "flush", "banned"], ["confirm"], ["rollback"],
                ["detach", "uplink"], ["detach", "--all"], ["flows", "--kill", "--port", "uplink"],
            ] {
                let result = try Shell.run(site.words(.reader, words))
                #expect(result.status == 1 && result.errors.contains("group 'operator'"), "\(words): \(result)")
            }
            #expect(try site.curl(.reader, "/v1/quarantine?port=uplink", "-X", "POST").status == 403)
            #expect(try site.bulkhead.status().port("uplink").state == "enforcing")
            #expect(try site.curl(.reader, "/v1/policy", "--data-binary", "x").status == 403)
        }

        @Test func theLogIsRootsAndWithoutItNothingIsDone() throws {
            let site = try ControlSite()
            try #require(try site.run(.op, "release", "--all").status == 0)
            let attributes = try FileManager.default.attributesOfItem(atPath: site.log)
            #expect(attributes[.posixPermissions] as? Int == 0o600 && attributes[.ownerAccountID] as? Int == 0)
            try Shell.check("sh", "-ec", "rm \(site.log); ln -s /dev/null \(site.log)")
            let result = try site.run(.op, "quarantine", "uplink")
            #expect(result.status == 1 && result.errors.contains("cannot be noted"), "\(result)")
            #expect(try site.bulkhead.status().port("uplink").state == "enforcing")
        }

        /// On a disk that is full nothing is done through the agent, and root's own command does what it is told.
        @Test func onAFullDiskNothingIsDone() throws {
            let site = try ControlSite()
            try #require(try site.run(.op, "release", "--all").status == 0)
            let lines = try site.changes().count
            // What is left unfinished there is ended first.
            try Shell.check("sh", "-ec", "printf unfinished >>\(site.log)")
            let limit = try FileManager.default.attributesOfItem(atPath: site.log)[.size] as? Int ?? 0
            let words = ["prlimit", "--fsize=\(limit + 8)", Bulkhead.executable, "quarantine", "uplink"]
            let own = try Shell.run(words + ["--instance", site.bulkhead.instance])
            #expect(own.status == 0 && own.errors.contains("cannot be noted"), "\(own)")
            #expect(try site.bulkhead.status().port("uplink").state == "quarantined")
            #expect(try site.run(.op, "release", "--all").status == 0)
            let text = try String(contentsOfFile: site.log, encoding: .utf8)
            #expect(text.split(separator: "\n").filter { $0 == "unfinished" }.count == 1 && text.hasSuffix("}\n"))
            try Shell.check("sed", "-i", "/^unfinished$/d", site.log)
            #expect(try site.changes().count == lines + 1)
        }

        /// What is long in a request makes no line long, and a policy has no name of the controller's own.
        @Test func namesAreBounded() throws {
            let site = try ControlSite()
            let long = String(repeating: "n", count: 4000)
            #expect(try site.run(.op, "quarantine", long).status == 1)
            let text = try String(contentsOfFile: site.log, encoding: .utf8)
            #expect(text.split(separator: "\n").allSatisfy { $0.utf8.count < 3000 })
            for name in ["", "closed-at-boot", String(repeating: "n", count: 5000)] {
                let body = "{\"files\": [{\"name\": \"\(name)\", \"text\": \"version: 1\\nports: {}\\n\"}]}"
                #expect(try site.curl(.op, "/v1/policy", "--data-binary", body).status == 400, "\(name.prefix(20))")
            }
        }

        /// A user whose number is nobody's changes nothing: the log could not say who it was.
        @Test func whoHasNoNameChangesNothing() throws {
            let site = try ControlSite()
            let answer = try site.curl(.nameless, "/v1/quarantine?port=uplink", "-X", "POST")
            #expect(answer.status == 403 && answer.text.contains("no name on this host"), "\(answer)")
            #expect(try site.curl(.nameless, "/v1/status").status == 200)
            #expect(try site.bulkhead.status().port("uplink").state == "enforcing")
        }

        /// What the file describes is there, and nothing else: paths, methods, and the fields of each document.
        @Test func theDescriptionIsTrue() throws {
            let site = try ControlSite()
            let root = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../..")
            let data = try Data(contentsOf: root.appending(path: "docs/openapi.json"))
            let file = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
            let paths = try #require(file["paths"] as? [String: [String: Any]])
            for (path, operations) in paths {
                let real = path.replacing("{group}", with: "banned")
                let allowed = Set(operations.keys.map { $0.uppercased() })
                for method in ["GET", "POST", "DELETE", "PUT", "PATCH"] where !allowed.contains(method) {
                    let answer = try site.curl(.op, real, "-X", method)
                    #expect(answer.status == 405, "\(method) \(path): \(answer)")
                }
                guard let get = operations["get"] as? [String: Any], let fields = get["x-fields"] as? [String] else {
                    continue
                }
                let answer = try site.curl(.reader, real)
                let read = try JSONSerialization.jsonObject(with: Data(answer.text.utf8)) as? [String: Any]
                let body = try #require(read)
                #expect(answer.status == 200 && Set(body.keys) == Set(fields), "\(path): \(answer)")
            }
        }
    }
}

extension ControlSite {
    struct Change: Decodable {
        struct Policy: Decodable {
            var generation: Int?
            var sha256: String?
        }
        var id: String
        var state: String
        var uid: Int
        var through: String
        var change: String
        var object: String?
        var message: String?
        var forced: Bool?
        /// nil: none was in force.
        var before: Policy?
        var after: Policy?
        var failure: String?
    }

    var log: String { "/var/log/bulkhead/\(bulkhead.instance).changes" }

    /// What was done, in that order. Each has a line before it too.
    func changes() throws -> [Change] {
        let lines = try String(contentsOfFile: log, encoding: .utf8).split(separator: "\n").map {
            try JSONDecoder().decode(Change.self, from: Data($0.utf8))
        }
        let (begun, ended) = (lines.filter { $0.state == "begun" }, lines.filter { $0.state == "ended" })
        #expect(begun.map(\.id) == ended.map(\.id))
        return ended
    }
}
