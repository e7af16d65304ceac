// SPDX-License-Identifier: Apache-2.0
import Glibc

/// A wait of the calling thread.
enum Pause {
    /// How long nobody asks whether a wait is over, unless a signal comes.
    private static let step = Duration.milliseconds(50)

    /// Waits for this long, or until `isEnded`.
    static func wait(_ length: Duration, until isEnded: () -> Bool) {
        let end = ContinuousClock.now + length
        while !isEnded() {
            let left = end - .now
            guard left > .zero else { return }
            usleep(UInt32(min(left, step) / .microseconds(1)) + 1)
        }
    }
}
