// SPDX-License-Identifier: Apache-2.0
import Compiler
import Network
import Policy
import Simulation
import TestSupport
import Testing
import Wire

extension PacketTables {
    /// Rules that match at times of day and days of the week, by a zone's clocks.
    @Suite struct TimesTests {
        private static let policy = FlowScript.policy(
            """
              - name: work
                service: tcp/80
                direction: in
                times: { days: [mon-fri], from: "08:00", to: "18:00", zone: Europe/Berlin }
                action: accept
              - name: night
                service: tcp/81
                direction: in
                times: { days: [fri], from: "22:00", to: "02:30", zone: Europe/Berlin }
                action: accept
              - name: weekend
                service: tcp/82
                direction: in
                times: { days: [sat, sun], zone: America/New_York }
                action: accept
              - { name: evening, service: tcp/83, direction: in, times: { from: "20:00", to: "24:00" }, action: accept }
              - { name: never, service: tcp/80-83, direction: in, action: drop }
            """)

        /// In UTC.
        private static let moments: [(time: String, matching: [String])] = [
            // A Wednesday in winter: Berlin is an hour ahead.
            ("2030-01-16T06:59:59Z", []), ("2030-01-16T07:00:00Z", ["work"]), ("2030-01-16T16:59:59Z", ["work"]),
            ("2030-01-16T17:00:00Z", []), ("2030-01-16T20:00:00Z", ["evening"]), ("2030-01-16T23:59:59Z", ["evening"]),
            // A Friday in summer: two hours ahead; New York is four behind.
            ("2030-07-19T05:59:59Z", []), ("2030-07-19T06:00:00Z", ["work"]), ("2030-07-19T15:59:59Z", ["work"]),
            ("2030-07-19T16:00:00Z", []), ("2030-07-19T19:59:59Z", []), ("2030-07-19T20:00:00Z", ["night", "evening"]),
            ("2030-07-20T00:29:59Z", ["night"]), ("2030-07-20T00:30:00Z", []), ("2030-07-20T03:59:59Z", []),
            ("2030-07-20T04:00:00Z", ["weekend"]), ("2030-07-22T03:59:59Z", ["weekend"]), ("2030-07-22T04:00:00Z", []),
            // The day of the change in spring, a Sunday, and the Monday after it.
            ("2030-04-01T05:59:59Z", []), ("2030-04-01T06:00:00Z", ["work"]), ("2030-03-29T06:59:59Z", []),
            ("2030-03-29T07:00:00Z", ["work"]),
            // Far on.
            ("2049-07-14T06:00:00Z", ["work"]), ("2049-07-14T05:59:59Z", []),
        ]

        private static func nanoseconds(_ text: String) throws -> UInt64 {
            let rule = "  - { name: a, action: drop, starts: \"\(text)\" }"
            return try #require(try Simulation.ruleset(FlowScript.policy(rule)).rules[0].starts).nanoseconds
        }

        @Test(arguments: AddressFamily.allCases) func matchesByTheClock(family: AddressFamily) throws {
            let image = try Compiler().compile(try Simulation.ruleset(Self.policy))
            let record = image.portRecord(entry: 1, protects: .workload)
            for (time, matching) in Self.moments {
                try FlowSimulator.use(image, adopts: false) { simulator throws in
                    simulator.time = try Self.nanoseconds(time)
                    for (port, name) in [(80, "work"), (81, "night"), (82, "weekend"), (83, "evening")] {
                        let frame = FlowTests.Talk(family: family).there(.tcp(40000, UInt16(port)))
                        let outcome = try simulator.judge(frame: frame.bytes, portRecord: record, hook: .tcEgress)
                        let expected = matching.contains(name) ? name : "never"
                        #expect(outcome.ruleName == expected, "\(time)")
                        #expect(outcome.tried.map(\.why) == (matching.contains(name) ? [] : [.time]), "\(time)")
                    }
                }
            }
        }

        /// What was opened in time ends when its time is over, whether anybody is alive or not.
        @Test(arguments: AddressFamily.allCases) func aFlowEndsWithItsTime(family: AddressFamily) throws {
            let image = try Compiler().compile(try Simulation.ruleset(Self.policy))
            let record = image.portRecord(entry: 1, protects: .workload)
            try FlowSimulator.use(image, adopts: false) { simulator throws in
                func judge(_ frame: Frame, hook: Simulator.Hook = .tcEgress) throws -> String {
                    let outcome = try simulator.judge(frame: frame.bytes, portRecord: record, hook: hook)
                    return [outcome.verdict.rawValue, outcome.reason?.rawValue, outcome.ruleName]
                        .compactMap(\.self).joined(separator: " ")
                }
                simulator.time = try Self.nanoseconds("2030-01-16T16:50:00Z")
                let talk = FlowTests.Talk(family: family)
                #expect(try judge(talk.ask(2, 1000)) == "accept rule work")
                #expect(try judge(talk.answer(18, 5000, 1001), hook: .tcIngress) == "accept established")
                #expect(try judge(talk.ask(16, 1001, 5001)) == "accept established")
                simulator.pass(seconds: 590)
                #expect(try judge(talk.ask(16, 1001, 5001)) == "accept established")
                simulator.pass(seconds: 11)
                #expect(try judge(talk.ask(16, 1001, 5001)) == "drop policy-changed never")
            }
        }
    }
}
