// SPDX-License-Identifier: Apache-2.0
import Network
import Policy
import Testing
import Wire

@testable import Commands
@testable import Compiler
@testable import Control
@testable import Datapath
@testable import Simulation

/// The contract's JSON, byte for byte.
@Suite struct GoldenTests {
    private let uplink = Port(name: "uplink", interface: "eth0", protects: .host)
    private let web = Port(name: "web-1", interface: "tap-web1", namespace: "blue", protects: .workload)

    @Test func check() {
        let diagnostics = [
            Diagnostic(.error, at: SourceLocation(file: "policy.yaml", line: 3, column: 7), "unknown key \"rule\""),
            Diagnostic(
                .warning, at: SourceLocation(file: "teams/a.yaml", line: 9, column: 1), "never matches", rule: "late"),
        ]
        #expect(
            "\(CheckReport(diagnostics: diagnostics, ports: [], rules: nil).json(isStrict: false))" == """
                {"valid": false, "diagnostics": [{"severity": "error", "file": "policy.yaml", "line": 3, "column": 7, \
                "message": "unknown key \\"rule\\""}, {"severity": "warning", "file": "teams/a.yaml", "line": 9, \
                "column": 1, \
                "message": "never matches", "rule": "late"}], "ports": []}
                """)
    }

    @Test func apply() {
        let result = ApplyReport(
            generation: 3, changed: true, rules: 5,
            ports: [
                .init(port: uplink, mode: .xdpNative, isMissing: false),
                .init(port: web, mode: nil, isMissing: true),
            ], loadMilliseconds: 2.5, memoryBytes: 4096)
        #expect(
            "\(result.json(compiling: .microseconds(1500)))" == """
                {"generation": 3, "changed": true, "rules": 5, "ports": [{"name": "uplink", "interface": "eth0", \
                "netns": null, \
                "mode": "xdp-native"}, {"name": "web-1", "interface": "tap-web1", "netns": "blue", "mode": null}], \
                "compileMs": 1.5, "loadMs": 2.5, "memoryBytes": 4096, "trialUntil": null}
                """)
    }

    @Test func counters() {
        let counters = Counters(
            time: 1_767_323_045_000_001_000, generation: 3,
            ports: [
                .init(
                    port: Port(name: "web-1", interface: "tap-web1", protects: .workload), direction: .in,
                    accepted: Count(packets: 10, bytes: 840), dropped: Count(packets: 2, bytes: 120),
                    drops: [.init(reason: .rule, packets: 1), .init(reason: .default, packets: 1)],
                    accepts: [.init(reason: .essential, packets: 10)])
            ],
            removed: (Count(packets: 5, bytes: 300), Count(packets: 6, bytes: 360)),
            rules: [.init(name: "web-https", count: Count(packets: 9, bytes: 780))],
            events: .init(
                emitted: 1, suppressed: 1, lost: 0, acceptsEmitted: 4, acceptsSuppressed: 5, acceptsLost: 6, unjudged: 7
            ),
            flows: .init(used: 1, capacity: 2, opened: 3, adopted: 4, expired: 5, evicted: 6, refused: 7, ended: 8))
        #expect(
            "\(counters.json)" == """
                {"time": "2026-01-02T03:04:05.000001Z", "generation": 3, "ports": [{"name": "web-1", \
                "interface": "tap-web1", "netns": null, "direction": "in", \
                "accepted": {"packets": 10, "bytes": 840}, "dropped": {"packets": 2, "bytes": 120}, \
                "reasons": {"rule": 1, "default": 1}, "acceptReasons": {"essential": 10}, \
                "unanswered": 0}], \
                "rules": [{"name": "web-https", "layer": null, "packets": 9, "bytes": 780}], \
                "events": {"emitted": 1, "suppressed": 1, "lost": 0, \
                "accepts": {"emitted": 4, "suppressed": 5, "lost": 6}, "unjudged": 7}, \
                "flows": {"used": 1, "capacity": 2, "opened": 3, "adopted": 4, "expired": 5, "evicted": 6, \
                "refused": 7, "ended": 8}, \
                "removed": {"accepted": {"packets": 5, "bytes": 300}, "dropped": {"packets": 6, "bytes": 360}}}
                """)
    }

    @Test func status() throws {
        let member = try Prefix(parsing: "192.0.2.0/24")
        let status = Status(
            instance: "bulkhead", generation: 3, file: "policy.yaml", sha256: "ab12", loadedAt: 0,
            ports: [
                .init(
                    port: uplink, interfaceIndex: 2, mode: .xdpNative, hooks: ["xdp", "tc-ingress", "tc-egress"],
                    state: .enforcing, ahead: ["other"],
                    problems: [], device: 1, record: 0),
                .init(
                    port: web, interfaceIndex: nil, mode: nil, hooks: [], state: .missing, ahead: [],
                    problems: ["gone"], uncovered: ["tap9"],
                    device: 2,
                    record: 3, guards: [.mac, .ra]),
            ], bridges: [.init(name: "br0", namespace: nil, uncovered: ["eth1"])], memoryBytes: 4096,
            classifier: .init(tier: .lists, rules: 5, addressClasses: 4, cells: 3, bytes: 2048),
            flows: .init(used: 1, capacity: 2), readers: 0, quarantine: ["web-2"],
            groups: [
                .init(
                    name: "blocked", maximum: 100, timeout: 3_600_000_000_000,
                    members: [.init(prefix: member, left: nil)]),
                .init(name: "friends", maximum: 65536, timeout: nil, members: []),
            ])
        #expect(
            "\(status.json)" == """
                {"instance": "bulkhead", "generation": 3, "policy": {"file": "policy.yaml", "sha256": "ab12"}, \
                "trialUntil": null, "trial": null, "ports": [{"name": "uplink", "interface": "eth0", "netns": null, \
                "ifindex": 2, \
                "protects": "host", "mode": "xdp-native", "hooks": ["xdp", "tc-ingress", "tc-egress"], \
                "state": "enforcing", "ahead": ["other"], "problems": [], "guards": []}, {"name": "web-1", \
                "interface": "tap-web1", \
                "netns": "blue", "ifindex": null, "protects": "workload", "mode": null, "hooks": [], "state": \
                "missing", \
                "ahead": [], "problems": ["gone"], "guards": ["mac", "ra"], "uncovered": ["tap9"]}], \
                "classifier": {"tier": "lists", "rules": 5, "addressClasses": 4, "cells": 3, \
                "bitmapItems": 0, "bytes": 2048}, \
                "flows": {"used": 1, "capacity": 2}, \
                "quarantine": ["web-2"], "groups": [{"name": "blocked", "members": 1, "max": 100, "timeout": 3600}, \
                {"name": "friends", "members": 0, "max": 65536, "timeout": null}], \
                "bridges": [{"name": "br0", "netns": null, "uncovered": ["eth1"]}], \
                "notAdmitted": [], "asIntended": false}
                """)
        let text = status.words(.plain).text
        #expect(text.contains("web-1: pass unjudged: tap9\n"), "\(text)")
        #expect(text.contains("bridge br0: no entry means its members eth1\n"), "\(text)")
    }

    @Test func quarantine() {
        let report = QuarantineReport(names: ["guests/tap9"], ports: ["guests/tap9"], changed: true)
        #expect(
            "\(report.json("bulkhead", "quarantined"))" == """
                {"instance": "bulkhead", "quarantined": ["guests/tap9"], "ports": ["guests/tap9"], "changed": true}
                """)
    }

    @Test func showOfOneFileIsItsText() {
        var policy = PolicyText(
            generation: 3, files: [SourceFile(name: "policy.yaml", text: "version: 1")], sha256: "ab12")
        #expect(policy.words(isTerminal: false) == "version: 1\n")
        #expect(
            "\(policy.json)"
                == #"{"generation": 3, "sha256": "ab12", "files": [{"name": "policy.yaml", "text": "version: 1"}]}"#)
        policy.files.append(SourceFile(name: "b.yaml", text: "rules: []\n"))
        #expect(policy.words(isTerminal: false) == "# ---- policy.yaml\nversion: 1\n\n# ---- b.yaml\nrules: []\n")
    }

    @Test func explain() {
        let place = SourceLocation(file: "policy.yaml", line: 31, column: 0)
        let outcome = Simulator.Outcome(
            verdict: .drop, reason: .default, source: place, generation: 3, direction: .in, returned: 2,
            packet: Packet())
        var accepted = outcome
        accepted.verdict = .accept
        accepted.reason = .rule
        accepted.decided = ImageView.RuleRecord(
            name: "web-out", location: place, action: .accept, log: false, isStateless: false, isLimited: true,
            connections: RuleConnections(maximum: 20, per: .source), asksMembers: true,
            expires: Timestamp(nanoseconds: 1_900_000_000_000_000_000), counter: 0, number: 0,
            term: 0,
            note: RuleNote(comment: "for updates", meta: [.init(key: "owner", value: "ops")]))
        let hops = [Explanation.Hop(port: "web-1", .out, accepted), .init(port: "db-1", .in, outcome)]
        let explanation = Explanation(ways: [.init(hops: hops)], generation: 3)
        let judged = """
            [{"port": "web-1", "direction": "out", "verdict": "accept", "reason": "rule", \
            "rule": "web-out", "layer": null, "tag": null, "source": "policy.yaml:31", "comment": "for updates", \
            "meta": {"owner": "ops"}, "limited": true, "dynamic": true, \
            "connections": {"max": 20, "per": "source"}, "starts": null, \
            "expires": "2030-03-17T17:46:40.000000Z", "tried": []}, \
            {"port": "db-1", "direction": "in", "verdict": "drop", "reason": "default", "rule": null, "layer": null, \
            "tag": null, "source": "policy.yaml:31", "comment": null, "meta": null, "limited": false, \
            "dynamic": false, "connections": null, "starts": null, "expires": null, "tried": []}]
            """
        #expect(
            "\(explanation.json)" == """
                {"verdict": "drop", "hops": \(judged), "generation": 3}
                """)
    }
}
