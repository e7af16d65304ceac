// SPDX-License-Identifier: Apache-2.0
import Compiler
import Glibc
import Libbpf
import SystemPackage

/// Calls a function again and again, on a thread of its own, until it is stopped.
package struct Ticker: ~Copyable {
    private let thread: SideThread
    /// The write end of a pipe; the thread waits at the read end.
    private let pipe: Descriptor

    /// - Parameter seconds: The time between two calls, and before the first.
    /// - Throws: if a pipe or a thread cannot be made.
    package init(every seconds: Int32 = 1, _ body: @escaping @Sendable () -> Void) throws(DatapathError) {
        let ends: (readEnd: FileDescriptor, writeEnd: FileDescriptor)
        do {
            ends = try FileDescriptor.pipe(options: .closeOnExec)
        } catch {
            throw DatapathError("cannot make a pipe: \(error)")
        }
        let end = Descriptor(owning: ends.readEnd)
        let pipe = Descriptor(owning: ends.writeEnd)
        let thread = SideThread {
            // When the other end is closed, the wait ends with a hang-up.
            var wait = pollfd(fd: end.value, events: 0, revents: 0)
            while unsafe poll(&wait, 1, seconds * 1000) == 0 { body() }
        }
        guard let thread else {
            throw DatapathError(
                "cannot start a thread",
                advice: "raise the limit of processes or memory that this command runs under (ulimit -u, ulimit -v, "
                    + "ulimit -s, or pids.max of its cgroup)")
        }
        self.thread = thread
        self.pipe = pipe
    }

    /// Stops the calls. One that is running has ended when this returns.
    package consuming func stop() {
        let thread = thread
        _ = consume pipe
        thread.join()
    }
}
