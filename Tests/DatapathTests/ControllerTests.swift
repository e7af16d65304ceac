// SPDX-License-Identifier: Apache-2.0
import Control
import TestSupport
import Testing

@testable import Datapath

/// What the commands do in streams can be done without a command.
@Suite(.serialized) struct ControllerTests {
    private func lab() throws -> (GuestLab, Controller) {
        let lab = try GuestLab()
        var policy = lab.policy
        policy.rule("no-ping", [.icmp(.v4, type: nil, code: nil)], .drop)
        try policy.apply(lab.instance)
        return (lab, try Controller(instance: lab.instance.name))
    }

    @Test func followsTheCountersUntilToldToEnd() throws {
        let (lab, controller) = try lab()
        var readings: [UInt64] = []
        try controller.followCounters(every: .milliseconds(1), until: readings.count == 2) { counters in
            readings.append(counters.rules[0].count.packets)
            let isAnswered = try lab.ping()
            #expect(!isAnswered)
        }
        #expect(readings == [0, 1])
    }

    @Test func readsAsManyEventsAsAreAskedFor() throws {
        let (lab, controller) = try lab()
        let stream = try controller.events(EventQuestion(ports: ["guest"], rules: ["no-ping"], count: 2))
        for _ in 0..<3 { #expect(try !lab.ping()) }
        let clock = ContinuousClock()
        let end = clock.now + .seconds(10)
        var rules: [String?] = []
        try stream.read(until: clock.now > end) { rules.append($0.rule?.name) }
        #expect(rules == ["no-ping", "no-ping"])
    }

    @Test func refusesANameThatNoInstanceCanHave() {
        #expect(throws: DatapathError.self) { try Controller(instance: "a/b") }
    }
}
