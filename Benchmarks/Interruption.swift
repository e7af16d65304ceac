// SPDX-License-Identifier: Apache-2.0
import Glibc
import Synchronization

/// Thrown where someone has asked for the end; whoever holds something gives it back on the way out.
struct Interruption: Error {
    private static let asked = Atomic(false)

    /// From now on an interrupt is noted instead of ending the process.
    static func watch() {
        for number in [SIGINT, SIGTERM, SIGHUP] {
            signal(number) { _ in Interruption.asked.store(true, ordering: .relaxed) }
        }
    }

    static func check() throws {
        if asked.load(ordering: .relaxed) { throw Interruption() }
    }
}
