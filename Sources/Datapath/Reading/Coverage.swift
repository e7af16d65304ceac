// SPDX-License-Identifier: Apache-2.0
import Host
import Policy

/// The devices that the policy in force means, as they are now, and which of them are judged.
struct Coverage {
    private let inventory: HostInventory
    private let selectors: [String: DeviceSelector]
    /// By entry.
    private let meant: [String: [HostInterface]]
    /// Of these, by entry, those whose packets pass unjudged.
    private let uncovered: [String: [HostInterface]]
    /// Devices that pass packets through programs of ours in both directions.
    private let judged: Set<Place>

    /// By device, the bridge that it is a member of.
    private let bridgeOf: [Place: String]

    fileprivate struct Place: Hashable {
        var namespaceInode: UInt64
        var index: UInt32
    }

    /// - Parameter judged: The records of devices that have our programs on both tc hooks.
    init(_ image: LiveImage, _ inventory: HostInventory, judged: some Sequence<DeviceRecord>) {
        self.inventory = inventory
        let all = image.view.selectors
        let selectors = Dictionary(all.map { ($0.entry, $0) }) { first, _ in first }
        let places = Set(judged.map { Place(namespaceInode: $0.namespaceInode, index: $0.interfaceIndex) })
        meant = DeviceSelector.devices(of: all, in: inventory)
        // Every port of an entry asks for them.
        uncovered = meant.reduce(into: [:]) { result, entry in
            let inode = inventory.namespaces[selectors[entry.key]?.namespace]?.inode
            result[entry.key] = entry.value.filter { !places.contains($0, in: inode) }
        }
        bridgeOf = inventory.namespaces.values.reduce(into: [:]) { result, found in
            for device in found.interfaces {
                result[Place(namespaceInode: found.inode, index: device.index)] = device.bridge
            }
        }
        self.selectors = selectors
        self.judged = places
    }

    /// The names of the devices that an entry means and whose packets pass unjudged; nil of an entry that names its
    /// devices one by one.
    func uncoveredNames(_ entry: String) -> [String]? {
        guard selectors[entry]?.isOpen ?? false else { return nil }
        return (uncovered[entry] ?? []).map(\.name)
    }

    /// Whether a recorded device is one of these.
    func isUncovered(_ device: DeviceRecord, of entry: String) -> Bool {
        inventory.namespaces[device.namespace]?.inode == device.namespaceInode
            && (uncovered[entry] ?? []).contains { $0.index == device.interfaceIndex }
    }

    /// Whether an entry still means a recorded device that is there.
    func means(_ device: DeviceRecord, by entry: String) -> Bool {
        (meant[entry] ?? []).contains { $0.index == device.interfaceIndex }
    }

    /// The bridge that a recorded device is a member of now.
    func bridge(of device: DeviceRecord) -> String? {
        bridgeOf[Place(namespaceInode: device.namespaceInode, index: device.interfaceIndex)]
    }

    private func isJudged(_ device: HostInterface, in namespace: String?) -> Bool {
        judged.contains(device, in: inventory.namespaces[namespace]?.inode)
    }

    /// A device that passes unjudged in the place of a recorded one: it has the recorded name, or is the one that the
    /// entry means.
    func standIn(for device: DeviceRecord, of entry: String) -> HostInterface? {
        (uncovered[entry] ?? []).first { other in
            let isTheRecorded =
                inventory.namespaces[device.namespace]?.inode == device.namespaceInode
                && other.index == device.interfaceIndex
            return !isTheRecorded && isMeant(other, device, entry)
        }
    }

    private func isMeant(_ other: HostInterface, _ device: DeviceRecord, _ entry: String) -> Bool {
        if !device.isOfSeveral || other.isNamed(device.interface) { return true }
        // A device that was missing is recorded by what the policy names it, as far as there is room for it.
        guard device.interfaceIndex == 0 else { return false }
        switch selectors[entry]?.selector {
        case .bridge(let name)?: return DeviceRecord.cut(name) == device.interface
        case .interfaces(let names)?:
            return names.contains { name in
                guard DeviceRecord.cut(name) == device.interface else { return false }
                return Glob.isPattern(name)
                    ? Glob(name).map { other.isNamed($0.matches) } ?? false : other.isNamed(name)
            }
        case nil: return false
        }
    }

    /// Bridges of which some members are judged and others are no port of the policy.
    var bridges: [Status.Bridge] {
        var result: [Status.Bridge] = []
        let named = Set(
            meant.flatMap { entry, devices in
                devices.map { NamedDevice(namespace: selectors[entry]?.namespace, index: $0.index) }
            })
        for (namespace, found) in inventory.namespaces {
            for (bridge, members) in Dictionary(grouping: found.interfaces, by: \.bridge) {
                guard let bridge, members.contains(where: { isJudged($0, in: namespace) }) else { continue }
                let others = members.sorted { $0.index < $1.index }.filter { member in
                    !isJudged(member, in: namespace)
                        && !named.contains(NamedDevice(namespace: namespace, index: member.index))
                }
                guard !others.isEmpty else { continue }
                result.append(Status.Bridge(name: bridge, namespace: namespace, uncovered: others.map(\.name)))
            }
        }
        return result.sorted { ($0.namespace ?? "", $0.name) < ($1.namespace ?? "", $1.name) }
    }

    private struct NamedDevice: Hashable {
        var namespace: String?
        var index: UInt32
    }
}

extension Set<Coverage.Place> {
    /// - Parameter namespace: The inode of the device's namespace; nil: it is gone, and the device with it.
    fileprivate func contains(_ device: HostInterface, in namespace: UInt64?) -> Bool {
        namespace.map { contains(Coverage.Place(namespaceInode: $0, index: device.index)) } ?? false
    }
}
