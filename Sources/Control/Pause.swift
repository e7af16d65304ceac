// SPDX-License-Identifier: Apache-2.0
import Glibc

/// A wait of the calling thread.
enum Pause {
    /// Waits for this long. A signal that makes `isEnded` true ends the wait, unless its handler restarts system calls.
    static func wait(_ length: Duration, until isEnded: () -> Bool) {
        let (seconds, fraction) = length.components
        var rest = timespec(tv_sec: Int(seconds), tv_nsec: Int(fraction / 1_000_000_000))
        while !isEnded() {
            var left = timespec()
            guard unsafe nanosleep(&rest, &left) != 0, errno == EINTR else { return }
            rest = left
        }
    }
}
