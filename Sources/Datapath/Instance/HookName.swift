// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import Libbpf

/// A hook as people and pins call it.
public enum HookName: String, Sendable, Hashable, CaseIterable {
    case xdp
    case tcIngress = "tc-ingress"
    case tcEgress = "tc-egress"

    /// The program of `entry.bpf.c` for it.
    package var entryProgram: String {
        switch self {
        case .xdp: "entry_xdp"
        case .tcIngress: "entry_tc_ingress"
        case .tcEgress: "entry_tc_egress"
        }
    }

    /// Its shared program.
    package var mainProgram: String {
        switch self {
        case .xdp: "bulkhead_xdp"
        case .tcIngress: "bulkhead_tc_ingress"
        case .tcEgress: "bulkhead_tc_egress"
        }
    }

    /// The value of `enum bh_hook`.
    package var number: UInt32 {
        switch self {
        case .xdp: BH_HOOK_XDP.rawValue
        case .tcIngress: BH_HOOK_TC_INGRESS.rawValue
        case .tcEgress: BH_HOOK_TC_EGRESS.rawValue
        }
    }
}
