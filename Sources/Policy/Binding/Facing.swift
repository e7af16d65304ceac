// SPDX-License-Identifier: Apache-2.0

/// Which way the hooks of a device face. What comes to the kernel by a device passes its tc ingress, so the question is
/// whose end of the link the device is.
public enum Facing: Sendable, Hashable {
    /// What comes in is from beyond the device: from the network, or from a guest at its other end.
    case beyond
    /// The device is its user's own end: what a workload sends through it leaves at tc egress.
    case user
    /// Packets come in without passing a hook; `instead` says which devices have them.
    case nothing(instead: String)

    /// - Parameters:
    ///   - kind: the kernel's word for the kind of device (`IFLA_INFO_KIND`), empty for a NIC.
    ///   - isRouted: of an ipvlan: in mode l3s the host's routing hands over what comes in.
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
    /// What is wrong with the device in front of what it would protect, and what to write instead; nil where nothing is.
    func misuse(as protects: Protects, isWritten: Bool) -> String? {
        switch facing {
        case .beyond: return nil
        case .nothing(let instead):
            return "is of the kind \(kernelKind), and what comes in by it passes no hook: \(instead)"
        case .user:
            guard protects == .workload else { return nil }
            let why = isWritten ? "" : " (taken because the port has an identity)"
            return "is of the kind \(kernelKind): it is its user's own end of the link, and "
                + "\"protects: workload\"\(why) would take what its user receives for what it sends. Write "
                + "\"protects: host\": \"in\" is then what the user receives, \"out\" what it sends"
        }
    }
}
