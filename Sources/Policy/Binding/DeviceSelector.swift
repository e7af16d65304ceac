// SPDX-License-Identifier: Apache-2.0

/// The devices that one entry of `ports` means, by the names that the policy has for them.
public struct DeviceSelector: Sendable, Hashable {
    /// The entry's name.
    public var entry: String
    /// nil: the controller's own network namespace.
    public var namespace: String?
    public var selector: PortEntry.Selector
    /// What holds new ports of a bridge.
    public var gate: PortEntry.Gate

    public init(
        entry: String, namespace: String?, selector: PortEntry.Selector, gate: PortEntry.Gate = .none
    ) {
        self.gate = gate
        self.entry = entry
        self.namespace = namespace
        self.selector = selector
    }

    public var isBridge: Bool {
        if case .bridge = selector { true } else { false }
    }

    /// Whether devices that come later may be meant without being named one by one.
    public var isOpen: Bool {
        switch selector {
        case .bridge: true
        case .interfaces(let names): names.contains(where: Glob.isPattern)
        }
    }

    /// Which of these devices each entry means. A device that several entries name is the one's that names it most
    /// closely, as it is in ``PortBinding``. Devices that a binding would leave out count: they are meant too.
    public static func devices(
        of selectors: [DeviceSelector], in inventory: HostInventory
    ) -> [String: [HostInterface]] {
        var result: [String: [HostInterface]] = [:]
        for (namespace, selectors) in Dictionary(grouping: selectors, by: \.namespace) {
            guard let interfaces = inventory.namespaces[namespace]?.interfaces else { continue }
            var claims = DeviceClaims(interfaces)
            for selector in selectors { claims.add(selector) }
            for (entry, devices) in claims.awarded { result[entry, default: []] += devices }
        }
        return result
    }
}

/// Who means which device of one network namespace.
private struct DeviceClaims {
    private let interfaces: [HostInterface]
    /// Places in `interfaces`.
    private var byName: [String: Int] = [:]
    private var owners: [Int: (strength: Binder.Strength, entry: String)] = [:]

    init(_ interfaces: [HostInterface]) {
        self.interfaces = interfaces
        for (place, device) in interfaces.enumerated() {
            for name in [device.name] + device.alternativeNames where byName[name] == nil { byName[name] = place }
        }
    }

    /// By entry, the oldest device first.
    var awarded: [String: [HostInterface]] {
        let places = Dictionary(grouping: owners.keys) { owners[$0]?.entry ?? "" }
        return places.mapValues { Binder.inOrder($0.map { interfaces[$0] }) }
    }

    mutating func add(_ selector: DeviceSelector) {
        switch selector.selector {
        case .interfaces(let names):
            for name in names { add(selector.entry, name) }
        case .bridge(let name):
            let bridges = Set(places(of: name).map { interfaces[$0].name } + [name])
            for (place, device) in interfaces.enumerated() where device.bridge.map(bridges.contains) ?? false {
                claim(place, .bridge, selector.entry)
            }
        }
    }

    private mutating func add(_ entry: String, _ name: String) {
        let isPattern = Glob.isPattern(name)
        // A pattern never means the loopback device, as in Binder.
        for place in places(of: name) where !isPattern || interfaces[place].kind != .loopback {
            claim(place, isPattern ? .glob : .exact, entry)
        }
    }

    private func places(of name: String) -> [Int] {
        guard Glob.isPattern(name), let glob = Glob(name) else { return byName[name].map { [$0] } ?? [] }
        return interfaces.indices.filter { interfaces[$0].isNamed(glob.matches) }
    }

    private mutating func claim(_ place: Int, _ strength: Binder.Strength, _ entry: String) {
        if let owner = owners[place], owner.strength >= strength { return }
        owners[place] = (strength, entry)
    }
}
