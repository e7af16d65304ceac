// SPDX-License-Identifier: Apache-2.0
import CLibbpf

/// What the running kernel's type information says.
public enum KernelTypes {
    /// Whether the kernel has a function of this name for programs to call. False if it has no type information.
    public static func hasFunction(_ name: String) -> Bool {
        guard let btf = unsafe btf__load_vmlinux_btf() else { return false }
        defer { unsafe btf__free(btf) }
        // BTF_KIND_FUNC, which the headers define twice.
        return unsafe btf__find_by_name_kind(btf, name, 12) > 0
    }
}
