// SPDX-License-Identifier: Apache-2.0
import Glibc

/// A thread beside the one that makes it. Dispatch waits for ever where the kernel gives no thread (a limit of
/// processes, no memory for a stack); here whoever asks learns of it and goes on by itself, or says so.
public struct SideThread: ~Copyable, Sendable {
    private let handle: pthread_t

    /// What a thread is handed, from which it takes its work.
    private final class Work: Sendable {
        let body: @Sendable () -> Void

        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }

    /// Runs `body` on a thread of its own, which is sent no signals. nil: there is none to be had.
    public init?(_ body: @escaping @Sendable () -> Void) {
        // A thread has its maker's mask from its first instruction on.
        var (all, before) = (sigset_t(), sigset_t())
        unsafe sigfillset(&all)
        unsafe pthread_sigmask(SIG_SETMASK, &all, &before)
        defer { unsafe pthread_sigmask(SIG_SETMASK, &before, nil) }
        let work = unsafe Unmanaged.passRetained(Work(body))
        var handle = pthread_t()
        let result = unsafe pthread_create(
            &handle, nil,
            { context in
                if let context = unsafe context {
                    unsafe Unmanaged<Work>.fromOpaque(context).takeRetainedValue().body()
                }
                return nil
            }, work.toOpaque())
        guard result == 0 else {
            unsafe work.release()
            return nil
        }
        self.handle = handle
    }

    /// Waits for its end.
    public consuming func join() { pthread_join(handle, nil) }
}
