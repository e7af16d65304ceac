// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Agent

@Suite struct LookScheduleTests {
    private let start = ContinuousClock.now

    private func at(_ milliseconds: Int) -> ContinuousClock.Instant { start + .milliseconds(milliseconds) }

    @Test func withoutEventsItLooksEveryTwoSeconds() {
        var schedule = LookSchedule(at: start)
        #expect(schedule.isDue(at: start))
        schedule.looked(from: start, to: at(5), failed: false)
        #expect(!schedule.isDue(at: at(2004)))
        #expect(schedule.isDue(at: at(2005)))
        #expect(schedule.wait(at: at(1005)) == 1000)
    }

    @Test func anEventIsLookedAtSoonTogetherWithTheNext() {
        var schedule = LookSchedule(at: start)
        schedule.looked(from: start, to: start, failed: false)
        schedule.happened(at: at(100))
        schedule.happened(at: at(102))
        #expect(!schedule.isDue(at: at(103)))
        #expect(schedule.isDue(at: at(104)), "the first event's time counts")
    }

    /// Whoever makes events without end gets a fifth of the time at most, and others wait a fifth of a second at most.
    @Test(arguments: [1, 10, 50, 500]) func aFloodOfEventsIsBounded(took: Int) {
        var schedule = LookSchedule(at: start)
        var (now, busy) = (0, 0)
        while now < 10_000 {
            schedule.happened(at: at(now))
            if schedule.isDue(at: at(now)) {
                schedule.looked(from: at(now), to: at(now + took), failed: false)
                now += took
                busy += took
                schedule.happened(at: at(now))
                #expect(schedule.wait(at: at(now)) <= 200)
                #expect(schedule.wait(at: at(now)) >= min(4 * took, 200))
            }
            now += 1
        }
        if took <= 50 { #expect(busy <= 2_100) }
    }

    @Test func failuresAreTriedAgainLaterAndLater() {
        var schedule = LookSchedule(at: start)
        var waits: [Int32] = []
        for _ in 0..<12 {
            schedule.looked(from: start, to: start, failed: true)
            schedule.happened(at: start)
            waits.append(schedule.wait(at: start))
        }
        #expect(waits.first == 100 && waits.last == 10_000)
        #expect(waits == waits.sorted())
        schedule.looked(from: start, to: start, failed: false)
        schedule.happened(at: start)
        #expect(schedule.wait(at: start) == 4)
    }
}
