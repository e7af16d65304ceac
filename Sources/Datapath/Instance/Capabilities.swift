// SPDX-License-Identifier: Apache-2.0
import Glibc

/// What this process may ask of the kernel.
enum Capabilities {
    /// The effective capabilities of this process; nil where /proc cannot be read.
    static func effective() -> UInt64? {
        guard let file = unsafe fopen("/proc/self/status", "re") else { return nil }
        defer { unsafe fclose(file) }
        var line = [CChar](repeating: 0, count: 256)
        while unsafe fgets(&line, Int32(line.count), file) != nil {
            if unsafe strncmp(line, "CapEff:", 7) == 0 { return unsafe UInt64(strtoull(Array(line[7...]), nil, 16)) }
        }
        return nil
    }
}
