// SPDX-License-Identifier: Apache-2.0
import Network
import TestSupport

extension ExplainWorld {
    /// A random policy for some of the host's devices.
    func policy() -> String {
        var ports: [String] = []
        var names: [String] = []
        for device in devices where !random.once(in: 4) {
            let name = "p-\(device.name)"
            names.append(name)
            ports.append("  \(name): { interface: \(device.name)\(keys(device)) }")
        }
        if names.isEmpty {
            names.append("p-\(devices[0].name)")
            ports.append("  p-\(devices[0].name): { interface: \(devices[0].name), protects: host }")
        }
        if random.once(in: 3), let guest = parties.first(where: { $0.namespace != host }) {
            names.append("inside")
            policyNamespaces.append(guest.namespace.name)
            ports.append(
                "  inside: { interface: \(insideDevice(guest)), netns: \(guest.namespace.name), protects: host }")
        }
        let rules = (0..<random.number(2...6)).map { "  - { name: r\($0), \(rule(names)) }" }
        return """
            version: 1
            ports:
            \(ports.joined(separator: "\n"))
            defaults: { in: \(mostly("accept")), out: \(mostly("accept")) }
            rules:
            \(rules.joined(separator: "\n"))
            """
    }

    private func insideDevice(_ party: Party) -> String {
        let names = (try? party.namespace.run("ls", "/proc/sys/net/ipv4/conf"))?.split(separator: "\n") ?? []
        return names.first { $0 == "eth0" || $0 == "in0" || $0 == "out0" }.map(String.init) ?? "eth0"
    }

    private func keys(_ device: Device) -> String {
        var keys = ""
        if let guest = device.guest, !random.once(in: 4) {
            keys += ", protects: workload"
            // Who sees the host alone knows guests by what the policy binds.
            if !random.once(in: isAllVisible ? 2 : 8) {
                let addresses = guest.addresses.map { "\"\($0)\"" }.joined(separator: ", ")
                keys += ", mac: \"\(guest.mac)\", addresses: [\(addresses)]"
            }
            if !random.once(in: 4) { keys += ", vlans: any" }
        } else {
            keys += ", protects: host"
        }
        if random.once(in: 4) { keys += ", defaults: { in: \(mostly("drop")) }" }
        return keys
    }

    private func mostly(_ action: String) -> String {
        random.once(in: 4) ? random.pick(["accept", "drop", "reject"]) : action
    }

    private func rule(_ ports: [String]) -> String {
        var terms: [String] = []
        if random.once(in: 3) { terms.append("from: \(end())") }
        if random.once(in: 3) { terms.append("to: \(end())") }
        if random.once(in: 3) { terms.append("direction: \(random.pick(["in", "out"]))") }
        if random.once(in: 3) { terms.append("at: [\(random.pick(ports))]") }
        let protocols = random.pick([["udp"], ["tcp"], ["udp", "tcp"]])
        let range = random.pick(["7000", "7001-7002", "7003", "7000-7001"])
        terms.append("service: [\(protocols.map { "\($0)/\(range)" }.joined(separator: ", "))]")
        terms.append("action: \(random.pick(["accept", "accept", "drop", "reject"]))")
        return terms.joined(separator: ", ")
    }

    private func end() -> String {
        if random.once(in: 6) { return "host" }
        let address = random.pick(random.pick(parties).addresses)
        let network = Prefix(address, length: address.family == .v4 ? 24 : 64)
        return "\"\(random.once(in: 2) ? Prefix(address) : network)\""
    }
}
