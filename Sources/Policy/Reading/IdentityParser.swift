// SPDX-License-Identifier: Apache-2.0
import Network

/// Reads the keys of a port's identity: `mac`, `addresses`, `shared`, `groups`, `guard`.
struct IdentityParser {
    /// The most MAC addresses of one port, shared ones included.
    static let mostMACs = 16

    let problems: Problems

    func read(_ fields: Fields, into port: inout PortDefinition) {
        for node in fields["mac"]?.items ?? [] {
            guard let mac = problems.mac(node) else { continue }
            port.entry.macs.append(mac)
            port.macLocations.append(node.location)
        }
        if let node = fields["addresses"], case .sequence(let items) = node.content, items.isEmpty {
            port.entry.hasNoAddresses = true
        }
        for node in fields["addresses"]?.items ?? [] {
            for prefix in addresses(node) {
                port.entry.addresses.append(prefix)
                port.addressLocations.append(node.location)
            }
        }
        problems.reportRepeats(port.entry.macs, port.macLocations, "MAC address")
        problems.reportRepeats(port.entry.addresses, port.addressLocations, "address")
        readShared(fields["shared"]?.items ?? [], into: &port)
        for node in fields["groups"]?.items ?? [] {
            guard let name = problems.name(node, "the group name") else { continue }
            port.groups.append((name, node.location))
        }
        problems.reportRepeats(port.groups.map(\.name), port.groups.map(\.location), "group")
        if let node = fields["guard"] { readGuards(node, into: &port) }
    }

    private func readShared(_ nodes: [Node], into port: inout PortDefinition) {
        var macs: [SourceLocation] = []
        var addresses: [SourceLocation] = []
        for node in nodes {
            if case .scalar(let text, _) = node.content, MACAddress(text) != nil {
                guard let mac = problems.mac(node) else { continue }
                port.entry.sharedMACs.append(mac)
                macs.append(node.location)
            } else {
                for prefix in self.addresses(node, "an address, prefix or MAC address") {
                    port.entry.sharedAddresses.append(prefix)
                    addresses.append(node.location)
                }
            }
        }
        problems.reportRepeats(port.entry.sharedMACs, macs, "MAC address")
        problems.reportRepeats(port.entry.sharedAddresses, addresses, "address")
        let locations = port.macLocations + macs
        if locations.count > Self.mostMACs {
            problems.error(
                locations[Self.mostMACs],
                "port \"\(port.entry.name)\" has \(locations.count) MAC addresses; "
                    + "at most \(Self.mostMACs) are allowed")
        }
    }

    /// The prefixes of an address, prefix or range; none where something is wrong.
    private func addresses(_ node: Node, _ what: String = "an address, prefix or range") -> [Prefix] {
        if node.unquotedAddress == nil, problems.text(node, what) == nil { return [] }
        guard let prefixes = problems.prefixes(node) else { return [] }
        for prefix in prefixes where WellKnown.notUnicast.contains(prefix.address) && prefix.length >= 4 {
            problems.error(node.location, "\(prefix) cannot be a port's address: it is not unicast")
            return []
        }
        return prefixes
    }

    private func readGuards(_ node: Node, into port: inout PortDefinition) {
        switch node.content {
        case .scalar("strict", _): port.entry.guards = .strict
        case .scalar("off", _): port.entry.guards = .off
        default:
            for item in node.items {
                guard let guardian = word(item) else { continue }
                port.guards.append((guardian, item.location))
            }
            problems.reportRepeats(port.guards.map(\.guard.rawValue), port.guards.map(\.location), "guard")
            port.entry.guards = .list(Set(port.guards.map(\.guard)))
        }
    }

    private func word(_ node: Node) -> Guard? {
        let words = Guard.allCases.map(\.rawValue)
        guard let text = problems.text(node, "strict, off or a list of \(words.joined(separator: ", "))") else {
            return nil
        }
        if let guardian = Guard(rawValue: text) { return guardian }
        problems.error(
            node.location,
            "\"\(text)\" is not a guard; expected strict, off or a list of \(words.joined(separator: ", "))"
                + problems.suggestion(for: text, among: words))
        return nil
    }
}

extension Problems {
    func reportRepeats<Value: Hashable>(_ values: [Value], _ locations: [SourceLocation], _ what: String) {
        var first: [Value: SourceLocation] = [:]
        for (value, location) in zip(values, locations) {
            if let place = first[value] {
                error(location, "duplicate \(what) \"\(value)\"; first at \(place)")
            } else {
                first[value] = location
            }
        }
    }
}
