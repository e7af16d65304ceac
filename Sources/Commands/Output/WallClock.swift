// SPDX-License-Identifier: Apache-2.0
import Glibc

/// What time it is for people.
enum WallClock {
    /// Nanoseconds since 1970.
    static var now: UInt64 {
        var time = timespec()
        unsafe clock_gettime(CLOCK_REALTIME, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
}
