// SPDX-License-Identifier: Apache-2.0
import Datapath
import Foundation
import Libbpf
import Network
import TestSupport
import Testing

extension Integration {
    /// `shadow`: what another policy would do with live traffic, and that nothing comes of it.
    @Suite(.serialized) struct ShadowTests {
        /// A line of `shadow --json`.
        private struct Line: Decodable {
            struct Said: Decodable, Equatable {
                var verdict: String
                var reason: String?
                var rule: String?
                var source: String?
                var may: Bool
            }
            struct Total: Decodable {
                var old: Said
                var new: Said
                var direction: String
                var packets: Int
                var bytes: Int
            }
            var port: String?
            var verdict: String?
            var reason: String?
            var rule: String?
            var source: String?
            var dport: Int?
            var shadow: Said?
            var generation: Int
            var compared: Int?
            var changed: Int?
            var emitted: Int?
            var totals: [Total]?
        }

        private let site: UplinkSite
        private let raw: PacketSocket

        init() throws {
            site = try UplinkSite()
            raw = try PacketSocket(site.network, "net0")
        }

        private func apply(mode: String = "tc") throws {
            try site.bulkhead.apply(
                try site.policy(
                    """
                      - { name: web, service: [tcp/80, udp/2000], action: accept }
                      - { name: shut, service: udp/3000, action: drop }
                    """, port: "mode: \(mode)"))
        }

        private func other(_ rules: String) throws -> String { try site.policy(rules, name: "other.yaml") }

        private var opposite: String {
            get throws {
                try other(
                    """
                      - { name: shut, service: udp/3000, action: accept }
                      - { name: web, service: [tcp/80, udp/2000], action: drop }
                    """)
            }
        }

        /// A running shadow; returns once it compares.
        private func start(_ words: String...) throws -> Command {
            let command = try site.bulkhead.start(["shadow"] + words)
            let begun = poll(seconds: 30) { !command.isRunning || command.errors.contains("comparing with") }
            try #require(begun && command.isRunning, "the shadow did not begin: \(command.errors)")
            return command
        }

        private func lines(_ result: CommandResult) throws -> [Line] {
            try result.output.split(separator: "\n").map { try JSONDecoder().decode(Line.self, from: Data($0.utf8)) }
        }

        /// The program of a shadow that stands behind that of a hook, as the kernel numbers it; nil: none.
        private func shadowProgram(_ hook: HookName) throws -> UInt32? {
            try callOfShadow(hook).lookup(0, as: UInt32.self)
        }

        /// The array in which it stands.
        private func callOfShadow(_ hook: HookName) throws -> Map {
            let maps = try Instance(site.bulkhead.instance).openMaps()
            let id = try #require(
                try maps[hook == .xdp ? .xdpPrograms : .tcPrograms].lookup(hook.number, as: UInt32.self))
            return try #require(try Program(id: id, name: "main").maps.first { $0.info.name == "shadow_call" })
        }

        private func isOn() throws -> Bool {
            try Stamp(try Instance(site.bulkhead.instance).openMaps()).hasShadow
        }

        @Test(arguments: ["tc", "xdp"]) func whatWouldChangeIsToldAndNothingElse(mode: String) throws {
            try apply(mode: mode)
            // Somebody listens, so the host does not answer with errors, which would be compared too.
            let server = try IPSocket.bound(site.host, .udp, UplinkSite.v4.host, 2000)
            defer { withExtendedLifetime(server) {} }
            let shadow = try start(try opposite, "--json")
            for port in [2000, 3000, 4000, 2000] as [UInt16] { try raw.send(site.probe(to: port)) }
            _ = poll(seconds: 5) { shadow.output.utf8.count { $0 == 10 } >= 3 }
            let result = try shadow.interrupt()
            #expect(result.status == 0, "\(result.errors)")
            let lines = try lines(result)
            let events = lines.filter { $0.shadow != nil }
            #expect(events.map(\.dport) == [2000, 3000, 2000])
            #expect(events.map(\.verdict) == ["accept", "drop", "accept"])
            #expect(events.map(\.rule) == ["web", "shut", "web"])
            #expect(events.allSatisfy { $0.source?.contains("policy.yaml:") == true && $0.port == "uplink" })
            #expect(events.map(\.shadow?.verdict) == ["drop", "accept", "drop"])
            #expect(events.map(\.shadow?.rule) == ["web", "shut", "web"])
            #expect(events.allSatisfy { $0.shadow?.source?.contains("other.yaml:") == true && $0.shadow?.may == false })
            let summary = try #require(lines.last)
            #expect(summary.changed == 3 && summary.emitted == 3 && (summary.compared ?? 0) >= 4)
            let totals = try #require(summary.totals)
            let said = totals.map { total in
                let (old, new) = (total.old, total.new)
                return "\(old.verdict) \(old.reason ?? "-") \(old.rule ?? "-") > "
                    + "\(new.verdict) \(new.reason ?? "-") \(new.rule ?? "-"): \(total.packets)"
            }
            #expect(
                Set(said) == [
                    "accept rule web > drop rule web: 1", "accept established web > drop policy-changed web: 1",
                    "drop rule shut > accept rule shut: 1",
                ])
            // The policy in force has judged and counted all of it, as if nobody had asked.
            let counters = try site.bulkhead.counters()
            #expect(try counters.rule("web").packets == 2 && counters.rule("shut").packets == 1)
            #expect(try counters.port("uplink", "in").dropped.packets == 2)
            #expect(try !isOn())
        }

        @Test func aConnectionThatWouldBeCutIsTold() throws {
            try apply()
            let server = try IPSocket.bound(site.host, .tcp, UplinkSite.v4.host, 80)
            let client = try IPSocket.connected(site.network, .tcp, UplinkSite.v4.host, 80)
            let accepted = try server.accept()
            let shadow = try start(try opposite, "--json", "--count", "1")
            try client.send([1, 2, 3])
            let result = try shadow.wait(seconds: 10)
            #expect(result.status == 0, "\(result.errors)")
            let event = try #require(try lines(result).first)
            #expect([event.verdict, event.reason, event.rule] == ["accept", "established", "web"])
            let said = try #require(event.shadow)
            #expect([said.verdict, said.reason, said.rule] == ["drop", "policy-changed", "web"])
            // It goes on.
            #expect(try accepted.receive() == [1, 2, 3])
        }

        @Test func forPeopleItIsALineAndATable() throws {
            try apply()
            let shadow = try start(try opposite, "--count", "1")
            try raw.send(site.probe(to: 3000))
            let result = try shadow.wait(seconds: 10)
            #expect(result.status == 0, "\(result.errors)")
            let lines = result.output.split(separator: "\n").map(String.init)
            try #require(lines.count == 4, "\(result.output)")
            let change = " DROP -> ACCEPT in uplink(up0) udp 192.0.2.1:40000 > 192.0.2.2:3000"
            #expect(lines[0].contains(change), "\(lines[0])")
            #expect(lines[0].contains("rule shut") && lines[0].contains("other.yaml:5"), "\(lines[0])")
            #expect(lines[1].hasSuffix("compared with generation 1, 1 would be judged otherwise"), "\(lines[1])")
            #expect(lines[2].hasPrefix("PACKETS"))
            #expect(lines[3].contains("drop -> accept"))
        }

        @Test func aKilledCommandLeavesNothing() throws {
            try apply()
            let shadow = try start(try opposite)
            let program = try #require(try shadowProgram(.tcIngress))
            #expect(try isOn())
            let pins = try Shell.check("find", "/sys/fs/bpf/\(site.bulkhead.instance)", "-name", "*shadow*")
            #expect(pins.split(separator: "\n").allSatisfy { $0.hasSuffix("/readers/shadow") }, "\(pins)")
            shadow.signal(SIGKILL)
            _ = try shadow.wait()
            // The kernel takes it out of the array by a worker of its own, and frees it after the last packet that it
            // judged.
            #expect(try poll(seconds: 10) { try shadowProgram(.tcIngress) == nil })
            let isGone = try poll(seconds: 10) { try Program.info(id: program) == nil }
            #expect(isGone)
            // The next packet finds nothing there, and takes the flag back.
            try raw.send(site.probe(to: 2000))
            #expect(try poll(seconds: 5) { try !isOn() })
            // Another one can begin.
            #expect(try start(try opposite).interrupt().status == 0)
        }

        /// The kernel may still be emptying the array after an earlier shadow when the next one begins.
        @Test func aShadowThatWasTakenOutComesBack() throws {
            try apply()
            let shadow = try start(try opposite, "--json", "--count", "1")
            try callOfShadow(.tcIngress).delete(0)
            #expect(try poll(seconds: 10) { try shadowProgram(.tcIngress) != nil })
            try raw.send(site.probe(to: 3000))
            let result = try shadow.wait(seconds: 10)
            #expect(result.status == 0, "\(result.errors)")
            #expect(try lines(result).first?.rule == "shut")
        }

        @Test func aCommandThatStandsStillLosesItsLease() throws {
            try apply()
            let shadow = try start(try opposite)
            shadow.signal(SIGSTOP)
            let isOver = try poll(seconds: 15) {
                try raw.send(site.probe(to: 4000))
                return try !isOn()
            }
            #expect(isOver)
            shadow.signal(SIGCONT)
            #expect(try poll(seconds: 10) { try isOn() })
            #expect(try shadow.interrupt().status == 0)
            #expect(try !isOn())
        }

        @Test func thereIsOneAtATime() throws {
            try apply()
            let shadow = try start(try opposite)
            let second = try site.bulkhead.run("shadow", try opposite)
            #expect(second.status == 1 && second.output.isEmpty)
            #expect(second.errors.contains("is running already"), "\(second.errors)")
            #expect(try shadow.interrupt().status == 0)
        }

        @Test func anotherPolicyEndsIt() throws {
            try apply()
            let shadow = try start(try opposite)
            try raw.send(site.probe(to: 2000))
            try site.bulkhead.apply(try opposite)
            let result = try shadow.wait(seconds: 10)
            #expect(result.status == 1)
            #expect(result.output.contains("accept -> drop"), "\(result.output)")
            #expect(result.errors.contains("generation 2 judges now, not 1"), "\(result.errors)")
            #expect(try !isOn())
        }

        @Test func aTrialIsComparedUntilItGoesBack() throws {
            try apply()
            let trial = try site.bulkhead.run("apply", try opposite, "--trial", "60s")
            #expect(trial.status == 0, "\(trial.errors)")
            let same = try site.policy("  - { name: none, service: udp/1, action: drop }", name: "third.yaml")
            let shadow = try start(same, "--json")
            try raw.send(site.probe(to: 3000))
            #expect(poll(seconds: 5) { shadow.output.contains("\"generation\": 2") }, "\(shadow.output)")
            let back = try site.bulkhead.run("rollback")
            #expect(back.status == 0, "\(back.errors)")
            let result = try shadow.wait(seconds: 10)
            #expect(result.status == 1 && result.errors.contains("generation 1 judges now, not 2"), "\(result.errors)")
        }

        @Test func takingTheInstanceOutEndsIt() throws {
            try apply()
            let shadow = try start(try opposite)
            #expect(try site.bulkhead.run("detach", "--all").status == 0)
            let result = try shadow.wait(seconds: 10)
            #expect(result.status == 1 && result.errors.contains("taken out of the kernel"), "\(result.errors)")
        }
    }
}
