// SPDX-License-Identifier: Apache-2.0
import Glibc

/// A thread whose creation may fail. Dispatch waits for ever if the kernel gives it no thread, because of a process
/// limit or lack of memory. Here the caller learns of it, and can do the work itself or report it.
public struct SideThread: ~Copyable, Sendable {
    private let handle: pthread_t

    /// The object that carries the work to the new thread.
    private final class Work: Sendable {
        let body: @Sendable () -> Void

        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }

    /// Runs `body` on a new thread that receives no signals. nil if no thread could be created.
    public init?(_ body: @escaping @Sendable () -> Void) {
        // A thread inherits the signal mask of its creator.
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

    /// Waits for the thread to end.
    public consuming func join() { pthread_join(handle, nil) }
}
