// SPDX-License-Identifier: Apache-2.0

/// The devices that rules name, as entries of `ports`.
struct EntryWords {
    struct Entry {
        var name: String
        var interfaces: [String]
    }

    private(set) var entries: [Entry] = []
    /// By the device's number.
    private var names: [Int: String] = [:]
    /// The entry of all devices that no rule names; nil if there can be none.
    private var others: String?
    /// Devices that carry no Ethernet, so that they cannot be ports.
    private(set) var bare: [String] = []

    init(_ plan: PolicyPlan) {
        var table = NameTable()
        var places: [String: Int] = [:]
        var hasPatterns = false
        func add(_ wish: String, _ interfaces: [String], isShared: Bool) -> String {
            if isShared, let place = places[wish] {
                entries[place].interfaces += interfaces
                return wish
            }
            let name = table.unique(wish)
            places[name] = entries.count
            entries.append(Entry(name: name, interfaces: interfaces))
            return name
        }
        for (number, device) in plan.devices.names.enumerated() where number > 0 {
            if EntryWords.isBare(device) {
                bare.append(device)
                continue
            }
            let interface = device.hasSuffix("+") ? device.dropLast() + "*" : device
            hasPatterns = hasPatterns || device.hasSuffix("+")
            let port = plan.ports.ports[device]
            let wish = port?.name ?? RuleNames.slug(device) ?? "port"
            let interfaces = port?.interfaces.isEmpty == false ? port?.interfaces ?? [] : [interface]
            names[number] = add(wish, interfaces, isShared: port != nil)
        }
        if let port = plan.ports.ports["*"] {
            others = add(port.name, port.interfaces.isEmpty ? ["*"] : port.interfaces, isShared: true)
        } else if !hasPatterns {
            others = add(entries.isEmpty ? "uplink" : "others", ["*"], isShared: false)
        }
    }

    var hasOthers: Bool { others != nil }

    /// Tunnels whose packets have no link header.
    static func isBare(_ device: String) -> Bool {
        let kinds = ["tun", "wg", "ppp", "ipsec", "vti", "sit", "gre", "ip6tnl", "tailscale", "xfrm", "utun"]
        return kinds.contains { kind in
            device.hasPrefix(kind) && device.dropFirst(kind.count).allSatisfy { $0.isNumber || $0 == "+" || $0 == "-" }
        }
    }

    /// The entries of some devices; nil: all ports. Empty: none of them is a port.
    func at(_ devices: DeviceSet) -> [String]? {
        if DeviceSet.loopback.complement.isSubset(of: devices) { return nil }
        var found: [String] = []
        for (number, name) in names.sorted(by: { $0.key < $1.key }) where devices.contains(number) {
            if !found.contains(name) { found.append(name) }
        }
        if devices.hasOthers, let others, !found.contains(others) { found.append(others) }
        return found
    }

    var value: [(name: String, value: YAMLValue)] {
        entries.map { ($0.name, .map(["interface": .one(of: $0.interfaces), "protects": .word("host")])) }
    }
}
