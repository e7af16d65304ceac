// SPDX-License-Identifier: Apache-2.0
import Policy

/// Whether programs may read the kernel's tables, which tell them what the host's addresses are at each moment.
package enum KernelReading {
    /// Why they may not; nil if they may.
    package static let obstacle: String? = {
        let lockdown = (try? DiskFiles().read("/sys/kernel/security/lockdown", limit: 4096, from: .regularFile)) ?? []
        return String(decoding: lockdown, as: UTF8.self).contains("[confidentiality]")
            ? "it is locked down for confidentiality" : nil
    }()
}
