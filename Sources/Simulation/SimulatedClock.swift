// SPDX-License-Identifier: Apache-2.0
import Datapath
import Glibc
import Host

/// The clocks of programs that are not attached. They stand still unless they are set, so that the same frames get the
/// same verdicts, however long judging takes.
struct SimulatedClock {
    /// What the clock that never goes back shows, in nanoseconds. It does not start near zero, because zero in a state
    /// means that it was never used.
    private(set) var now = start
    private static let start: UInt64 = 3_600_000_000_000
    /// Nanoseconds since 1970.
    var time = present {
        didSet { now = min(now + (time > oldValue ? min(time - oldValue, Self.most) : 0), Self.most) }
    }

    /// The end of that clock, because a limit counts sixteenths of nanoseconds in 64 bits. Only a damaged capture lasts
    /// longer than these 27 years.
    private static let most: UInt64 = 1 << 59 + 1 << 58

    /// Nanoseconds since 1970, now.
    static var present: UInt64 { KernelClock.nanoseconds(CLOCK_REALTIME) }

    /// What to add to `now` to get `time`; it wraps.
    var wallOffset: UInt64 { time &- now }

    /// What to add to `now` to get `bootTime`; it wraps.
    let bootOffset = KernelClock.nanoseconds(CLOCK_BOOTTIME) &- start

    /// The time by which members of dynamic groups expire. It is the kernel's CLOCK_BOOTTIME at first, and goes on as
    /// `now` does.
    var bootTime: UInt64 { now &+ bootOffset }

    /// `now` in jiffies, as the programs compute it.
    var ticks: UInt32 { UInt32(truncatingIfNeeded: now / UInt64(1_000_000_000 / KernelClock.ticksPerSecond)) }
}
