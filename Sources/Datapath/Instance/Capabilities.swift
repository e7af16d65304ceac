// SPDX-License-Identifier: Apache-2.0
import Host

/// A right that the kernel asks for, by its number.
enum Capability: UInt64, Sendable, CaseIterable {
    case networkAdministration = 12
    case systemAdministration = 21
    case performanceMonitoring = 38
    case bpf = 39

    /// As capabilities(7) calls it.
    var name: String {
        switch self {
        case .networkAdministration: "CAP_NET_ADMIN"
        case .systemAdministration: "CAP_SYS_ADMIN"
        case .performanceMonitoring: "CAP_PERFMON"
        case .bpf: "CAP_BPF"
        }
    }
}

/// What this process may ask of the kernel.
struct Capabilities: Sendable {
    private let bits: UInt64

    init(bits: UInt64) { self.bits = bits }

    /// The effective ones of this process; nil if /proc cannot be read.
    static let effective: Capabilities? = {
        let name = "CapEff:\t"
        let lines = ProcFile.text("/proc/self/status")?.split(separator: "\n") ?? []
        return lines.first { $0.hasPrefix(name) }.flatMap { UInt64($0.dropFirst(name.count), radix: 16) }
            .map(Capabilities.init(bits:))
    }()

    /// CAP_SYS_ADMIN has CAP_BPF and CAP_PERFMON in it, as it had before there were these two.
    func has(_ capability: Capability) -> Bool {
        func isSet(_ capability: Capability) -> Bool { bits >> capability.rawValue & 1 == 1 }
        switch capability {
        case .bpf, .performanceMonitoring: return isSet(capability) || isSet(.systemAdministration)
        case .networkAdministration, .systemAdministration: return isSet(capability)
        }
    }
}
