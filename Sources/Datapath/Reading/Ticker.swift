// SPDX-License-Identifier: Apache-2.0
import Compiler
import Glibc
import Libbpf
import SystemPackage

/// Calls something every second on a thread of its own, until it is stopped.
struct Ticker: ~Copyable {
    private let thread: SideThread
    /// The end of a pipe whose other the thread waits at.
    private let pipe: Descriptor

    /// - Throws: where there is no thread to be had.
    init(_ body: @escaping @Sendable () -> Void) throws(DatapathError) {
        let ends: (readEnd: FileDescriptor, writeEnd: FileDescriptor)
        do {
            ends = try FileDescriptor.pipe(options: .closeOnExec)
        } catch {
            throw DatapathError("cannot make a pipe: \(error)")
        }
        let end = Descriptor(owning: ends.readEnd)
        let pipe = Descriptor(owning: ends.writeEnd)
        let thread = SideThread {
            // Closed at the other end it hangs up.
            var wait = pollfd(fd: end.value, events: 0, revents: 0)
            while unsafe poll(&wait, 1, 1000) == 0 { body() }
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

    /// Ends it; what it is calling just then is done when this returns.
    consuming func stop() {
        let thread = thread
        _ = consume pipe
        thread.join()
    }
}
