// SPDX-License-Identifier: Apache-2.0
import Glibc
import Policy

extension Timestamp {
    /// The time of day here with milliseconds: `12:03:04.512`.
    package var localClock: String {
        let second = Int(nanoseconds / 1_000_000_000)
        let shift = Int64(Timestamp.secondsEastOfUTC(at: second)) * 1_000_000_000
        let local = Timestamp(nanoseconds: nanoseconds &+ UInt64(bitPattern: shift))
        return String(local.utc.dropFirst(11).prefix(12))
    }

    private static func secondsEastOfUTC(at second: Int) -> Int {
        var second = second
        var fields = unsafe tm()
        _ = unsafe localtime_r(&second, &fields)
        return unsafe fields.tm_gmtoff
    }
}
