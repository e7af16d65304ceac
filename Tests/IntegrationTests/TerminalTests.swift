// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

extension Integration {
    /// Text by others (comments, names of files, devices and namespaces, lines of feeds, arguments that scripts pass
    /// on) never reaches a terminal unescaped. Otherwise whoever writes a comment could clear the screen, or write a
    /// line that looks like ours.
    @Suite(.serialized) struct TerminalTests {
        private static let hostile = "\u{1b}[2J\u{7}\r\nFORGED\u{7f}\u{9b}31m\u{202e}"
        /// The text as YAML escapes it.
        private static let yaml = #"\e[2J\a\r\nFORGED\x7f\u009b31m\u202e"#

        /// A host with such names, and a policy with such comments.
        private struct Place {
            let site: UplinkSite
            let policy: String

            init() throws {
                site = try UplinkSite()
                // A device's name has no spaces, a namespace's no control characters below U+0080.
                let device = "g\u{1b}[2J\u{9b}\u{202e}"
                try site.host.run("ip", "link", "add", device, "type", "veth", "peer", "name", "other")
                let space = "\(site.lab.id)-\u{9b}\u{202e}"
                try Shell.check("ip", "netns", "add", space)
                site.lab.atEnd { _ = try? Shell.run(["ip", "netns", "delete", space]) }
                policy = try site.lab.file(
                    "policy\(TerminalTests.hostile).yaml",
                    """
                    version: 1  # \u{202e}
                    ports:
                      uplink: { interface: up0, protects: host }
                      guests: { interface: "g*", protects: workload }
                      away: { interface: "x\\u009b", netns: "\(site.lab.id)-\\u009b\\u202e", protects: workload }
                    groups: { listed: { dynamic: {} }, odd: { addresses: [203.0.113.9] } }
                    rules:
                      - { name: web, service: tcp/80, action: accept }
                      - name: noted
                        service: udp/7
                        action: drop
                        comment: "\(TerminalTests.yaml)"
                        meta: { owner: "\(TerminalTests.yaml)" }

                    """)
            }

            /// The output of a command as bytes, because decoding might repair it.
            func bytes(_ words: [String]) throws -> (status: Int32, written: [UInt8]) {
                let file = try site.lab.file("written", "")
                let status = try Shell.run(["sh", "-c", "exec \"$@\" >'\(file)' 2>&1", "sh"] + words).status
                return (status, [UInt8](try Data(contentsOf: URL(filePath: file))))
            }

            /// Runs a command with text and with JSON output.
            func tame(_ words: [String], says: String? = nil, sourceLocation: SourceLocation = #_sourceLocation)
                throws
            {
                for form in [[], ["--json"]] {
                    let (_, written) = try bytes(site.bulkhead.command(words + form))
                    TerminalTests.expectTame(written, "\(words + form)", sourceLocation: sourceLocation)
                    if let says, form.isEmpty {
                        let text = String(decoding: written, as: UTF8.self)
                        #expect(text.contains(says), "\(words): \(text)", sourceLocation: sourceLocation)
                    }
                }
            }
        }

        private static func expectTame(
            _ bytes: [UInt8], _ what: String, sourceLocation: SourceLocation = #_sourceLocation
        ) {
            let text = String(validating: bytes, as: UTF8.self)
            #expect(text != nil, "\(what): not UTF-8", sourceLocation: sourceLocation)
            for scalar in (text ?? "").unicodeScalars where scalar != "\n" {
                let isTame = ![.control, .format, .lineSeparator, .paragraphSeparator].contains(
                    scalar.properties.generalCategory)
                if !isTame {
                    Issue.record("\(what): U+\(String(scalar.value, radix: 16)) in \(text ?? "")")
                    return
                }
            }
            let isForged = (text ?? "").split(separator: "\n").contains { $0.hasPrefix("FORGED") }
            #expect(!isForged, "\(what): a line of another's in \(text ?? "")", sourceLocation: sourceLocation)
        }

        @Test func everyCommandWritesItOut() throws {
            let tests = try Place()
            let (policy, hostile) = (tests.policy, Self.hostile)
            let written = #"\x1b[2J\x07\r\nFORGED\x7f\u{9b}31m\u{202e}"#
            try tests.tame(["check", policy], says: "policy\(written).yaml: valid")
            try tests.tame(["apply", policy, "--dry-run"], says: #"g\x1b[2J\u{9b}\u{202e}"#)
            try tests.tame(["apply", policy], says: #"x\u{9b}"#)
            try tests.tame(["status"], says: "policy\(written).yaml")
            try tests.tame(["counters"], says: #"g\x1b[2J"#)
            try tests.tame(["flows"])
            try tests.tame(["explain", "203.0.113.9", "192.0.2.2", "udp/7"], says: "# \(written) (owner: \(written))")
            try tests.tame(["explain", "203.0.113.9", hostile, "udp/7"], says: "there is no port '\(written)'")
            try tests.tame(["explain", "203.0.113.9", "192.0.2.2", hostile], says: written)
            try tests.tame(["explain", "203.0.113.9", "192.0.2.2", "tcp/\(hostile)"], says: written)
            try tests.tame(["group", "list"])
            try tests.tame(["group", "list", hostile], says: written)
            try tests.tame(["group", "add", "listed", hostile], says: written)
            try tests.tame(["quarantine", hostile], says: written)
            try tests.tame(["release", hostile], says: written)
            try tests.tame(["detach", hostile], says: written)
            try tests.tame(["drops", "--port", hostile], says: written)
            try tests.tame(["replay", "/nowhere/\(hostile)", "--port", "uplink", "--direction", "in"], says: written)
            try tests.tame(["check", "/nowhere/\(hostile)"], says: written)
            try tests.tame(["--\(hostile)"], says: written)
            try tests.tame([hostile])
            try tests.tame(["quarantine", "guests"], says: "guests")
            try tests.tame(["release", "guests"], says: "guests")
            try tests.tame(["detach", "guests"], says: #"guests/g\x1b[2J"#)
            try tests.tame(["detach", "--all"])
        }

        /// Why a policy was put in force, what changed, and who can reach whom.
        @Test func questionsAndHistoryAreWrittenOut() throws {
            let tests = try Place()
            let (policy, hostile) = (tests.policy, Self.hostile)
            let written = #"\x1b[2J\x07\r\nFORGED\x7f\u{9b}31m\u{202e}"#
            try tests.tame(["apply", policy, "-m", "why \(hostile)"])
            try tests.tame(["log"], says: "why \(written)")
            try tests.tame(["log"], says: "policy\(written).yaml")
            try tests.tame(["diff", policy])
            let other = try tests.site.lab.file(
                "other\(hostile).yaml",
                """
                version: 1
                ports: { "uplink": { interface: up0, protects: host } }
                groups: { odd: { addresses: [203.0.113.9] } }
                rules: [ { name: noted, service: udp/8, action: accept, comment: "\(Self.yaml)" } ]
                """)
            try tests.tame(["diff", policy, other], says: "noted")
            try tests.tame(["diff", policy, "/nowhere/\(hostile)"], says: written)
            try tests.tame(["reach", "--to", "odd"])
            try tests.tame(["reach", "--to", "odd", "--policy", other])
            try tests.tame(["reach", "--to", hostile], says: written)
            try tests.tame(["reach", "--to", "odd", "--service", hostile], says: written)
            try tests.tame(["rollback", hostile], says: written)
            try tests.tame(["confirm", hostile], says: written)
            try tests.tame(["apply", policy, "--trial", hostile], says: written)
            try tests.tame(["apply", policy, "--trial", "1m", "-m", hostile])
            try tests.tame(["status"], says: written)
            try tests.tame(["rollback"])
            try tests.tame(["check", "--live", policy])
        }

        /// What is written for this host, or of another firewall's rules, is a policy that a terminal can show.
        @Test func policiesThatAreMadeAreWrittenOut() throws {
            let tests = try Place()
            let saved = try tests.site.lab.file(
                "saved\(Self.hostile)",
                """
                *filter
                :INPUT DROP [0:0]
                -A INPUT -i eth9 -p tcp --dport 22 -m comment --comment "\u{1b}[2J\u{9b}31m\u{202e}" -j ACCEPT
                -A INPUT -m \u{1b}[2J\u{9b}\u{202e} -j DROP
                COMMIT

                """)
            func expect(_ words: [String], says: String) throws {
                let (_, written) = try tests.bytes(tests.site.host.command([Bulkhead.executable] + words))
                Self.expectTame(written, "\(words)")
                let text = String(decoding: written, as: UTF8.self)
                #expect(text.contains(says), "\(words): \(text)")
            }
            try expect(["import", "--from", "iptables-save", saved], says: "version: 1")
            try expect(["import", "--from", "nft-json", saved], says: "cannot be imported")
            try expect(["import", "--from", "networkpolicy", saved], says: "FORGED")
            try expect(["import", "--from", Self.hostile, saved], says: #"\x1b[2J"#)
            try expect(["init"], says: "version: 1")
        }

        @Test(arguments: ["", "--json"]) func dropsWriteItOut(form: String) throws {
            let tests = try Place()
            try tests.site.bulkhead.apply(tests.policy)
            let file = try tests.site.lab.file("written", "")
            let words = tests.site.bulkhead.command(["drops", "--count", "1"] + (form.isEmpty ? [] : [form]))
            let stream = try Command(["sh", "-c", "exec \"$@\" >'\(file)' 2>&1", "sh"] + words)
            let raw = try PacketSocket(tests.site.network, "net0")
            let came = try poll(seconds: 10) {
                try raw.send(tests.site.probe(to: 7))
                usleep(20_000)
                return !stream.isRunning
            }
            #expect(came)
            let written = [UInt8](try Data(contentsOf: URL(filePath: file)))
            Self.expectTame(written, "drops")
            #expect(String(decoding: written, as: UTF8.self).contains(form.isEmpty ? "# \\x1b[2J" : "\\u001b[2J"))
        }

        @Test func problemsOfAPolicyAreWrittenOut() throws {
            let tests = try Place()
            let feed = try tests.site.lab.file("feed.txt", "")
            // Among others, a line that is not UTF-8.
            let lines = Array("\(Self.hostile)\n192.0.2.1\n".utf8) + [0xff, 0xfe, 0x1b, 0x0a]
            try Data(lines).write(to: URL(filePath: feed))
            let policy = try tests.site.lab.file(
                "broken.yaml",
                """
                version: 1
                "\(Self.yaml)": 1
                ports: { uplink: { interface: "\(Self.yaml)", protects: host, netns: "\(Self.yaml)" } }
                groups: { listed: { files: ["\(feed)", "/nowhere/\(Self.yaml)"] } }
                include: ["/nowhere/\(Self.yaml)"]
                rules:
                  - { name: "\(Self.yaml)", from: "\(Self.yaml)", action: "\(Self.yaml)", service: "\(Self.yaml)" }

                """)
            try tests.tame(["check", policy], says: #"unknown key "\x1b[2J\x07\r\nFORGED"#)
            try tests.tame(["apply", policy], says: #"feed.txt:1:1"#)
            try tests.tame(["explain", "203.0.113.9", "192.0.2.2", "udp/7", "--policy", policy])
            try tests.site.bulkhead.apply(tests.policy)
            try tests.tame(["group", "add", "listed", "--file", feed], says: "feed.txt:1:1: this line is no address")
        }

        /// `show` gives a file back unchanged, but a terminal gets only what can be shown.
        @Test func showIsForReadersOfBothKinds() throws {
            let tests = try Place()
            try tests.site.bulkhead.apply(tests.policy)
            let (_, piped) = try tests.bytes(tests.site.bulkhead.command(["show"]))
            #expect(piped == [UInt8](try Data(contentsOf: URL(filePath: tests.policy))))
            let command = tests.site.bulkhead.command(["show"]).joined(separator: " ")
            let (_, terminal) = try tests.bytes(["script", "-qec", command, "/dev/null"])
            // The terminal driver ends lines with a carriage return.
            Self.expectTame(terminal.filter { $0 != 0x0d }, "show on a terminal")
            #expect(String(decoding: terminal, as: UTF8.self).contains("version: 1  # \\u{202e}"))
            try tests.tame(["show", "--json"])
        }
    }
}
