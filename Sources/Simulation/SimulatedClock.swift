// SPDX-License-Identifier: Apache-2.0
import Datapath
import Glibc
import Host

/// The clocks of programs that are attached to nothing: they stand still unless they are set, so that the same frames
/// have the same verdicts however long it takes to judge them.
struct SimulatedClock {
    /// What the clock that never goes back shows, in nanoseconds; not near zero, which is what a state that was never
    /// used says.
    private(set) var now = start
    private static let start: UInt64 = 3_600_000_000_000
    /// Nanoseconds since 1970.
    var time = present {
        didSet { now = min(now + (time > oldValue ? min(time - oldValue, Self.most) : 0), Self.most) }
    }

    /// A limit counts sixteenths of nanoseconds in 64 bits. Only a damaged capture lasts longer than these thirty
    /// years.
    private static let most: UInt64 = 1 << 59 + 1 << 58

    /// The time on the wall.
    static var present: UInt64 { KernelClock.nanoseconds(CLOCK_REALTIME) }

    /// What makes the time of `now`; it wraps.
    var wallOffset: UInt64 { time &- now }

    /// What makes the time of `now` that members of dynamic groups are aged by; it wraps. It is the kernel's at first,
    /// and goes on as `now` does.
    let bootOffset = KernelClock.nanoseconds(CLOCK_BOOTTIME) &- start

    /// That time.
    var bootTime: UInt64 { now &+ bootOffset }

    /// `now` in jiffies, as the programs reckon it.
    var ticks: UInt32 { UInt32(truncatingIfNeeded: now / UInt64(1_000_000_000 / KernelClock.ticksPerSecond)) }
}
