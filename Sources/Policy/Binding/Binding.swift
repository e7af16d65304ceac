// SPDX-License-Identifier: Apache-2.0
import Network

/// Binds port entries to a host's devices. Pure: the devices are an argument.
struct Binder {
    /// How an entry names a device; the stronger claim wins.
    enum Strength: Int, Comparable {
        case bridge, glob, exact
        static func < (left: Strength, right: Strength) -> Bool { left.rawValue < right.rawValue }
    }

    struct Claim {
        var entry: Int
        var strength: Strength
        var location: SourceLocation
    }

    /// A device, however its network namespace is named.
    private struct DeviceKey: Hashable {
        var namespace: UInt64
        var index: UInt32
    }

    let ports: [PortDefinition]
    private let inventory: HostInventory
    /// Whether a missing device that must exist is an error.
    private let requiresDevices: Bool
    let problems: Problems
    private var claims: [DeviceKey: [Claim]] = [:]
    /// The claimed devices, in the order of their first claims.
    private var claimed: [(key: DeviceKey, device: HostInterface)] = []
    /// By entry: its devices, and the names for which there is no device.
    private(set) var devices: [[HostInterface]]
    private var missing: [[(name: String, location: SourceLocation)]]
    /// By entry: the devices left out, by the location of the name or pattern that matches them.
    private(set) var leftOut: [LeftOutDevices]

    static func bind(
        _ ports: [PortDefinition], to inventory: HostInventory, requiresDevices: Bool, _ problems: Problems
    ) -> [PortBinding] {
        var binder = Binder(ports: ports, inventory: inventory, requiresDevices: requiresDevices, problems)
        for index in ports.indices { binder.claim(index) }
        for (key, device) in binder.claimed { binder.award(device, binder.claims[key] ?? []) }
        for devices in binder.leftOut { devices.warn(problems) }
        return ports.indices.flatMap { binder.bindings($0) }
    }

    private init(
        ports: [PortDefinition], inventory: HostInventory, requiresDevices: Bool, _ problems: Problems
    ) {
        self.ports = ports
        self.inventory = inventory
        self.requiresDevices = requiresDevices
        self.problems = problems
        devices = Array(repeating: [], count: ports.count)
        missing = Array(repeating: [], count: ports.count)
        leftOut = Array(repeating: LeftOutDevices(), count: ports.count)
    }

    // MARK: Claims

    private mutating func claim(_ index: Int) {
        let port = ports[index]
        if !port.entry.workloads.isEmpty, port.entry.guests.isEmpty {
            missing[index] = port.entry.workloads.map { ("\($0)", port.workloadLocation ?? port.entry.location) }
            return
        }
        guard let namespace = inventory.namespaces[port.entry.namespace] else {
            guard let name = port.entry.namespace else {
                missing[index] = names(of: port)
                return
            }
            let what = "the network namespace \"\(name)\" does not exist or cannot be entered"
            // If the namespace is missing, so are the guest's devices in it.
            let isAwaited = (port.entry.protects ?? (port.entry.hasIdentity ? .workload : .host)) == .workload
            if requiresDevices, !isAwaited, !inventory.isStarting {
                problems.error(port.namespaceLocation, what)
            } else {
                problems.warning(port.namespaceLocation, isAwaited ? what : what + consequence)
                missing[index] = names(of: port)
            }
            return
        }
        switch port.entry.selector {
        case .interfaces(let names):
            for (name, location) in zip(names, port.selectorLocations) {
                claim(index, name, at: location, in: namespace)
            }
        case .bridge(let pattern):
            let glob = Glob.isPattern(pattern) ? Glob(pattern) : nil
            func isMeant(_ name: String) -> Bool { glob?.matches(name) ?? (name == pattern) }
            let bridges = namespace.interfaces.filter { $0.kind == .bridge && $0.isNamed(isMeant) }
            let meant = Set(bridges.map(\.name))
            let members = Binder.inOrder(
                namespace.interfaces.filter { $0.bridge.map { meant.contains($0) || isMeant($0) } ?? false })
            for device in members { claim(index, device, .bridge, at: port.selectorLocations[0], in: namespace) }
            if members.isEmpty { missing[index] = names(of: port) }
        }
    }

    func names(of port: PortDefinition) -> [(name: String, location: SourceLocation)] {
        switch port.entry.selector {
        case .interfaces(let names): zip(names, port.selectorLocations).map { ($0, $1) }
        case .bridge(let name): [(name, port.selectorLocations[0])]
        }
    }

    private mutating func claim(
        _ index: Int, _ name: String, at location: SourceLocation, in namespace: NamespaceInventory
    ) {
        guard Glob.isPattern(name), let glob = Glob(name) else {
            if let device = namespace.interfaces.first(where: { $0.isNamed { $0 == name } }) {
                claim(index, device, .exact, at: location, in: namespace)
            } else {
                missing[index].append((name, location))
            }
            return
        }
        // A pattern never matches the loopback device, which "*" always would.
        let found = Binder.inOrder(namespace.interfaces.filter { $0.kind != .loopback && $0.isNamed(glob.matches) })
        for device in found { claim(index, device, .glob, at: location, in: namespace) }
        if found.isEmpty { missing[index].append((name, location)) }
    }

    private mutating func claim(
        _ index: Int, _ device: HostInterface, _ strength: Strength, at location: SourceLocation,
        in namespace: NamespaceInventory
    ) {
        let key = DeviceKey(namespace: namespace.inode, index: device.index)
        if claims[key] == nil { claimed.append((key, device)) }
        claims[key, default: []].append(Claim(entry: index, strength: strength, location: location))
    }

    /// Gives a device to the entry with the strongest claim. Two equally strong claims are an error.
    private mutating func award(_ device: HostInterface, _ claims: [Claim]) {
        let strongest = claims.map(\.strength).max()
        // What the policy itself says goes before what the inventory says.
        let rivals = claims.filter { $0.strength == strongest }
        guard let winner = rivals.first(where: { !isFromInventory($0.entry) }) ?? rivals.first else { return }
        for claim in rivals where claim.entry != winner.entry {
            let name = ports[winner.entry].entry.name
            let what = "is also in port \"\(name)\", at \(winner.location); name it in one port only"
            if isFromInventory(claim.entry) || (isOthers(claim.entry, device) && isOthers(winner.entry, device)) {
                leftOut[claim.entry].add(device, what, at: claim.location)
            } else {
                problems.error(claim.location, "the device \(device.name) \(what)")
            }
        }
        if let reason = reasonToLeaveOut(device, winner) {
            leftOut[winner.entry].add(device, reason, at: winner.location)
            return
        }
        devices[winner.entry].append(device)
        leftOut[winner.entry].places.insert(winner.location)
        if !device.isNameText { problems.error(winner.location, "the device \(device.name) \(Binder.notText)") }
        if !device.isEthernet { problems.error(winner.location, "the device \(device.name) \(Binder.notEthernet)") }
        let entry = ports[winner.entry].entry
        if let misuse = device.misuse(as: protects(entry, device), isWritten: entry.protects != nil) {
            problems.error(winner.location, "the device \(device.name) \(misuse)")
        }
    }

    // MARK: Bindings

    private func bindings(_ index: Int) -> [PortBinding] {
        let port = ports[index]
        if !isFromInventory(index), devices[index].count > 1, !port.entry.macs.isEmpty || !port.entry.addresses.isEmpty
        {
            let names = devices[index].prefix(4).map(\.name).joined(separator: ", ")
            problems.error(
                port.entry.location,
                "port \"\(port.entry.name)\" binds its \"mac\" or \"addresses\" to several devices: \(names); "
                    + "give each device a port of its own")
        }
        var result = devices[index].map { binding(index, $0) }
        for (name, location) in missing[index] {
            if let binding = missingBinding(index, name, location) { result.append(binding) }
        }
        let bare = leftOut[index].barePlaces
        for (name, location) in names(of: port) where bare.contains(location) {
            result.append(missingBinding(index, name, as: .workload))
        }
        return result
    }

    func protects(_ entry: PortEntry, _ device: HostInterface) -> Protects {
        let isGuest = device.bridge != nil && (device.kind == .tap || device.kind == .veth)
        return entry.protects ?? (entry.hasIdentity || isGuest ? .workload : .host)
    }

    private func binding(_ index: Int, _ device: HostInterface) -> PortBinding {
        let port = ports[index]
        return PortBinding(
            entry: index, of: port.entry, name: name(index, device.name), protects: protects(port.entry, device),
            interface: device, interfaceName: device.name,
            namespaceInode: inventory.namespaces[port.entry.namespace]?.inode,
            isUnknownToDrop: !port.entry.judgesUnknown
                || port.entry.guests.contains { $0.refusal != nil && $0.device == device.name },
            protectsIsDefault: port.entry.protects == nil)
    }

    /// A missing workload device may come later, and so may the first member of a bridge. Any other missing device is
    /// an error.
    private func missingBinding(_ index: Int, _ name: String, _ location: SourceLocation) -> PortBinding? {
        let port = ports[index]
        let isGuest = port.entry.hasIdentity || isBridgeWithoutMembers(port)
        let protects = port.entry.protects ?? (isGuest ? .workload : .host)
        if protects == .host, !isBridgeWithoutMembers(port) {
            let hint =
                port.entry.protects == nil ? "; for a guest's device that comes later write \"protects: workload\"" : ""
            let what =
                Glob.isPattern(name) ? "no device matches \"\(name)\"" : "the \(kind(port)) \"\(name)\" does not exist"
            guard !requiresDevices || inventory.isStarting else {
                problems.error(location, what + inNamespace(port) + hint)
                return nil
            }
            problems.warning(location, what + inNamespace(port) + consequence + hint)
        } else if isFromInventory(index) {
            warnOfMissingGuest(port, name, location)
        } else if case .bridge = port.entry.selector {
            problems.warning(location, "bridge \"\(name)\" has no member ports yet\(inNamespace(port))")
        } else {
            let what = Glob.isPattern(name) ? "no device matches \"\(name)\"" : "the device \"\(name)\" is missing"
            problems.warning(
                location, what + inNamespace(port) + "; apply the policy again when the device is there")
        }
        return missingBinding(index, name, as: protects)
    }

    private func warnOfMissingGuest(_ port: PortDefinition, _ name: String, _ location: SourceLocation) {
        guard inventory.workloads != nil else { return }
        guard let guest = port.entry.guests.first(where: { $0.device == name }) else {
            problems.warning(location, "no workload matches \"\(name)\" now")
            return
        }
        problems.warning(location, "the device \"\(name)\" of workload \"\(guest.workload)\" is missing")
    }

    /// Whether others than the policy's author say which devices an entry has.
    func isFromInventory(_ index: Int) -> Bool { !ports[index].entry.workloads.isEmpty }

    private func missingBinding(_ index: Int, _ name: String, as protects: Protects) -> PortBinding {
        let entry = ports[index].entry
        return PortBinding(
            entry: index, of: entry, name: self.name(index, name), protects: protects, interface: nil,
            interfaceName: name, namespaceInode: inventory.namespaces[entry.namespace]?.inode,
            protectsIsDefault: entry.protects == nil)
    }

    /// What follows from a missing device that is no error here.
    private var consequence: String {
        inventory.isStarting ? "; it is filtered as soon as it comes" : "; apply will refuse the policy"
    }

    private func isBridgeWithoutMembers(_ port: PortDefinition) -> Bool {
        guard case .bridge(let name) = port.entry.selector else { return false }
        if Glob.isPattern(name) { return true }
        let interfaces = inventory.namespaces[port.entry.namespace]?.interfaces ?? []
        return interfaces.contains { device in
            device.kind == .bridge && device.isNamed { $0 == name }
        }
    }

    private func kind(_ port: PortDefinition) -> String {
        if case .bridge = port.entry.selector { "bridge" } else { "device" }
    }

    private func inNamespace(_ port: PortDefinition) -> String {
        port.entry.namespace.map { " in network namespace \"\($0)\"" } ?? ""
    }

    /// The entry's name if the entry can have only one device, else `entry/device`.
    private func name(_ index: Int, _ device: String) -> String {
        let entry = ports[index].entry
        if entry.workloads.isEmpty, case .interfaces(let names) = entry.selector, names.count == 1,
            !Glob.isPattern(names[0])
        {
            return entry.name
        }
        return "\(entry.name)/\(device)"
    }
}
