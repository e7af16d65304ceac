// SPDX-License-Identifier: Apache-2.0
import Network
import Policy

/// What the devices are that a rule set names.
public struct PortMap: Sendable {
    struct Port: Sendable {
        /// The entry's name in the policy.
        var name: String
        /// The devices, if the rules call them otherwise.
        var interfaces: [String] = []
        /// What is reached by the device; nil if that is not known.
        var networks: AddressSet?
        /// Whether all else is reached by it.
        var isDefault = false
    }

    /// By the device's name in the rules. `*` stands for devices that no rule names.
    private(set) var ports: [String: Port] = [:]

    public init() {}

    /// Reads a map: `eth0: { port: wan, networks: default }`, or only `eth0: wan`.
    public init(_ source: ImportSource) throws(ImportError) {
        let problems = Problems()
        let root = YAMLReader.read(Array(source.text.utf8), file: source.name, problems)?.root
        guard let root, !problems.hasErrors else {
            throw ImportError(problems.sorted.first?.description ?? "\(source.name): not a map of ports")
        }
        guard case .mapping(let entries) = root.content else {
            throw ImportError(source.name, root.location.line, "expected a mapping from devices to ports")
        }
        for entry in entries { ports[entry.key] = try PortMap.port(entry) }
    }

    private static func port(_ entry: Node.Entry) throws(ImportError) -> Port {
        func fault(_ node: Node, _ words: String) -> ImportError {
            ImportError("\(node.location): \(words)")
        }
        if case .scalar(let name, _) = entry.value.content { return Port(name: name) }
        guard case .mapping(let fields) = entry.value.content else {
            throw fault(entry.value, "expected a port's name, or { port: NAME, networks: [...] }")
        }
        var port = Port(name: entry.key)
        for field in fields {
            let words = field.value.items.compactMap { node in
                if case .scalar(let text, _) = node.content { text } else { nil as String? }
            }
            switch field.key {
            case "port": port.name = words.first ?? ""
            case "interface": port.interfaces = words
            case "networks":
                port.isDefault = words.contains("default")
                var prefixes: [Prefix] = []
                for word in words where word != "default" {
                    guard let prefix = try? Prefix(parsing: word) else {
                        throw fault(field.value, "\"\(word)\" is not a prefix, and not \"default\"")
                    }
                    prefixes.append(prefix)
                }
                port.networks = AddressSet(prefixes)
            default:
                throw fault(field.value, "unknown key \"\(field.key)\"; expected one of port, interface, networks")
            }
        }
        return port
    }

    /// The devices that it names.
    var devices: [String] { ports.keys.filter { $0 != "*" } }

    // MARK: Where packets go

    /// What surely leaves by one of some devices, and what may.
    func destinations(_ leaving: DeviceSet, _ devices: DeviceNames) -> (sure: AddressSet, possible: AddressSet) {
        if DeviceSet.loopback.complement.isSubset(of: leaving) { return (.all, .all) }
        var (inside, outside, known) = (AddressSet.empty, AddressSet.empty, AddressSet.empty)
        var (hasDefault, isDefaultInside) = (false, false)
        for (number, name) in devices.names.enumerated() where number > 0 {
            guard let port = ports[name], let networks = port.networks else { continue }
            known = known.union(networks)
            let isInside = leaving.contains(number)
            if isInside { inside = inside.union(networks) } else { outside = outside.union(networks) }
            if port.isDefault {
                hasDefault = true
                isDefaultInside = isInside
            }
        }
        let rest = AddressSet.all.subtracting(known)
        var sure = inside.subtracting(outside)
        var possible = AddressSet.all.subtracting(outside.subtracting(inside))
        if hasDefault {
            if isDefaultInside { sure = sure.union(rest) } else { possible = possible.subtracting(rest) }
        }
        return (sure, possible)
    }

    /// The broadcast addresses of the networks, which are the host's as much as its own are.
    var broadcasts: [IPAddress] {
        let prefixes = ports.values.flatMap { $0.networks?.prefixes ?? [] }
        return Set(prefixes.filter { $0.family == .v4 && (1...30).contains($0.length) })
            .map { IPAddress(v4: UInt32($0.last)) }.sorted()
    }
}
