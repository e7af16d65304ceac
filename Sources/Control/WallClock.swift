// SPDX-License-Identifier: Apache-2.0
import Glibc
import Host

/// The time of day.
package enum WallClock {
    /// Nanoseconds since 1970, UTC.
    package static var now: UInt64 { KernelClock.nanoseconds(CLOCK_REALTIME) }
}
