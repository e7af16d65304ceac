// SPDX-License-Identifier: Apache-2.0
import CLibbpf
import Glibc
import Host
import Libbpf

/// Checks what must hold before the kernel can be asked for anything. Each error says what to do.
package enum Preflight {
    /// What a command asks of the kernel.
    package enum Need: Sendable {
        /// To open what is pinned, and to read and write maps. The pins' owner may do so.
        case pins
        /// Also to tell which programs are on a device's hooks, and to take them off.
        case hooks
        /// Also to make maps.
        case maps
        /// Also to load programs.
        case programs
        /// Also to open programs and maps that are pinned nowhere.
        case unpinned

        var capabilities: [Capability] {
            switch self {
            case .pins: []
            case .hooks: [.networkAdministration]
            case .maps: [.bpf]
            case .programs:
                // Without the function, libbpf looks for it in the kernel's modules.
                [.bpf, .networkAdministration, .performanceMonitoring]
                    + (KernelFunctions.castsContext == 0 ? [.systemAdministration] : [])
            case .unpinned: [.bpf, .networkAdministration, .performanceMonitoring, .systemAdministration]
            }
        }
    }

    package static func check(_ need: Need = .programs) throws(DatapathError) {
        try checkPrivilege(need)
        try checkFileSystem()
        switch need {
        case .pins, .hooks: break
        case .maps, .programs, .unpinned:
            try checkBPF()
            try checkTypes()
        }
    }

    private static func checkPrivilege(_ need: Need) throws(DatapathError) {
        guard let effective = Capabilities.effective else { return }
        let missing = need.capabilities.filter { !effective.has($0) }.map(\.name)
        guard missing.isEmpty else {
            throw DatapathError(
                "this process lacks \(missing.joined(separator: " and ")), which this command needs",
                advice: "run it as root, or with \(need.capabilities.map(\.name).joined(separator: ", "))")
        }
    }

    private static func checkBPF() throws(DatapathError) {
        do {
            _ = try Map(type: BPF_MAP_TYPE_ARRAY, name: "bulkhead_probe", valueSize: 8, maxEntries: 1)
        } catch {
            let advice =
                error.errno == .noFunction
                ? "the kernel was built without CONFIG_BPF_SYSCALL; use a distribution's kernel, 6.1 or later"
                : "run it as root, outside of a container that forbids bpf(2)"
            throw DatapathError("this kernel does not let BPF maps be made: \(error.cause)", advice: advice, bpf: error)
        }
    }

    /// The programs need the kernel's type information to find the fields that they read.
    private static func checkTypes() throws(DatapathError) {
        guard unsafe access("/sys/kernel/btf/vmlinux", F_OK) != 0 else { return }
        throw DatapathError(
            "the kernel does not describe its own types: there is no /sys/kernel/btf/vmlinux",
            advice: "use a distribution's kernel, 6.1 or later, or build it with CONFIG_DEBUG_INFO_BTF")
    }

    /// Pins must outlive the process, so the file system must be the one that the host's first process sees.
    private static func checkFileSystem() throws(DatapathError) {
        guard unsafe bulkhead_is_bpf_file_system(BPFFileSystem.root) else {
            if device(mountedFor: "1") != nil {
                throw hidden("\(BPFFileSystem.root) is hidden by a private mount namespace")
            }
            throw DatapathError(
                "no BPF file system is mounted at \(BPFFileSystem.root)",
                advice: "mount it: \(BPFFileSystem.mountCommand); under 'ip netns exec', which hides it, use "
                    + "'nsenter --net=/run/netns/NAME' or netns: in the policy instead")
        }
        guard let own = device(mountedFor: "self"), let host = device(mountedFor: "1") else { return }
        guard own == host else {
            throw hidden(
                "\(BPFFileSystem.root) belongs to a private mount namespace: a policy pinned there would end with it")
        }
    }

    /// The BPF file system that a process sees mounted at the root, as `major:minor`; nil if there is none, or that
    /// cannot be read. A process may read another's table of mounts even if it may not read its files.
    private static func device(mountedFor process: String) -> String? {
        guard let table = ProcFile.text("/proc/\(process)/mountinfo") else { return nil }
        var device: String?
        for line in table.split(separator: "\n") {
            // Identity, parent, device, root, mount point, ..., "-", type, ...; the last one mounted at a place is the
            // one seen.
            let words = line.split(separator: " ")
            guard words.count > 4, words[4] == BPFFileSystem.root, let mark = words.firstIndex(of: "-") else {
                continue
            }
            device = words.dropFirst(mark + 1).first == "bpf" ? String(words[2]) : nil
        }
        return device
    }

    private static func hidden(_ message: String) -> DatapathError {
        DatapathError(
            message,
            advice: "do not run it under 'ip netns exec'; name the namespace in the policy (netns:), or use "
                + "'nsenter --net=/run/netns/NAME'")
    }
}
