// SPDX-License-Identifier: Apache-2.0
import Compiler
import Host
import Policy

/// What a policy wants of the gates of one network namespace, by the devices that there are. Pure.
struct GatePlan: Hashable {
    /// A bridge that has a gate.
    struct Bridge: Hashable {
        /// The entries that ask for it.
        var entries: Set<String> = []
        var kind: PortEntry.Gate
        var members: [VLANGate.Member] = []
    }

    var namespace: String?
    /// By name.
    var bridges: [String: Bridge] = [:]
    /// Devices whose packets are judged.
    var admitted: Set<BridgeGate.Device> = []
    /// Members of bridges that have no gate.
    var others: Set<BridgeGate.Device> = []

    var entries: Set<String> { bridges.values.reduce(into: []) { $0.formUnion($1.entries) } }

    /// - Parameter devices: Those that are judged, and whether frames with tags may pass them.
    static func all(
        _ selectors: [DeviceSelector], _ devices: [JudgedDevice], in inventory: HostInventory
    ) -> [GatePlan] {
        let gated = Dictionary(grouping: selectors.filter { $0.gate != .none }, by: \.namespace)
        return gated.compactMap { namespace, selectors in
            guard let found = inventory.namespaces[namespace] else { return nil }
            var plan = GatePlan(namespace: namespace)
            for selector in selectors { plan.add(selector, found.interfaces) }
            let here = devices.filter { $0.namespace == found.inode }.map { ($0.index, $0.carriesTags) }
            let judged = Dictionary(here) { $0 || $1 }
            for device in found.interfaces { plan.add(device, judged[device.index]) }
            return plan
        }
    }

    /// A bridge that is not there yet is held from its beginning, if the policy names it.
    private mutating func add(_ selector: DeviceSelector, _ interfaces: [HostInterface]) {
        guard case .bridge(let name) = selector.selector else { return }
        var names = [interfaces.first { $0.kind == .bridge && $0.isNamed { $0 == name } }?.name ?? name]
        if Glob.isPattern(name), let glob = Glob(name) {
            names = interfaces.filter { $0.kind == .bridge && $0.isNamed(glob.matches) }.map(\.name)
        }
        for name in names {
            bridges[name, default: Bridge(kind: selector.gate)].entries.insert(selector.entry)
            // One that says what it wants is heard before one that leaves it open.
            if bridges[name]?.kind == .auto { bridges[name]?.kind = selector.gate }
        }
    }

    /// - Parameter carriesTags: nil: the device is not judged.
    private mutating func add(_ device: HostInterface, _ carriesTags: Bool?) {
        let key = BridgeGate.Device(name: device.name, index: device.index)
        if carriesTags != nil { admitted.insert(key) }
        guard let bridge = device.bridge else { return }
        if bridges[bridge] == nil {
            if carriesTags == nil { others.insert(key) }
        } else {
            bridges[bridge]?.members.append(
                VLANGate.Member(
                    index: device.index, isAdmitted: carriesTags != nil, carriesTags: carriesTags ?? false))
        }
    }

    /// The gate in nftables for some of the bridges.
    ///
    /// - Parameter tellsBridges: Whether the kernel can hold the ports of these bridges alone.
    func gate(_ bridges: Set<String>, tellsBridges: Bool) -> BridgeGate {
        BridgeGate(
            bridges: bridges, admitted: tellsBridges ? admitted : admitted.union(others), tellsBridges: tellsBridges)
    }

    /// The bridges whose gate is to be of one of these kinds.
    func names(_ kinds: Set<PortEntry.Gate>) -> Set<String> {
        Set(bridges.filter { kinds.contains($0.value.kind) }.keys)
    }
}

/// A device whose packets are judged.
struct JudgedDevice: Hashable {
    /// The inode of its network namespace.
    var namespace: UInt64
    var index: UInt32
    /// Whether frames with a VLAN tag may pass it.
    var carriesTags: Bool
}

extension LiveImage {
    var judgedDevices: [JudgedDevice] {
        devices().filter { $0.mode != nil }.map {
            JudgedDevice(
                namespace: $0.namespaceInode, index: $0.interfaceIndex, carriesTags: view.admitsTags($0.record))
        }
    }
}
