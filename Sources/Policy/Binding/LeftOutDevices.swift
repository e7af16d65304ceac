// SPDX-License-Identifier: Apache-2.0

/// Devices of one entry that are not enforced, and why. They are those that somebody else may make as he likes: were
/// they errors, a container could keep the host from changing its policy.
struct LeftOutDevices {
    /// Devices of one place that are named one by one.
    private static let reportLimit = 3

    private struct Device {
        var name: String
        var reason: String
        var location: SourceLocation
    }

    private var devices: [Device] = []
    /// Places of the entry that have a device nevertheless.
    var places: Set<SourceLocation> = []

    mutating func add(_ device: HostInterface, _ reason: String, at location: SourceLocation) {
        devices.append(Device(name: device.name, reason: reason, location: location))
    }

    /// Places of which every device is left out.
    var barePlaces: Set<SourceLocation> { Set(devices.map(\.location)).subtracting(places) }

    func warn(_ problems: Problems) {
        for (location, devices) in Dictionary(grouping: devices, by: \.location) {
            for device in devices.prefix(LeftOutDevices.reportLimit) {
                let what = "the device \(device.name) is left out, as if it were missing: it \(device.reason)"
                problems.warning(location, what)
            }
            let more = devices.count - LeftOutDevices.reportLimit
            if more > 0 { problems.warning(location, "\(more) more devices are left out, as if they were missing") }
        }
    }
}

extension Binder {
    static let notText = "has a name that is not UTF-8; rename it ('ip link set dev NAME name NEW')"
    static let notEthernet = "is not Ethernet; Bulkhead enforces on Ethernet devices only"
    /// Devices that all workload entries with a network namespace may have by patterns and bridges. An instance has
    /// four times as many ids, and a policy that replaces another needs both policies' at a time.
    static let foreignDevices = 1024

    /// The longest there first, so that those beyond a bound are the new ones.
    static func inOrder(_ devices: [HostInterface]) -> [HostInterface] { devices.sorted { $0.index < $1.index } }

    /// Whether whoever is root in the entry's network namespace, and he alone, decides what the device is.
    func isOthers(_ index: Int, _ device: HostInterface) -> Bool {
        let entry = ports[index].entry
        return entry.namespace != nil && protects(entry, device) == .workload
    }

    /// Why a device is passed over rather than refused; nil where it is not.
    func reasonToLeaveOut(_ device: HostInterface, _ claim: Claim) -> String? {
        let entry = ports[claim.entry].entry
        let isOthers = isOthers(claim.entry, device)
        let isWorkload = protects(entry, device) == .workload
        // Without a name of its own a port could not be told from another, and no command could mean it.
        if !device.isNameText, isOthers || claim.strength != .exact { return Binder.notText }
        if !device.isEthernet, isOthers || (isWorkload && claim.strength != .exact) { return Binder.notEthernet }
        guard isOthers else { return nil }
        if let misuse = device.misuse(as: .workload, isWritten: entry.protects != nil) { return misuse }
        let count = devices[claim.entry].count
        if count > 0, !entry.macs.isEmpty || !entry.addresses.isEmpty {
            return "is a second device of a port with an identity; \(devices[claim.entry][0].name) has it"
        }
        guard claim.strength != .exact, count >= 16, count >= foreignLimit else { return nil }
        return "is one more than \(foreignLimit), the most that the entry may have in another's network namespace"
    }

    /// Devices that one such entry may have: its part of what all may.
    private var foreignLimit: Int {
        let entries = ports.count { port in
            port.entry.namespace != nil && port.entry.protects != .host && !port.entry.selector.isOfPlainNames
        }
        return max(16, Binder.foreignDevices / max(1, entries))
    }
}

extension PortEntry.Selector {
    /// Whether the policy says how many devices there can be.
    fileprivate var isOfPlainNames: Bool {
        if case .interfaces(let names) = self { !names.contains(where: Glob.isPattern) } else { false }
    }
}
