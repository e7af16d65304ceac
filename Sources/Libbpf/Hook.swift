// SPDX-License-Identifier: Apache-2.0
import CLibbpf

/// Where on a device a program runs.
public enum Hook: String, Sendable, Hashable, CaseIterable {
    case xdpNative = "native XDP"
    case xdpGeneric = "generic XDP"
    case tcxIngress = "tc ingress"
    case tcxEgress = "tc egress"

    var attachType: Int32 {
        switch self {
        case .xdpNative, .xdpGeneric: Int32(bitPattern: BPF_XDP.rawValue)
        case .tcxIngress: Int32(BULKHEAD_TCX_INGRESS)
        case .tcxEgress: Int32(BULKHEAD_TCX_EGRESS)
        }
    }

    var flags: UInt32 {
        switch self {
        case .xdpNative: UInt32(BULKHEAD_XDP_NATIVE)
        case .xdpGeneric: UInt32(BULKHEAD_XDP_GENERIC)
        // At the head, so that no program in front of ours can hide a packet from it.
        case .tcxIngress, .tcxEgress: UInt32(BULKHEAD_F_BEFORE)
        }
    }
}

extension Hook: CustomStringConvertible {
    public var description: String { rawValue }
}
