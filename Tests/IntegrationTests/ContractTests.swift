// SPDX-License-Identifier: Apache-2.0
import Capture
import Foundation
import Network
import TestSupport
import Testing

extension Integration {
    /// The fields of `--json` that others may rely on, of real commands.
    @Suite(.serialized) struct ContractTests {
        private static let policy = """
            version: 1
            ports:
              uplink: { interface: up0, protects: host }
            defaults: { in: drop, out: accept }
            layers:
              - name: first
                rules:
                  - { name: seen, service: udp/7, action: log, tag: echo, comment: odd, meta: { owner: ops } }
            rules:
              - { name: web, service: tcp/80, direction: in, action: accept }
              - { name: bad, from: 203.0.113.9, direction: in, action: drop }
            """
        /// What the policy becomes: a port comes, a rule goes, and other traffic passes.
        private static let changed = policy.replacing("tcp/80", with: "tcp/81")
            .replacing("protects: host }\n", with: "protects: host }\n  new: { interface: tap9, protects: workload }\n")

        private static let port = """
            "name": "text", "interface": "text", "netns": "text?"
            """
        private static let count = #"{"packets": "number", "bytes": "number"}"#
        private static let event = """
            {"time": "text", "port": "text", "interface": "text", "netns": "text?", "direction": "text",
             "verdict": "text", "reason": "text", "rule": "text?", "layer": "text?", "tag": "text?", "source": "text",
             "generation": "number", "srcMac": "text", "dstMac": "text", "etherType": "number", "vlan": "number?",
             "src": "text", "dst": "text", "protocol": "text", "sport": "number", "dport": "number",
             "tcpFlags": "text?", "icmpType": "number?", "icmpCode": "number?", "length": "number"}
            """
        private static let shapes = [
            "check": """
            {"valid": "flag", "diagnostics": [{"severity": "text", "file": "text", "line": "number",
             "column": "number", "message": "text", "code": "text", "by": ["text"],
             "example": {"from": "text", "to": "text", "service": "text", "port": "text?", "direction": "text?"}}]}
            """,
            "apply": """
            {"generation": "number", "changed": "flag", "rules": "number",
             "ports": [{\(port), "mode": "text?"}], "compileMs": "number", "loadMs": "number",
             "memoryBytes": "number", "trialUntil": "text?"}
            """,
            "counters": """
            {"time": "text", "generation": "number",
             "ports": [{\(port), "direction": "text", "accepted": \(count), "dropped": \(count), "reasons": {}}],
             "rules": [{"name": "text", "layer": "text", "packets": "number", "bytes": "number"}],
             "events": {"emitted": "number", "suppressed": "number", "lost": "number"}}
            """,
            "status": """
            {"instance": "text", "generation": "number", "policy": {"file": "text", "sha256": "text"},
             "trialUntil": "text", "trial": {"generation": "number", "base": "number", "until": "text"},
             "ports": [{\(port), "ifindex": "number?", "protects": "text", "mode": "text?", "hooks": ["text"],
             "state": "text", "ahead": ["text"]}]}
            """,
            "explain": """
            {"verdict": "text", "hops": [{"port": "text", "direction": "text", "verdict": "text",
             "reason": "text", "rule": "text?", "layer": "text?", "source": "text"}], "generation": "number"}
            """,
            "replay": """
            {"packet": "number", "direction": "text", "verdict": "text", "reason": "text", "rule": "text?",
             "layer": "text?"}
            """,
            "diff": """
            {"rules": [{"name": "text", "change": "text"}], "ports": [{"name": "text", "change": "text"}],
             "traffic": [{"from": ["text"], "to": ["text"], "service": ["text"], "port": "text",
             "direction": "text", "old": "text", "new": "text",
             "example": {"from": "text", "to": "text", "service": "text"}}],
             "flowsEnded": [{"port": "text", "from": "text", "to": "text", "service": "text"}]}
            """,
            "reach": """
            {"rows": [{"from": ["text"], "to": ["text"], "service": ["text"], "ports": ["text"],
             "rules": ["text"]}]}
            """,
            "log": """
            {"generations": [{"generation": "number", "time": "text", "user": "text", "file": "text",
             "sha256": "text", "message": "text?", "rules": "number", "inForce": "flag"}]}
            """,
        ]

        private let site: UplinkSite
        private let file: String
        private let next: String

        init() throws {
            site = try UplinkSite()
            file = try site.lab.file("policy.yaml", Self.policy)
            next = try site.lab.file("next.yaml", Self.changed)
            try site.bulkhead.apply(file)
        }

        /// - Parameter status: What the command exits with.
        private func expect(
            _ words: [String], status: Int32 = 0, sourceLocation: SourceLocation = #_sourceLocation
        ) throws {
            let result = try Shell.run(site.bulkhead.command(words + ["--json"]))
            #expect(result.status == status, "\(words): \(result.errors)", sourceLocation: sourceLocation)
            let shape = try JSONShape(try #require(Self.shapes[words[0]]))
            // A document in one line, or one in each line.
            for line in result.lines {
                let differences = try shape.differences(line)
                #expect(differences == [], "\(words): \(line)", sourceLocation: sourceLocation)
            }
            #expect(!result.lines.isEmpty, sourceLocation: sourceLocation)
        }

        @Test func aPolicysFindings() throws {
            let odd = try site.lab.file(
                "odd.yaml",
                """
                version: 1
                ports: { uplink: { interface: up0, protects: host } }
                rules: [ { name: ssh, to: host, service: tcp/22, direction: in, action: accept } ]
                assertions: [ { name: closed, to: host, service: tcp/22, expect: drop } ]
                """)
            try expect(["check", odd], status: 1)
        }

        @Test func theStateOfTheKernel() throws {
            let raw = try PacketSocket(site.network, "net0")
            try raw.send(Frame(Datagram("192.0.2.1", "192.0.2.2", .tcp(40000, 80)), to: site.mac))
            try raw.send(site.probe(to: 9))
            try expect(["apply", file])
            try expect(["counters"])
            try expect(["diff", next])
            try expect(["apply", next, "--trial", "10m"])
            try expect(["status"])
            try expect(["log"])
        }

        @Test func questions() throws {
            try expect(["explain", "203.0.113.9", "192.0.2.2", "udp/7"])
            try expect(["reach", "--to", "any", "--service", "tcp/80"])
            let path = try site.lab.file("trace.pcap", "")
            var writer = try CaptureWriter(path: path)
            for port: UInt16 in [7, 80] { try writer.write(CapturedFrame(bytes: site.probe(to: port).bytes)) }
            try expect(["replay", path, "--port", "uplink", "--direction", "in"])
        }

        @Test func events() throws {
            let reader = try site.bulkhead.drops("--all", "--count", "2")
            let raw = try PacketSocket(site.network, "net0")
            try raw.send(site.probe(to: 7, sender: "203.0.113.9"))
            #expect(poll(seconds: 10) { !reader.isRunning })
            let lines = try reader.wait().lines
            #expect(lines.count == 2)
            let expected = [
                #""verdict": "log", "reason": "rule", "rule": "seen", "layer": "first", "tag": "echo""#,
                #""verdict": "drop", "reason": "rule", "rule": "bad", "layer": "rules", "tag": null"#,
            ]
            for (line, words) in zip(lines, expected) { #expect(line.contains(words), "\(line)") }
            for line in lines { #expect(try JSONShape(Self.event).differences(line) == []) }
        }
    }
}
