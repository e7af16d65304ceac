// SPDX-License-Identifier: Apache-2.0
import Control
import Testing

@testable import Agent

@Suite struct FightsTests {
    private static let start = ContinuousClock.now

    /// What is found at these seconds, and what becomes of it each time.
    @Test(arguments: [
        ([0], "r"), ([0, 61, 122, 183, 244], "rrrrr"), ([0, 60, 120, 180, 181, 9999], "rrrgll"),
        ([0, 1, 2, 3, 4], "rrrgl"), ([0, 10, 20, 90, 100, 110, 120, 130], "rrrrrrgl"),
    ])
    func threeReturnsWithinAMinuteAreAFight(times: [Int], expected: String) {
        var fights = Fights()
        let advice = times.map { fights.found("web", at: Self.start + .seconds($0)) }
        let letters = advice.map { $0 == .repair ? "r" : $0 == .giveUp ? "g" : "l" }.joined()
        #expect(letters == expected)
        #expect(fights.names == (expected.contains("g") ? ["web"] : []))
    }

    @Test func onePortsFightIsNotAnothers() {
        var fights = Fights()
        for second in 0..<4 { _ = fights.found("web", at: Self.start + .seconds(second)) }
        #expect(fights.found("db", at: Self.start + .seconds(4)) == .repair)
        fights.forget(at: Self.start + .seconds(1000))
        #expect(fights.found("web", at: Self.start + .seconds(1000)) == .leave)
        fights.settle()
        #expect(fights.found("web", at: Self.start + .seconds(1001)) == .repair)
    }

    /// Whoever rules another namespace could have himself left alone.
    @Test func othersNamespacesAreNeverLeft() {
        #expect(HostFinding(.lost, port: "web", "").mayBeLeft)
        #expect(HostFinding(.gate, port: "guests", "").mayBeLeft)
        #expect(!HostFinding(.lost, port: "web", in: "box", "").mayBeLeft)
        #expect(!HostFinding(.came, port: "web", "").mayBeLeft)
    }
}
