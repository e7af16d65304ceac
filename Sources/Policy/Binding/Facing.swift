// SPDX-License-Identifier: Apache-2.0

/// Which way a device's hooks face. What the kernel receives from a device passes its tc ingress hook, so the question
/// is which end of the link the device is.
public enum Facing: Sendable, Hashable {
    /// What the device receives comes from the network, or from a guest at the other end.
    case beyond
    /// The device is the workload's own end: what the workload sends leaves through tc egress.
    case user
    /// Received packets pass no hook; `instead` says which device to name.
    case nothing(instead: String)

    /// - Parameters:
    ///   - kind: The kernel's name for the kind of device (`IFLA_INFO_KIND`), empty for a NIC.
    ///   - isRouted: For an ipvlan device: whether it is in mode l3s, in which the host routes packets to it.
    public init(kind: String, isRouted: Bool = false) {
        self =
            switch kind {
            case "macvlan", "macvtap", "ipvlan", "ipvtap":
                isRouted ? .nothing(instead: "use mode l2 or l3, or name the device below it") : .user
            case "ifb": .nothing(instead: "name the device whose packets are redirected to it")
            case "vrf": .nothing(instead: "name the VRF's member devices")
            default: .beyond
            }
    }
}

extension HostInterface {
    /// Why the device cannot protect what it should, and what to write instead; nil if it can.
    func misuse(as protects: Protects, isWritten: Bool) -> String? {
        switch facing {
        case .beyond: return nil
        case .nothing(let instead):
            return "is of the kind \(kernelKind), whose incoming packets pass no hook; \(instead)"
        case .user:
            guard protects == .workload else { return nil }
            let why = isWritten ? "" : " (the default, because the port has an identity)"
            return "is of the kind \(kernelKind), its user's own end of the link: \"protects: workload\"\(why) would "
                + "swap its directions. Write \"protects: host\"; \"in\" is then what the user receives and "
                + "\"out\" what it sends"
        }
    }
}
