// SPDX-License-Identifier: Apache-2.0

/// What time it is in a capture: the latest stamp so far. Packets that stand in another order than they were captured
/// in thus let no time pass.
package struct CaptureClock {
    /// Nanoseconds since 1970, as of which stamps count that tell no date.
    private let present: UInt64
    private var latest: UInt64 = 0
    private var isDated = false

    /// Stamps of the first year are taken to count from the capture's begin.
    private static let year: UInt64 = 365 * 86_400 * 1_000_000_000

    package init(present: UInt64) { self.present = present }

    /// Nanoseconds since 1970 once a frame with this stamp was captured.
    package mutating func advance(to stamp: UInt64) -> UInt64 {
        if stamp >= Self.year && !isDated {
            isDated = true
            latest = stamp
        }
        latest = max(latest, stamp)
        return isDated ? latest : present + latest
    }
}
