// SPDX-License-Identifier: Apache-2.0
import Network

/// The workloads of a host, and which of their devices each entry of `ports` means. What others say of their guests is
/// never an error: it could keep the host from changing its policy. What contradicts is not admitted.
struct WorkloadTable {
    /// A workload with what it is called here.
    private struct Known {
        var workload: Workload
        var names: [String]
        /// By interface: why it is not admitted.
        var refusals: [String?]
    }

    private var all: [Known] = []
    /// By entry.
    private var guests: [[WorkloadPort]]
    private let problems: Problems

    /// - Parameter workloads: The oldest first; nil: there is no inventory.
    init(_ ports: [PortDefinition], _ workloads: [Workload]?, _ problems: Problems) {
        self.problems = problems
        guests = Array(repeating: [], count: ports.count)
        guard let workloads else {
            for port in ports where !port.entry.workloads.isEmpty {
                problems.warning(
                    port.selectorLocations[0],
                    "there is no inventory of workloads; the agent makes it, and binds guests when it has one")
            }
            return
        }
        var claims = WorkloadClaims(ports)
        for workload in workloads {
            var known = Known(workload: workload, names: [workload.name], refusals: [])
            if WorkloadTable.owner(of: known, ports) == nil { known.names += workload.formerNames }
            let owner = WorkloadTable.owner(of: known, ports)
            for interface in workload.interfaces {
                known.refusals.append(
                    workload.refusal
                        ?? claims.claim(interface, of: workload.name, bindsAddresses: owner != nil))
            }
            all.append(known)
            if let owner { bind(known, owner, ports, claims.named) }
        }
    }

    /// The definitions with the devices that they mean.
    func completed(_ ports: [PortDefinition]) -> [PortDefinition] {
        zip(ports, guests).map { port, guests in
            guard !port.entry.workloads.isEmpty else { return port }
            var port = port
            let place = port.selectorLocations.first ?? port.entry.location
            port.entry.guests = guests
            port.entry.selector = .interfaces(guests.map(\.device))
            port.workloadLocation = place
            port.selectorLocations = Array(repeating: place, count: guests.count)
            return port
        }
    }

    /// The addresses of the workloads that are meant, but for those that were not admitted.
    func addresses(_ selector: WorkloadSelector) -> AddressSet {
        let meant = all.filter { selector.closeness(to: $0.workload, called: $0.names) != nil }
        let prefixes = meant.flatMap { known in
            zip(known.workload.interfaces, known.refusals).flatMap { $1 == nil ? $0.addresses ?? [] : [] }
        }
        return AddressSet(prefixes).subtracting(WellKnown.linkLocal)
    }

    // MARK: Entries

    private struct Owner {
        var entry: Int
        var closeness: WorkloadSelector.Closeness
        var location: SourceLocation
        /// An entry that means it as closely.
        var rival: Int?
    }

    private static func owner(of known: Known, _ ports: [PortDefinition]) -> Owner? {
        var best: Owner?
        for (index, port) in ports.enumerated() {
            for (selector, location) in zip(port.entry.workloads, port.selectorLocations) {
                guard let closeness = selector.closeness(to: known.workload, called: known.names) else { continue }
                if let other = best, other.closeness >= closeness {
                    if other.closeness == closeness, other.entry != index { best?.rival = index }
                } else {
                    best = Owner(entry: index, closeness: closeness, location: location)
                }
            }
        }
        return best
    }

    private mutating func bind(_ known: Known, _ owner: Owner, _ ports: [PortDefinition], _ named: Set<DevicePlace>) {
        let name = known.workload.name
        let entry = ports[owner.entry].entry
        if known.names.count > 1, !isMeantNow(known, entry) {
            problems.warning(
                owner.location,
                "workload \"\(name)\" is still in port \"\(entry.name)\", as it was called "
                    + "\"\(known.names[1])\" before; name it in the policy")
        }
        let rival = owner.rival.map {
            "it is in port \"\(entry.name)\" and in port \"\(ports[$0].entry.name)\"; name it in one port only"
        }
        for (interface, refusal) in zip(known.workload.interfaces, known.refusals) {
            guard let device = interface.device, !named.contains(DevicePlace(entry.namespace, device)),
                !guests[owner.entry].contains(where: { $0.device == device })
            else { continue }
            var port = WorkloadPort(
                workload: name, device: device, mac: interface.mac, addresses: interface.addresses,
                refusal: refusal ?? rival)
            if !entry.macs.isEmpty || !entry.addresses.isEmpty, !guests[owner.entry].isEmpty {
                port.refusal = port.refusal ?? "the port's \"mac\" or \"addresses\" are another device's"
            }
            guests[owner.entry].append(port)
            guard let reason = port.refusal else { continue }
            problems.warning(
                owner.location,
                "workload \"\(name)\" is not admitted at \(device), and all its packets are "
                    + "dropped: \(reason)")
        }
    }

    private func isMeantNow(_ known: Known, _ entry: PortEntry) -> Bool {
        entry.workloads.contains { $0.closeness(to: known.workload, called: [known.workload.name]) != nil }
    }
}

/// A device as an entry names it.
struct DevicePlace: Hashable {
    var namespace: String?
    var device: String

    init(_ namespace: String?, _ device: String) {
        self.namespace = namespace
        self.device = device
    }
}

/// Who has which address. Who comes later does not get what another has.
private struct WorkloadClaims {
    private var macs: [MACAddress: String] = [:]
    private var devices: [String: String] = [:]
    private var addresses: [Prefix: String] = [:]
    /// Those of `addresses` that are more than one address.
    private var networks: [Prefix] = []
    /// Devices that entries name themselves.
    private(set) var named: Set<DevicePlace> = []

    init(_ ports: [PortDefinition]) {
        for port in ports {
            let words = "port \"\(port.entry.name)\""
            for mac in port.entry.macs { macs[mac] = words }
            for prefix in port.entry.addresses { add(prefix, words) }
            guard port.entry.workloads.isEmpty, case .interfaces(let names) = port.entry.selector else { continue }
            for name in names { named.insert(DevicePlace(port.entry.namespace, name)) }
        }
    }

    /// Why an interface cannot have what it claims; nil: it has it now.
    mutating func claim(_ interface: Workload.Interface, of name: String, bindsAddresses: Bool) -> String? {
        let words = "workload \"\(name)\""
        if let device = interface.device, let other = devices[device] { return "\(device) is the device of \(other)" }
        if let mac = interface.mac, let other = macs[mac] {
            return "its MAC address \(mac) is that of \(other), which was there before"
        }
        let bound = bindsAddresses ? (interface.addresses ?? []).filter { !$0.isLinkLocal } : []
        for prefix in bound {
            if let (taken, other) = taken(prefix) {
                return "its address \(prefix) is in \(taken) of \(other), which was there before"
            }
        }
        if let device = interface.device { devices[device] = words }
        if let mac = interface.mac { macs[mac] = words }
        for prefix in bound { add(prefix, words) }
        return nil
    }

    private mutating func add(_ prefix: Prefix, _ words: String) {
        guard addresses[prefix] == nil, !prefix.isLinkLocal else { return }
        addresses[prefix] = words
        if prefix.length < prefix.family.bits { networks.append(prefix) }
    }

    private func taken(_ prefix: Prefix) -> (Prefix, String)? {
        if let words = addresses[prefix] { return (prefix, words) }
        let overlapping =
            networks.first { AddressSet([$0]).intersects(prefix) }
            ?? (prefix.length < prefix.family.bits ? addresses.keys.first { AddressSet([prefix]).intersects($0) } : nil)
        return overlapping.flatMap { network in addresses[network].map { (network, $0) } }
    }
}
