import Glibc

/// The kernel's clocks, as its programs read them.
enum KernelClock {
    /// Jiffies a second: the coarse clock advances once a jiffy.
    static let ticksPerSecond: UInt32 = {
        var resolution = timespec()
        guard unsafe clock_getres(CLOCK_MONOTONIC_COARSE, &resolution) == 0, resolution.tv_sec == 0,
            resolution.tv_nsec > 0
        else { return 250 }
        return UInt32((1_000_000_000 + resolution.tv_nsec / 2) / resolution.tv_nsec)
    }()

    /// Nanoseconds of a clock.
    static func nanoseconds(_ clock: clockid_t = CLOCK_MONOTONIC) -> UInt64 {
        var time = timespec()
        unsafe clock_gettime(clock, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
}
