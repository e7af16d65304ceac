// SPDX-License-Identifier: Apache-2.0
import Glibc
import Synchronization

/// A stream was asked to end (SIGINT or SIGTERM): the end of the work, not a failure.
struct Interrupted: Error {}

/// Lets a stream end in order when it is interrupted. A system call that waits returns EINTR, so that nothing holds it
/// up.
enum Interruption {
    private static let requested = Atomic<Bool>(false)

    static var isRequested: Bool { requested.load(ordering: .relaxed) }

    /// From here on SIGINT and SIGTERM set ``isRequested`` and no longer end the process.
    static func catchSignals() {
        requested.store(false, ordering: .relaxed)
        for number in [SIGINT, SIGTERM] {
            var action = sigaction()
            unsafe action.__sigaction_handler.sa_handler = { _ in
                Interruption.requested.store(true, ordering: .relaxed)
            }
            unsafe sigemptyset(&action.sa_mask)
            action.sa_flags = 0  // no SA_RESTART: what waits must return
            unsafe sigaction(number, &action, nil)
        }
    }

    /// A write to a closed pipe is an error that is handled, not a signal that kills.
    static func ignoreBrokenPipe() { _ = signal(SIGPIPE, SIG_IGN) }
}
