// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

extension Integration {
    /// What users who are not root do through the agent.
    @Suite(.serialized) struct ControlTests {
        /// Each command says the same to a reader as to root, for people and for programs.
        @Test func aReaderSeesWhatRootSees() throws {
            let site = try ControlSite()
            try #require(try site.bulkhead.run("group", "add", "banned", "192.0.2.66").status == 0)
            let network = try PacketSocket(site.site.network, "net0")
            for _ in 0..<3 { try network.send(site.site.probe(to: 80)) }
            let isCounted = try poll(seconds: 10) { try site.bulkhead.counters().rule("web").packets >= 3 }
            #expect(isCounted)
            for words in [
                ["status"], ["counters"], ["flows"], ["show"], ["show", "--generation", "1"], ["log"],
                ["group", "list"], ["group", "list", "banned"], ["flows", "--host", "203.0.113.0/24"],
            ] {
                for form in [[], ["--json"]] {
                    let root = try Shell.run(site.bulkhead.command(words + form))
                    let reader = try Shell.run(site.words(.reader, words + form))
                    #expect(root.status == 0 && reader.status == 0, "\(words): \(root.errors)\(reader.errors)")
                    // How long a flow was idle.
                    let isTimed = words == ["flows"] || words == ["group", "list", "banned"]
                    let isSame = Self.timeless(root.output) == Self.timeless(reader.output)
                    #expect(isTimed || isSame, "\(words) \(root.output)\(reader.output)")
                    #expect(root.output.count == reader.output.count && !reader.output.isEmpty || words.count == 3)
                    #expect(root.errors == reader.errors, "\(words)")
                }
            }
            #expect(try site.run(.reader, "status", "--check").status == 0)
            try #require(try site.bulkhead.run("detach", "uplink").status == 0)
            #expect(try site.run(.reader, "status", "--check").status == 3)
            let wrong = try site.run(.reader, "show", "--generation", "77")
            let root = try site.bulkhead.run("show", "--generation", "77")
            #expect(wrong.status == 1 && wrong.errors == root.errors, "\(wrong.errors)\(root.errors)")
        }

        /// Without when it was asked.
        private static func timeless(_ text: String) -> String {
            text.replacing(/^\{"time": "[^"]*"/, with: "")
        }

        @Test(arguments: [false, true]) func aReaderSeesDrops(isJSON: Bool) throws {
            let site = try ControlSite()
            let before = try site.bulkhead.readers()
            let drops = try site.start(.reader, "drops", "--count", "3", isJSON ? "--json" : "--all")
            let begun = try poll(seconds: 10) { try !drops.isRunning || site.bulkhead.readers() > before }
            #expect(begun, "\(drops.errors)")
            let network = try PacketSocket(site.site.network, "net0")
            for _ in 0..<3 { try network.send(site.site.probe(to: 81)) }
            let result = try drops.wait(seconds: 20)
            #expect(result.status == 0 && result.lines.count == 3, "\(result)")
            let word = isJSON ? "\"reason\": \"default\"" : "DROP in uplink"
            #expect(result.lines.allSatisfy { $0.contains(word) }, "\(result.output)")
            // Its place is free again.
            let isFree = try poll(seconds: 10) { try site.bulkhead.readers() == before }
            #expect(isFree)
        }

        @Test func aStreamEndsWithItsReaderAndWithTheInstance() throws {
            let site = try ControlSite()
            let first = try site.start(.reader, "drops")
            let second = try site.start(.reader, "drops")
            let areOpen = try poll(seconds: 10) { try site.bulkhead.readers() == 2 }
            #expect(areOpen, "\(first.errors)\(second.errors)")
            let third = try site.run(.reader, "drops")
            #expect(third.status == 1 && third.errors.contains("2 by this user"), "\(third.errors)")
            #expect(try first.interrupt().status == 0)
            let isFree = try poll(seconds: 10) { try site.bulkhead.readers() == 1 }
            #expect(isFree)
            try #require(try site.bulkhead.run("detach", "--all").status == 0)
            let result = try second.wait(seconds: 20)
            #expect(result.status == 1 && result.errors.contains("taken out of the kernel"), "\(result)")
        }

        /// Pages follow each other, with rates; a user watches twice at a time.
        @Test(arguments: [false, true]) func aReaderWatchesCounters(isJSON: Bool) throws {
            let site = try ControlSite()
            let form = isJSON ? ["--json"] : []
            let watching = try Command(site.words(.reader, ["counters", "--watch"] + form))
            let word = isJSON ? "\"generation\": 1" : "PACKETS/S"
            func pages() -> Int { watching.output.components(separatedBy: word).count - 1 }
            #expect(poll(seconds: 20) { pages() >= 2 }, "\(watching.errors)")
            let other = try Command(site.words(.reader, ["counters", "--watch"] + form))
            #expect(poll(seconds: 20) { other.output.contains(word) }, "\(other.errors)")
            let third = try site.run(.reader, "counters", "--watch")
            #expect(third.status == 1 && third.errors.contains("2 of this user"), "\(third)")
            let network = try PacketSocket(site.site.network, "net0")
            for _ in 0..<3 { try network.send(site.site.probe(to: 81)) }
            let seen = isJSON ? #/"default": [1-9]/# : #/[1-9] by default/#
            #expect(poll(seconds: 20) { watching.output.contains(seen) }, "\(watching.output)")
            let result = try watching.interrupt()
            #expect(result.status == 0 && result.errors.isEmpty && !result.output.contains("\u{1b}"), "\(result)")
            // Its place is free again.
            var next = try Command(site.words(.reader, ["counters", "--watch"] + form))
            let isFree = try poll(seconds: 10) {
                if next.output.contains(word) { return true }
                if !next.isRunning { next = try Command(site.words(.reader, ["counters", "--watch"] + form)) }
                return false
            }
            #expect(isFree, "\(next.errors)")
            #expect(try next.interrupt().status == 0)
            #expect(try other.interrupt().status == 0)
        }

        /// The agent makes pages that fit the reader's terminal, also when it gets another size.
        @Test func watchedCountersFitTheReadersTerminal() throws {
            let site = try ControlSite()
            let words = site.words(.reader, ["counters", "--watch"])
            let screen = try TerminalScreen(site.site.lab, columns: 50, rows: 24, words)
            var text = ""
            func shows(_ isRight: (String) -> Bool) throws -> Bool {
                try poll(seconds: 20) {
                    text = try screen.text()
                    return text.contains("flows:") && isRight(text)
                }
            }
            #expect(try shows { $0.contains("uplink") && !$0.contains("ACCEPTED") }, "\(text)")
            try screen.resize(columns: 160)
            #expect(try shows { $0.contains("ACCEPTED") && $0.contains("DEVICE") }, "\(text)")
            try screen.press("C-c")
            #expect(try screen.textAtEnd().contains("ACCEPTED"))
        }

        /// Whoever is in no group is told which one is missing, and learns nothing.
        @Test func aStrangerIsToldWhatIsMissing() throws {
            let site = try ControlSite()
            for words in [["status"], ["drops"], ["show"], ["log"]] {
                let result = try Shell.run(site.words(.stranger, words))
                #expect(result.status == 1 && result.output.isEmpty)
                #expect(result.errors.contains("group 'games'"), "\(result.errors)")
                #expect(result.errors.contains("adduser USER games"), "\(result.errors)")
            }
            let answer = try site.curl(.stranger, "/v1/status")
            #expect(answer.status == 403 && answer.text.contains("games"))
            #expect(try site.curl(.reader, "/v1/status").status == 200)
            #expect(try site.curl(.op, "/v1/status").status == 200)
            #expect(try site.curl(nil, "/v1/status").status == 200)
        }

        @Test func whatThereIsNotIsRefused() throws {
            let site = try ControlSite()
            for (path, status) in [
                ("/", 404), ("/v1/", 404), ("/v1/none", 404), ("/v1/status/more", 404), ("/v1/groups/none", 409),
                ("/v1/status?none=1", 400), ("/v1/policy?generation=x", 400), ("/v1/policy?generation=77", 409),
                ("/v1/flows?host=192.0.2.1/24", 400), ("/v1/flows?port=none", 409), ("/v1/status?check=%ff", 400),
                ("/v1/flows?state=none", 400), ("/v1/drops?reason=none", 400), ("/v1/drops?port=none", 409),
                ("/v1/%00", 404), ("/v1/../etc/passwd", 404),
            ] {
                let answer = try site.curl(.reader, path, "--path-as-is")
                #expect(answer.status == status, "\(path): \(answer)")
            }
            #expect(try site.curl(.reader, "/v1/status", "-X", "POST").status == 405)
        }

        // MARK: The socket

        @Test func theSocketIsForAllAndItsFolderIsRoots() throws {
            let site = try ControlSite()
            let socket = try FileManager.default.attributesOfItem(atPath: site.path)
            #expect(socket[.posixPermissions] as? Int == 0o666)
            let folder = try FileManager.default.attributesOfItem(atPath: "/run/bulkhead")
            #expect(folder[.posixPermissions] as? Int == 0o711 && folder[.ownerAccountID] as? Int == 0)
            site.agent.signal(SIGTERM)
            _ = try site.agent.wait(seconds: 20)
            #expect(!FileManager.default.fileExists(atPath: site.path))
            // Without an agent nothing has changed for a user.
            let result = try site.run(.reader, "status")
            #expect(result.status == 1 && result.errors.contains("run it as root"), "\(result.errors)")
        }

        /// Who stands where the agent's socket is looked for is not believed.
        @Test func anotherUsersSocketIsNotBelieved() throws {
            let site = try ControlSite()
            site.agent.signal(SIGTERM)
            _ = try site.agent.wait(seconds: 20)
            let script = """
                import os, socket, sys
                s = socket.socket(socket.AF_UNIX)
                s.bind(sys.argv[1]); os.chmod(sys.argv[1], 0o666)
                os.setresgid(64003, 64003, 64003); os.setresuid(64003, 64003, 64003)
                s.listen(); print("listens", flush=True)
                c, _ = s.accept(); print(c.recv(100))
                """
            let server = try Command(["python3", "-c", script, site.path])
            #expect(poll(seconds: 10) { server.output.contains("listens") }, "\(server.errors)")
            defer { _ = try? Shell.run(["rm", "-f", site.path]) }
            let result = try site.run(.reader, "status")
            #expect(result.status == 1 && result.errors.contains("is user 64003, not root"), "\(result.errors)")
        }
    }
}
