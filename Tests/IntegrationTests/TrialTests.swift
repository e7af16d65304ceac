// SPDX-License-Identifier: Apache-2.0
import Foundation
import Network
import TestSupport
import Testing

extension Integration {
    /// A trial on real devices: the kernel ends it, whatever lives or does not.
    @Suite(.serialized) struct TrialTests {
        private static let host = UplinkSite.v4.host

        private static func rule(_ port: Int, _ more: String = "") -> String {
            "  - { name: r\(port), service: tcp/\(port), action: accept\(more) }"
        }

        /// A listener on each of two ports, and a policy for each.
        private final class Place {
            let site: UplinkSite
            let listeners: [IPSocket]

            init(_ ports: [UInt16] = [80, 81]) throws {
                site = try UplinkSite()
                listeners = try ports.map { [site] in try IPSocket.bound(site.host, .tcp, TrialTests.host, $0) }
            }

            func policy(_ port: Int, _ more: String = "") throws -> String {
                try site.policy(TrialTests.rule(port, more), name: "policy\(port).yaml")
            }

            func opens(_ port: UInt16) -> Bool { site.network.connects(to: TrialTests.host, port) }

            @discardableResult
            func tryOut(_ policy: String, _ duration: String) throws -> Applied {
                try site.bulkhead.json(Applied.self, "apply", "--trial", duration, policy)
            }

            func status() throws -> Tried { try site.bulkhead.json(Tried.self, "status") }
        }

        /// A connection whose ends send each other bytes.
        private struct Connection {
            let client: IPSocket
            let server: IPSocket

            init(_ place: Place, _ listener: Int, _ port: UInt16) throws {
                client = try IPSocket.connected(place.site.network, .tcp, TrialTests.host, port)
                server = try place.listeners[listener].accept()
            }

            func passes(_ byte: UInt8, milliseconds: Int32 = 400) throws -> Bool {
                try client.send([byte])
                return try server.receive(milliseconds: milliseconds) == [byte]
            }
        }

        @Test func itEndsByItselfAndStatusTells() throws {
            let place = try Place()
            try place.site.bulkhead.apply(try place.policy(80))
            #expect(try place.status().trial == nil)
            let before = Date()
            let applied = try place.tryOut(try place.policy(81), "1m")
            #expect(applied.generation == 2 && applied.changed)
            let status = try place.status()
            let trial = try #require(status.trial)
            #expect(status.generation == 2 && trial.generation == 2 && trial.base == 1)
            #expect(status.trialUntil == trial.until)
            let words = try place.site.bulkhead.run("status").output
            #expect(words.contains(/on trial for [1-6]?[0-9] s more, until [^ ]+Z; then generation 1 is/), "\(words)")
            let until = try Date(trial.until, strategy: Date.ISO8601FormatStyle(includingFractionalSeconds: true))
            #expect(until > before.addingTimeInterval(59.5) && until < Date().addingTimeInterval(60.1))
            #expect(!place.opens(80))
            #expect(place.opens(81))
            let rehearsed = try place.site.bulkhead.run("apply", "--dry-run", try place.policy(82))
            #expect(rehearsed.status == 0 && rehearsed.errors.contains("would be refused: generation 2 is on trial"))
            #expect(try place.site.bulkhead.run("show").output.contains("tcp/81"))
            #expect(try place.site.bulkhead.log().map(\.inForce) == [true, false])
            try place.site.bulkhead.letTrialEnd()
            #expect(try place.status().generation == 1)
            #expect(try place.status().trial == nil)
            #expect(place.opens(80))
            #expect(!place.opens(81))
            #expect(try place.site.bulkhead.run("show").output.contains("tcp/80"))
            #expect(try place.site.bulkhead.log().map(\.inForce) == [false, true])
            // What was tried can be brought back by its number, and its number is not used again.
            #expect(try place.site.bulkhead.apply(try place.policy(82)).generation == 3)
            #expect(try place.site.bulkhead.log().map(\.generation) == [3, 2, 1])
            #expect(try place.site.bulkhead.json(Applied.self, "rollback").generation == 4)
            #expect(place.opens(80))
            #expect(try place.site.bulkhead.json(Applied.self, "rollback", "2").generation == 5)
            #expect(place.opens(81))
        }

        @Test func itEndsAtItsTime() throws {
            let place = try Place()
            try place.site.bulkhead.apply(try place.policy(80))
            let before = Date()
            try place.tryOut(try place.policy(81), "2s")
            #expect(poll(seconds: 10) { place.opens(80) })
            #expect(Date() >= before.addingTimeInterval(1.95))
            #expect(!place.opens(81))
            #expect(try place.status().generation == 1)
        }

        @Test func whatIsConfirmedStays() throws {
            let place = try Place()
            let bulkhead = place.site.bulkhead
            #expect(try bulkhead.run("confirm").status == 1)
            try bulkhead.apply(try place.policy(80))
            let none = try bulkhead.run("confirm")
            #expect(none.status == 1 && none.errors.contains("no trial is open"), "\(none.errors)")
            try place.tryOut(try place.policy(81), "1h")
            let other = try bulkhead.run("confirm", "1")
            #expect(other.status == 1 && other.errors.contains("generation 1 is not on trial"), "\(other.errors)")
            let third = try place.policy(82)
            for words in [["apply", third], ["rollback", "1"], ["apply", "--trial", "9s", third]] {
                let refused = try Shell.run(bulkhead.command(words))
                #expect(refused.status == 1 && refused.errors.contains("is on trial for"), "\(refused.errors)")
                #expect(refused.errors.contains("bulkhead confirm"), "\(refused.errors)")
            }
            #expect(try bulkhead.run("confirm", "2").status == 0)
            #expect(try place.status().trial == nil)
            try bulkhead.letTrialEnd()
            #expect(try place.status().generation == 2)
            #expect(place.opens(81))
            #expect(!place.opens(80))
            #expect(try bulkhead.log().map(\.inForce) == [true, false])
            #expect(try bulkhead.run("confirm").status == 1)
            #expect(try Shell.check("ls", "/sys/fs/bpf/\(bulkhead.instance)/history") == "1\n2\n")
            // The next rollback goes to what was confirmed before.
            #expect(try bulkhead.json(Applied.self, "rollback").generation == 3)
            #expect(place.opens(80))
        }

        @Test func rollbackEndsItAtOnceAndGoesNoFurther() throws {
            let place = try Place([80, 81, 82])
            let bulkhead = place.site.bulkhead
            try bulkhead.apply(try place.policy(82))
            try bulkhead.apply(try place.policy(80))
            try place.tryOut(try place.policy(81), "1h")
            #expect(place.opens(81))
            let ended = try bulkhead.run("rollback")
            #expect(ended.status == 0 && ended.output.contains("generation 2 is in force again"), "\(ended)")
            #expect(place.opens(80))
            #expect(!place.opens(81))
            #expect(try place.status().generation == 2)
            // One that has ended by itself, and is not settled yet, is not rolled back any further either.
            try place.tryOut(try place.policy(81), "1h")
            try bulkhead.letTrialEnd()
            #expect(try place.status().generation == 2)
            let late = try bulkhead.run("rollback")
            #expect(late.status == 0 && late.output.contains("had ended by itself"), "\(late)")
            #expect(try place.status().generation == 2)
            let confirmed = try bulkhead.run("confirm")
            #expect(confirmed.status == 1 && confirmed.errors.contains("no trial is open"))
            // Without a trial it goes on as ever.
            #expect(try bulkhead.json(Applied.self, "rollback").generation == 5)
            #expect(place.opens(82))
        }

        @Test func aLateConfirmIsRefusedOnceAPacketSawTheBase() throws {
            let place = try Place()
            try place.site.bulkhead.apply(try place.policy(80))
            try place.tryOut(try place.policy(81), "1h")
            try place.site.bulkhead.letTrialEnd()
            #expect(place.opens(80))
            let late = try place.site.bulkhead.run("confirm")
            #expect(late.status == 1 && late.errors.contains("generation 1 is in force again"), "\(late.errors)")
            #expect(try place.status().generation == 1)
        }

        /// Before a first trial everything passes, and so it does after it.
        @Test func aFirstTrialRevertsToPassing() throws {
            let place = try Place()
            let bulkhead = place.site.bulkhead
            #expect(place.opens(80) && place.opens(81))
            let words = try bulkhead.run("apply", "--trial", "1h", try place.policy(81))
            #expect(words.status == 0 && words.output.contains("everything passes again"), "\(words)")
            #expect(try place.status().trial?.base == nil)
            #expect(!place.opens(80))
            try bulkhead.letTrialEnd()
            #expect(place.opens(80))
            let status = try bulkhead.run("status")
            #expect(status.status == 1)
            #expect(status.errors.contains("the trial of generation 1 has ended"), "\(status.errors)")
            #expect(try bulkhead.run("rollback").status == 0)
            #expect(try Shell.check("ls", "/sys/fs/bpf/\(bulkhead.instance)/links") == "")
            #expect(try bulkhead.apply(try place.policy(80)).generation == 2)
            #expect(!place.opens(81))
            #expect(try bulkhead.run("detach", "--all").status == 0)
            // And without a command in between.
            try place.tryOut(try place.policy(81), "1h")
            try bulkhead.letTrialEnd()
            #expect(try bulkhead.apply(try place.policy(80)).generation == 2)
            #expect(place.opens(80))
            #expect(!place.opens(81))
            try place.tryOut(try place.policy(81), "1h")
            #expect(try bulkhead.run("detach", "--all").status == 0)
            #expect(place.opens(80) && place.opens(81))
            #expect(!FileManager.default.fileExists(atPath: "/sys/fs/bpf/\(bulkhead.instance)"))
        }

        /// What the trial denies is suspended, and goes on afterwards; what it opened is judged anew.
        @Test func connectionsAreSuspendedAndJudgedAnew() throws {
            let place = try Place()
            try place.site.bulkhead.apply(try place.policy(80, ", direction: in"))
            let held = try Connection(place, 0, 80)
            #expect(try held.passes(1))
            try place.tryOut(try place.policy(81, ", direction: in"), "1h")
            let begun = try Connection(place, 1, 81)
            #expect(try begun.passes(2))
            #expect(try !held.passes(3))
            let ended = try place.site.bulkhead.counters().flows.ended
            #expect(ended == 0)
            try place.site.bulkhead.letTrialEnd()
            // TCP sends again what was dropped.
            #expect(try held.server.receive(milliseconds: 8000) == [3])
            #expect(try held.passes(4))
            #expect(try !begun.passes(5))
            #expect(try place.site.bulkhead.counters().flows.ended == 1)
        }

        /// A reset that the trial drops ends nothing.
        @Test func aConfirmedTrialEndsWhatItDenies() throws {
            let place = try Place()
            try place.site.bulkhead.apply(try place.policy(80, ", direction: in"))
            let held = try Connection(place, 0, 80)
            #expect(try held.passes(1))
            try place.tryOut(try place.policy(81, ", direction: in"), "1h")
            #expect(try !held.passes(2))
            #expect(try place.site.bulkhead.counters().flows.ended == 0)
            #expect(try place.site.bulkhead.run("confirm").status == 0)
            #expect(try !held.passes(3))
            #expect(try place.site.bulkhead.counters().flows.ended == 1)
        }

        /// What the trial passed without a flow is adopted by the base.
        @Test(arguments: [true, false]) func whatWasStatelessIsAdopted(byItself: Bool) throws {
            let place = try Place()
            try place.site.bulkhead.apply(
                try place.site.policy("  - { name: all, service: tcp/*, direction: in, action: accept }"))
            let text = """
                  - { name: to, service: tcp/80, action: accept, direction: in, stateless: true }
                  - name: from
                    service: { protocol: tcp, sourcePorts: [80] }
                    action: accept
                    direction: out
                    stateless: true
                """
            try place.tryOut(try place.site.policy(text, name: "stateless.yaml"), "1h")
            let begun = try Connection(place, 0, 80)
            #expect(try begun.passes(1))
            if byItself {
                try place.site.bulkhead.letTrialEnd()
            } else {
                #expect(try place.site.bulkhead.run("rollback").status == 0)
            }
            #expect(try begun.passes(2, milliseconds: 3000))
            try begun.server.send([3])
            #expect(try begun.client.receive(milliseconds: 3000) == [3])
        }

        /// A port that the trial removes passes, and is filtered again afterwards, what was opened meanwhile included.
        @Test func aRemovedPortPassesMeanwhile() throws {
            let site = try UplinksSite()
            let both = try site.lab.file(
                "both.yaml",
                """
                version: 1
                ports:
                  first: { interface: up0, protects: host }
                  second: { interface: up1, protects: host }
                rules:
                  - { name: web, service: tcp/80, direction: in, action: accept }
                """)
            let one = try site.lab.file(
                "one.yaml",
                """
                version: 1
                ports:
                  first: { interface: up0, protects: host }
                rules:
                  - { name: web, service: tcp/80, direction: in, action: accept }
                """)
            try site.bulkhead.apply(both)
            _ = try site.bulkhead.json(Applied.self, "apply", "--trial", "1h", one)
            let links = try Shell.check("ls", "/sys/fs/bpf/\(site.bulkhead.instance)/links")
            #expect(try site.bulkhead.status().ports.map(\.name) == ["first"])
            #expect(try site.bulkhead.run("status").output.contains("the trial has no such ports: second\n"))
            #expect(try site.bulkhead.run("quarantine", "second").status == 0)
            try site.bulkhead.letTrialEnd()
            #expect(try !site.bulkhead.run("status").output.contains("no such ports"))
            #expect(try Shell.check("ls", "/sys/fs/bpf/\(site.bulkhead.instance)/links") == links)
            let ports = try site.bulkhead.status().ports
            #expect(ports.map(\.name) == ["first", "second"])
            #expect(ports.map(\.state) == ["enforcing", "quarantined"])
            #expect(try site.bulkhead.run("release", "second").status == 0)
            // Confirmed, it is taken off.
            _ = try site.bulkhead.json(Applied.self, "apply", "--trial", "1h", one)
            #expect(try site.bulkhead.run("confirm").status == 0)
            #expect(try Shell.check("ls", "/sys/fs/bpf/\(site.bulkhead.instance)/links") != links)
            #expect(try site.bulkhead.status().ports.map(\.name) == ["first"])
        }

        /// Quarantine and members of groups hold in both.
        @Test func whatCommandsChangeHoldsInBoth() throws {
            let place = try Place()
            let bulkhead = place.site.bulkhead
            func policy(_ port: Int) throws -> String {
                try place.site.lab.file(
                    "group\(port).yaml",
                    """
                    version: 1
                    ports: { uplink: { interface: up0, protects: host } }
                    groups: { banned: { dynamic: {} } }
                    rules:
                      - { name: ban, from: banned, action: drop }
                      - { name: r\(port), service: tcp/\(port), direction: in, action: accept }
                    """)
            }
            try bulkhead.apply(try policy(80))
            let held = try Connection(place, 0, 80)
            try place.tryOut(try policy(81), "1h")
            #expect(place.opens(81))
            #expect(try bulkhead.run("group", "add", "banned", "192.0.2.1").status == 0)
            #expect(!place.opens(81))
            try bulkhead.letTrialEnd()
            #expect(!place.opens(80))
            #expect(try !held.passes(1))
            #expect(try bulkhead.run("group", "flush", "banned").status == 0)
            #expect(place.opens(80))
            try place.tryOut(try policy(81), "1h")
            #expect(try bulkhead.run("quarantine", "uplink").status == 0)
            #expect(!place.opens(81))
            try bulkhead.letTrialEnd()
            #expect(!place.opens(80))
            #expect(try bulkhead.run("release", "uplink").status == 0)
            #expect(place.opens(80))
        }

        /// Killed at any moment, `apply --trial` and what settles a trial leave one policy or the other in force.
        @Test func killedCommandsLeaveATrialThatEnds() throws {
            let place = try Place()
            let bulkhead = place.site.bulkhead
            try bulkhead.apply(try place.policy(80))
            var random = RandomNumbers(seed: 5)
            let (first, second) = (try place.policy(80), try place.policy(81))
            for round in 0..<12 {
                let isFirst = try bulkhead.run("show").output.contains("tcp/80")
                let words = ["apply", "--trial", "1s", isFirst ? second : first]
                for command in [words, [["confirm"], ["rollback"]][round % 2]] {
                    let running = try bulkhead.start(command)
                    usleep(UInt32.random(in: 1_000...150_000, using: &random))
                    running.signal(SIGKILL)
                    _ = try running.wait()
                }
                usleep(1_100_000)
                let status = try place.status()
                let opens = place.opens(80)
                #expect(opens != place.opens(81))
                #expect(try bulkhead.run("show").output.contains("tcp/80") == opens)
                #expect(status.trial == nil)
                #expect(try bulkhead.log().filter(\.inForce).map(\.generation) == [status.generation])
            }
            try bulkhead.apply(try place.policy(80))
            #expect(place.opens(80))
            try bulkhead.counters().expectExactAccounting()
        }
    }
}
