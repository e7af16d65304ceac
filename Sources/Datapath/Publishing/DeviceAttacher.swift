// SPDX-License-Identifier: Apache-2.0
import Glibc
import Libbpf
import Policy

/// Attaches programs to the hooks of one device that its port asks for, in the device's network namespace.
struct DeviceAttacher {
    struct Outcome {
        var mode = EnforcementMode.tc
        /// Hooks that were attached now.
        var attached: [HookName] = []
        var warnings: [String] = []
        /// Why it was given up; what was attached until then is in `attached`.
        var failure: DatapathError?
    }

    let attachment: Attachment
    let request: DeviceAllotment.Request
    /// The device in the generation in force.
    let old: DeviceRecord?

    /// Attaches what is missing.
    ///
    /// - Parameter replacing: whether attached hooks also get the entry programs of this build.
    func run(replacing: Bool, _ maps: InstanceMaps, _ generic: GenericXDP) throws(DatapathError) -> Outcome {
        var outcome = Outcome()
        do throws(BPFError) {
            try bring(&outcome, replacing, maps, generic)
        } catch {
            outcome.failure = explain(error)
        }
        return outcome
    }

    private var wantsXDP: Bool {
        switch request.mode {
        case .auto: request.port.protects == .host
        case .xdp: true
        case .tc: false
        }
    }

    private func bring(
        _ outcome: inout Outcome, _ replacing: Bool, _ maps: InstanceMaps, _ generic: GenericXDP
    ) throws(BPFError) {
        var present: [HookName] = []
        var missing: [HookName] = []
        for hook in HookName.allCases {
            // An XDP program that the policy in force does not know was left by a killed apply.
            let isKnown = old.map { $0.hooks.contains(hook) } ?? false
            let isThere = isKnown ? try attachment.program(hook) != nil : false
            if isThere { present.append(hook) } else if hook != .xdp || wantsXDP { missing.append(hook) }
        }
        if wantsXDP, present.contains(.xdp), let mode = old?.mode, mode != .tc { outcome.mode = mode }
        guard replacing || !missing.isEmpty else { return }
        let object = try attachment.load(replacing ? HookName.allCases : missing, maps: maps)
        if replacing {
            let isGeneric = old?.mode == .xdpGeneric
            if isGeneric { try generic.provide() }
            try attachment.replace(present, isGeneric: isGeneric, object)
        }
        for hook in missing where hook != .xdp {
            try attachment.removeStalePin(hook)
            try attachment.attachTC(hook, object)
            outcome.attached.append(hook)
        }
        if missing.contains(.xdp) { try attachXDP(&outcome, object, generic) }
    }

    /// Attaches native XDP if the driver takes it. If not, mode `xdp` gets generic XDP, and mode `auto` tc alone.
    private func attachXDP(
        _ outcome: inout Outcome, _ object: borrowing LoadedObject, _ generic: GenericXDP
    ) throws(BPFError) {
        try attachment.removeStalePin(.xdp)
        let native: BPFError
        do throws(BPFError) {
            try attachment.attachXDP(native: true, object)
            outcome.mode = .xdpNative
            outcome.attached.append(.xdp)
            return
        } catch {
            native = error
        }
        guard native.errno != .operationNotSupportedByDevice else { throw native }
        let other = attachment.otherOnXDP()
        let subject = "port '\(request.port.name)' (\(request.identity.interface))"
        if request.mode == .xdp {
            if let other {
                outcome.failure = DatapathError(
                    "\(subject): \(other) is on the XDP hook, and is not displaced",
                    advice: "take it off ('ip link set dev \(request.identity.interface) xdp off'), or use 'mode: tc'",
                    bpf: native)
                return
            }
            try generic.provide()
            try attachment.attachXDP(native: false, object)
            outcome.mode = .xdpGeneric
            outcome.attached.append(.xdp)
            outcome.warnings.append("\(subject): the driver refuses native XDP (\(native.cause)); generic XDP is used")
            return
        }
        // A bridge or VLAN device never has XDP, so there is nothing to warn of.
        guard other != nil || mayHaveXDP || native.errno != .notSupported else { return }
        outcome.warnings.append(
            other.map { "\(subject): \($0) is on the XDP hook; tc alone enforces the policy" }
                ?? "\(subject): the driver refuses XDP (\(native.cause)); tc alone enforces the policy. \(usualCauses)"
        )
    }

    /// Whether there are drivers of this kind of device that take native XDP.
    private var mayHaveXDP: Bool { ["", "tun", "veth", "bond"].contains(request.kernelKind) }

    /// What usually prevents native XDP.
    private var usualCauses: String {
        "Large receive offload, jumbo frames or too few queues are the usual causes: "
            + "try 'ethtool -K \(request.identity.interface) lro off'"
    }

    private func explain(_ error: BPFError) -> DatapathError {
        let interface = request.identity.interface
        let place = request.identity.namespace.map { " in network namespace '\($0)'" } ?? ""
        if error.errno == .operationNotSupportedByDevice {
            return DatapathError(
                "interface '\(interface)'\(place) of port '\(request.port.name)' has vanished meanwhile",
                advice: "apply again: the policy in force is as it was", bpf: error)
        }
        return DatapathError(
            "cannot enforce port '\(request.port.name)' at interface '\(interface)'\(place)", error)
    }
}
