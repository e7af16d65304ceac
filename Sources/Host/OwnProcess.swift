// SPDX-License-Identifier: Apache-2.0
import Glibc

/// What the kernel says that this process takes.
package struct OwnProcess: Sendable, Hashable {
    /// Nanoseconds of processor time.
    package var processorTime: UInt64
    /// Bytes.
    package var residentMemory: UInt64
    package var virtualMemory: UInt64
    package var openDescriptors: Int
    /// The most that it may open.
    package var descriptorLimit: UInt64
    /// Nanoseconds since 1970.
    package var startTime: UInt64

    package static var now: OwnProcess {
        let pages = (ProcFile.text("/proc/self/statm") ?? "").split(separator: " ").map { UInt64($0) ?? 0 }
        let pageSize = UInt64(max(sysconf(Int32(_SC_PAGESIZE)), 1))
        var limit = rlimit()
        _ = unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        return OwnProcess(
            processorTime: KernelClock.nanoseconds(CLOCK_PROCESS_CPUTIME_ID),
            residentMemory: pages.count > 1 ? pages[1] * pageSize : 0,
            virtualMemory: (pages.first ?? 0) * pageSize, openDescriptors: openDescriptors,
            descriptorLimit: UInt64(limit.rlim_cur), startTime: startTime)
    }

    /// Less the two names of folders, and the descriptor that this takes.
    private static var openDescriptors: Int { max(ProcFile.names("/proc/self/fd").count - 3, 0) }

    /// It does not change, but the wall clock that it is told by may be set.
    private static var startTime: UInt64 {
        // What is before the last parenthesis is the name, which may have spaces. The time is the 22nd field.
        let fields = (ProcFile.text("/proc/self/stat") ?? "").split(separator: ")").last?.split(separator: " ") ?? []
        let ticks = fields.count > 19 ? UInt64(fields[19]) ?? 0 : 0
        return KernelClock.wall(atBoot: ticks * (1_000_000_000 / UInt64(max(sysconf(Int32(_SC_CLK_TCK)), 1))))
    }
}
