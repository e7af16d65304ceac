// SPDX-License-Identifier: Apache-2.0

/// The BPF file system that instances are pinned in.
package enum BPFFileSystem {
    package static let root = "/sys/fs/bpf"
    /// Mode 0700: only root can make anything there.
    package static let mountCommand = "mount -t bpf -o mode=0700 bpf \(root)"
}
