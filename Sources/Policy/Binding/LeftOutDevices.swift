// SPDX-License-Identifier: Apache-2.0

/// The devices of one entry that are not enforced, and why. Others may create them at will: if they were errors, a
/// container could keep the host from changing its policy.
struct LeftOutDevices {
    /// The most devices per location that are named one by one.
    private static let reportLimit = 3

    private struct Device {
        var name: String
        var reason: String
        var location: SourceLocation
    }

    private var devices: [Device] = []
    /// Locations that have at least one device that is not left out.
    var places: Set<SourceLocation> = []

    mutating func add(_ device: HostInterface, _ reason: String, at location: SourceLocation) {
        devices.append(Device(name: device.name, reason: reason, location: location))
    }

    /// Locations whose devices are all left out.
    var barePlaces: Set<SourceLocation> { Set(devices.map(\.location)).subtracting(places) }

    func warn(_ problems: Problems) {
        for (location, devices) in Dictionary(grouping: devices, by: \.location) {
            for device in devices.prefix(LeftOutDevices.reportLimit) {
                let what = "the device \(device.name) is left out as if it were missing, because it \(device.reason)"
                problems.warning(location, what)
            }
            let more = devices.count - LeftOutDevices.reportLimit
            if more > 0 { problems.warning(location, "\(more) more devices are left out as if they were missing") }
        }
    }
}

extension Binder {
    static let notText = "has a name that is not UTF-8; rename it ('ip link set dev NAME name NEW')"
    static let notEthernet = "is not Ethernet; Bulkhead enforces on Ethernet devices only"
    /// The most devices that all workload entries in network namespaces may bind by patterns and bridges. An instance
    /// has four times as many ids, and needs those of two policies at a time while one replaces the other.
    static let foreignDevices = 1024

    /// The oldest first, so that the devices over a limit are the new ones.
    static func inOrder(_ devices: [HostInterface]) -> [HostInterface] { devices.sorted { $0.index < $1.index } }

    /// Whether only root in the entry's network namespace decides what the device is.
    func isOthers(_ index: Int, _ device: HostInterface) -> Bool {
        let entry = ports[index].entry
        return entry.namespace != nil && protects(entry, device) == .workload
    }

    /// Why a device is left out rather than refused; nil if it is not.
    func reasonToLeaveOut(_ device: HostInterface, _ claim: Claim) -> String? {
        let entry = ports[claim.entry].entry
        if isFromInventory(claim.entry) {
            if !device.isNameText { return Binder.notText }
            if !device.isEthernet { return Binder.notEthernet }
            return device.misuse(as: .workload, isWritten: true)
        }
        let isOthers = isOthers(claim.entry, device)
        let isWorkload = protects(entry, device) == .workload
        // Without a unique name the port could not be told from others, and no command could name it.
        if !device.isNameText, isOthers || claim.strength != .exact { return Binder.notText }
        if !device.isEthernet, isOthers || (isWorkload && claim.strength != .exact) { return Binder.notEthernet }
        guard isOthers else { return nil }
        if let misuse = device.misuse(as: .workload, isWritten: entry.protects != nil) { return misuse }
        let count = devices[claim.entry].count
        if count > 0, !entry.macs.isEmpty || !entry.addresses.isEmpty {
            return "is a second device of a port with an identity, which \(devices[claim.entry][0].name) already has"
        }
        guard claim.strength != .exact, count >= 16, count >= foreignLimit else { return nil }
        return "is beyond the limit of \(foreignLimit) devices that the entry may have in its network namespace"
    }

    /// The most devices of one such entry: its share of ``foreignDevices``.
    private var foreignLimit: Int {
        let entries = ports.count { port in
            port.entry.namespace != nil && port.entry.protects != .host && !port.entry.selector.isOfPlainNames
        }
        return max(16, Binder.foreignDevices / max(1, entries))
    }
}

extension PortEntry.Selector {
    /// Whether the policy itself limits the number of devices.
    fileprivate var isOfPlainNames: Bool {
        if case .interfaces(let names) = self { !names.contains(where: Glob.isPattern) } else { false }
    }
}
