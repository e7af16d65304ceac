// SPDX-License-Identifier: Apache-2.0
import Glibc

/// The kernel's clocks, as its programs read them.
package enum KernelClock {
    /// Jiffies per second: the coarse clock advances once per jiffy.
    package static let ticksPerSecond: UInt32 = {
        var resolution = timespec()
        guard unsafe clock_getres(CLOCK_MONOTONIC_COARSE, &resolution) == 0, resolution.tv_sec == 0,
            resolution.tv_nsec > 0
        else { return 250 }
        return UInt32((1_000_000_000 + resolution.tv_nsec / 2) / resolution.tv_nsec)
    }()

    /// What to add to CLOCK_TAI, which the programs can read, to get nanoseconds since 1970. Whole seconds; 0 if nobody
    /// has told the kernel of leap seconds. It wraps.
    package static var wallOffset: UInt64 {
        let difference = Int64(bitPattern: nanoseconds(CLOCK_REALTIME) &- nanoseconds(CLOCK_TAI))
        let seconds = (difference + (difference < 0 ? -500_000_000 : 500_000_000)) / 1_000_000_000
        return UInt64(bitPattern: seconds * 1_000_000_000)
    }

    /// What the wall clock will show at a moment of CLOCK_BOOTTIME, if nobody sets it meanwhile; nanoseconds since
    /// 1970.
    package static func wall(atBoot moment: UInt64) -> UInt64 {
        nanoseconds(CLOCK_REALTIME) &+ moment &- nanoseconds(CLOCK_BOOTTIME)
    }

    /// Nanoseconds of a clock.
    package static func nanoseconds(_ clock: clockid_t = CLOCK_MONOTONIC) -> UInt64 {
        var time = timespec()
        unsafe clock_gettime(clock, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
}
