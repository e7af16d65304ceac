// SPDX-License-Identifier: Apache-2.0

/// When the agent looks at the host: soon after an event, together with those that come right after it, and every two
/// seconds without one, because nothing tells of a program that is taken off tc. Whoever makes events at will gets at
/// most a fifth of a processor. Pure.
struct LookSchedule {
    typealias Instant = ContinuousClock.Instant

    /// How long a look waits for more events.
    static let quiet = Duration.milliseconds(4)
    /// Between two looks without an event.
    static let period = Duration.seconds(2)
    /// Rest after a look, in terms of what it took, and at most.
    static let restShare = 4
    static let longestRest = Duration.milliseconds(200)
    /// After a failure the next attempt waits longer and longer.
    static let longestRetry = Duration.seconds(10)

    private(set) var next: Instant
    private var earliest: Instant
    private var failures = 0

    init(at now: Instant) {
        next = now
        earliest = now
    }

    /// Something happened.
    mutating func happened(at now: Instant) { next = min(next, max(now + Self.quiet, earliest)) }

    func isDue(at now: Instant) -> Bool { now >= next }

    /// Milliseconds until the next look, rounded up.
    func wait(at now: Instant) -> Int32 {
        guard next > now else { return 0 }
        return Int32(clamping: Int(((next - now) / .milliseconds(1)).rounded(.up)))
    }

    /// A look ended.
    mutating func looked(from start: Instant, to end: Instant, failed: Bool) {
        failures = failed ? failures + 1 : 0
        let rest = failed ? retry : min((end - start) * Self.restShare, Self.longestRest)
        earliest = end + rest
        next = end + max(Self.period, failed ? rest : .zero)
    }

    private var retry: Duration {
        min(.milliseconds(100) * (1 << min(failures - 1, 10)), Self.longestRetry)
    }
}
