// SPDX-License-Identifier: Apache-2.0

/// The time in a capture: the latest stamp so far. So packets that are out of order let no time pass.
package struct CaptureClock {
    /// Nanoseconds since 1970, to which stamps without a date are added.
    private let present: UInt64
    private var latest: UInt64 = 0
    private var isDated = false

    /// Stamps within the first year are taken to count from the start of the capture.
    private static let year: UInt64 = 365 * 86_400 * 1_000_000_000

    package init(present: UInt64) { self.present = present }

    /// The time after a frame with this stamp, in nanoseconds since 1970.
    package mutating func advance(to stamp: UInt64) -> UInt64 {
        if stamp >= Self.year && !isDated {
            isDated = true
            latest = stamp
        }
        latest = max(latest, stamp)
        return isDated ? latest : present + latest
    }
}
