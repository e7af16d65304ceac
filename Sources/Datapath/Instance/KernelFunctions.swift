// SPDX-License-Identifier: Apache-2.0
import Libbpf

/// What the running kernel offers to programs beyond what Linux 6.1 does.
enum KernelFunctions {
    /// The value of `bh_settings.casts_context`.
    static let castsContext: UInt32 = KernelTypes.hasFunction("bpf_cast_to_kern_ctx") ? 1 : 0
}
