// SPDX-License-Identifier: Apache-2.0

/// How a port is enforced.
public enum EnforcementMode: String, Sendable, Hashable {
    case tc
    case xdpNative = "xdp-native"
    case xdpGeneric = "xdp-generic"
}
