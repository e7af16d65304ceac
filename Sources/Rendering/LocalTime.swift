// SPDX-License-Identifier: Apache-2.0
import Glibc
import Policy

extension Timestamp {
    /// The time of day here with milliseconds: `12:03:04.512`.
    package var localClock: String { String(local.dropFirst(11).prefix(12)) }

    /// The same, after the date where that is not the date of `now`: `2026-01-02 12:03:04.512`.
    package func localClock(asOf now: Timestamp) -> String {
        let date = local.prefix(10)
        return date == now.local.prefix(10) ? localClock : "\(date) \(localClock)"
    }

    /// As in UTC, but for the hours that are other here.
    private var local: String {
        let second = Int(nanoseconds / 1_000_000_000)
        let shift = Int64(Timestamp.secondsEastOfUTC(at: second)) * 1_000_000_000
        return Timestamp(nanoseconds: nanoseconds &+ UInt64(bitPattern: shift)).utc
    }

    private static func secondsEastOfUTC(at second: Int) -> Int {
        var second = second
        var fields = unsafe tm()
        _ = unsafe localtime_r(&second, &fields)
        return unsafe fields.tm_gmtoff
    }
}
