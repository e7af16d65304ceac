// SPDX-License-Identifier: Apache-2.0
import Compiler
import Host
import Policy

/// What the kernel has of the gates that a policy wants, by entry.
struct GateReading {
    /// Of the entries whose gate is as it should be, what it is made of.
    var made: [String: PortEntry.Gate] = [:]
    /// Why another entry's is not.
    var problems: [String: String] = [:]
}

/// Gates are put up and opened after programs were attached and their image was published, and shut before programs
/// are taken off.
extension Instance {
    /// The table of nftables that is an instance's gate.
    package static func gateTable(_ instance: String) -> String { "bulkhead-\(instance)" }
    private var gateTable: String { Instance.gateTable(name) }

    /// Puts the gates up as these selectors want them, opens them for the devices that are judged, and for no others.
    ///
    /// - Parameter former: Selectors that may have a gate that nobody wants any more.
    /// - Returns: what could not be done, for people.
    func settleGates(
        _ selectors: [DeviceSelector], _ devices: [JudgedDevice], former: [DeviceSelector] = []
    ) -> [String] {
        let wanted = Set(selectors.filter { $0.gate != .none }.map(\.namespace))
        let left = Set(former.filter { $0.gate != .none }.map(\.namespace))
        guard !wanted.isEmpty || !left.isEmpty else { return [] }
        do throws(HostError) {
            let inventory = try HostInventory.read(namespaces: Set(wanted.union(left).compactMap(\.self)))
            let plans = GatePlan.all(selectors, devices, in: inventory)
            var warnings: [String] = []
            for old in GatePlan.all(former, [], in: inventory) {
                let plan = plans.first { $0.namespace == old.namespace }
                warnings += try inside(old.namespace) { () throws(HostError) in try remove(old, keeping: plan) }
            }
            for plan in plans {
                warnings += try inside(plan.namespace) { () throws(HostError) in try settle(plan) }
            }
            return warnings
        } catch {
            return [error.message + (error.advice.map { "; \($0)" } ?? "")]
        }
    }

    private func inside<Result>(
        _ namespace: String?, _ body: () throws(HostError) -> Result
    ) throws(HostError) -> Result {
        try NetworkNamespace.with(namespace, body)
    }

    // MARK: In the plan's namespace

    private func settle(_ plan: GatePlan) throws(HostError) -> [String] {
        var warnings: [String] = []
        for name in plan.names([.vlan]).sorted() { warnings += settleVLANs(name, plan) }
        let names = plan.names([.nft, .auto])
        guard !names.isEmpty else { return warnings }
        let present = try BridgeGate.read(gateTable)
        if let present, present == plan.gate(names, tellsBridges: present.tellsBridges) { return warnings }
        if try plan.gate(names, tellsBridges: true).put(gateTable) { return warnings }
        let entries = names.sorted().flatMap { plan.bridges[$0]?.entries.sorted() ?? [] }.joined(separator: ", ")
        if try plan.gate(names, tellsBridges: false).put(gateTable) {
            guard !plan.others.isEmpty else { return warnings }
            return warnings + [
                "the gate of \(entries) also holds new ports of the other bridges until they are seen: "
                    + "this kernel's nftables cannot tell bridges apart"
            ]
        }
        for name in plan.names([.auto]).sorted() { warnings += settleVLANs(name, plan) }
        guard !plan.names([.nft]).isEmpty else { return warnings }
        return warnings + ["the gate of \(entries) is not there: this kernel has no nftables for bridges"]
    }

    private func settleVLANs(_ name: String, _ plan: GatePlan) -> [String] {
        do throws(VLANGate.Failure) {
            try VLANGate(name).put(plan.bridges[name]?.members ?? [])
            return []
        } catch {
            // One that comes later is seen when it is there.
            if error == .noBridge { return [] }
            return ["the gate of bridge \(name) is not there: \(error.words)"]
        }
    }

    /// - Parameter plan: What is wanted there now.
    private func remove(_ old: GatePlan, keeping plan: GatePlan?) throws(HostError) -> [String] {
        if plan?.names([.nft, .auto]).isEmpty ?? true { try BridgeGate.remove(gateTable) }
        var warnings: [String] = []
        for (name, bridge) in old.bridges where bridge.kind != .nft && plan?.bridges[name]?.kind ?? .none != .vlan {
            guard plan?.bridges[name]?.kind != .auto else { continue }
            do throws(VLANGate.Failure) {
                try VLANGate(name).remove(bridge.members.map(\.index))
            } catch {
                if error != .noBridge { warnings.append("the gate of bridge \(name) is still there: \(error.words)") }
            }
        }
        return warnings
    }

    // MARK: Reading

    /// Compares the gates with what the policy in force wants.
    func readGates(_ image: LiveImage, _ inventory: HostInventory) -> GateReading {
        var reading = GateReading()
        for plan in GatePlan.all(image.view.selectors, image.judgedDevices, in: inventory) {
            var states: [String: (kind: PortEntry.Gate, problem: String?)] = [:]
            do throws(HostError) {
                states = try inside(plan.namespace) { () throws(HostError) in try read(plan) }
            } catch {
                for name in plan.bridges.keys { states[name] = (.none, "the gate cannot be read: \(error.message)") }
            }
            for (name, state) in states {
                for entry in plan.bridges[name]?.entries ?? [] {
                    reading.made[entry] = state.kind
                    if let problem = state.problem { reading.problems[entry] = problem }
                }
            }
        }
        for entry in reading.problems.keys { reading.made[entry] = nil }
        return reading
    }

    private func read(
        _ plan: GatePlan
    ) throws(HostError) -> [String: (kind: PortEntry.Gate, problem: String?)] {
        var result: [String: (kind: PortEntry.Gate, problem: String?)] = [:]
        let names = plan.names([.nft, .auto])
        let present = names.isEmpty ? nil : try BridgeGate.read(gateTable)
        for (name, bridge) in plan.bridges {
            if bridge.kind != .vlan, let present {
                result[name] = (.nft, present.difference(from: plan.gate(names, tellsBridges: present.tellsBridges)))
            } else {
                let vlans = try? VLANGate(name)
                let isUp = vlans?.isUp ?? false
                if bridge.kind != .nft, isUp || bridge.kind == .vlan {
                    result[name] = (.vlan, vlans.map { $0.problem(bridge) } ?? nil)
                } else {
                    result[name] = (.nft, "the gate is gone, or was changed: apply again")
                }
            }
        }
        return result
    }
}

extension VLANGate {
    /// nil: it is as the plan wants it.
    fileprivate func problem(_ bridge: GatePlan.Bridge) -> String? {
        guard isUp else { return "the gate is gone, or was changed: apply again" }
        if bridge.members.contains(where: { !$0.isAdmitted && isOpen($0) }) {
            return "the gate is open for a port that is not enforced: apply again"
        }
        let isShut = bridge.members.contains { $0.isAdmitted && !isOpen($0) }
        return isShut ? "the gate is shut for a port that is enforced: apply again" : nil
    }
}

extension VLANGate.Failure {
    fileprivate var words: String {
        switch self {
        case .noBridge: "there is no such bridge"
        case .notSupported: "this kernel does not filter VLANs"
        case .othersVLANs: "its administrator filters VLANs, or VLAN \(VLANGate.tag) is in use; write 'gate: nft'"
        case .failed(let words): words
        }
    }
}

extension BridgeGate {
    /// nil: there is none.
    fileprivate func difference(from wanted: BridgeGate) -> String? {
        guard bridges == wanted.bridges else { return "the gate is for other bridges: apply again" }
        let strange = admitted.subtracting(wanted.admitted).map(\.name).sorted()
        let shut = wanted.admitted.subtracting(admitted).map(\.name).sorted()
        if !strange.isEmpty {
            return "the gate is open for \(strange.joined(separator: ", ")), which is not enforced: apply again"
        }
        return shut.isEmpty ? nil : "the gate is shut for \(shut.joined(separator: ", ")): apply again"
    }
}
