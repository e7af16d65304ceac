// SPDX-License-Identifier: Apache-2.0
import Network
import Policy

/// The ports and the rules of the host itself.
struct ProxmoxHost {
    private let objects: ProxmoxObjects
    private let cluster: ProxmoxFile?
    private var entries: [String] = []
    private var interfaces: [String: [String]] = [:]

    init(_ objects: ProxmoxObjects, _ cluster: ProxmoxFile?, _ map: PortMap, _ ports: inout ProxmoxPorts) {
        self.objects = objects
        self.cluster = cluster
        let guests = Set(objects.guests.values.flatMap { guest in guest.nics.map { $0.device(guest.number) } })
        var devices = Set(objects.guests.values.flatMap { $0.nics.compactMap(\.bridge) })
        devices.formUnion((objects.host?.rules ?? []).compactMap(\.interface))
        devices.formUnion((cluster?.rules ?? []).compactMap(\.interface))
        devices.formUnion(map.devices.filter { !guests.contains($0) })
        devices = devices.filter { $0 != "lo" && ProxmoxName.isDevice($0) && !EntryWords.isBare($0) }
        if devices.isEmpty { devices = ["vmbr0"] }
        for device in devices.sorted() {
            let mapped = map.ports[device]
            var entry = ProxmoxPorts.Entry(
                name: mapped.flatMap { RuleNames.slug($0.name) } ?? RuleNames.slug(device) ?? "port",
                interfaces: mapped.map(\.interfaces).flatMap { $0.isEmpty ? nil : $0 } ?? [device], isHost: true)
            entry.policyIn = policy("policy_in", "drop")
            entry.policyOut = policy("policy_out", "accept")
            let name = ports.add(entry)
            entries.append(name)
            interfaces[device] = [name]
        }
    }

    private func policy(_ option: String, _ normally: String) -> String {
        cluster?.policy(option, normally: normally) ?? normally
    }

    private var at: YAMLValue { .one(of: entries) }

    // MARK: Rules

    func addRules(
        _ rules: inout ProxmoxRules, _ notes: inout [ImportedPolicy.Note]
    ) throws(ImportError) {
        rules.head("the host")
        addForwarded(&rules)
        rules.line([
            "name": rules.name("igmp"), "service": .word("igmp"), "at": at, "action": .word("accept"),
            "comment": .text("pve-firewall accepts it by itself, for multicast"),
        ])
        var place = ProxmoxRules.Place(prefix: "host", entries: entries, interfaces: interfaces, isHost: true)
        place.scope = .init(file: objects.host, prefix: "host")
        try rules.add(objects.host?.rules ?? [], at: place)
        try rules.add(cluster?.rules ?? [], at: place)
        addManagement(&rules, &notes)
        addCluster(&rules, &notes)
    }

    /// Where pve-firewall drops anything that the host forwards, nothing of it passes.
    private func addForwarded(_ rules: inout ProxmoxRules) {
        let all = (objects.host?.rules ?? []) + (cluster?.rules ?? []) + (cluster?.groups.values.flatMap(\.self) ?? [])
        let drops = all.contains { $0.kind == .forward && $0.isEnabled && !$0.accepts }
        guard drops || policy("policy_forward", "accept") != "accept" else { return }
        rules.line([
            "name": rules.name("forwarded"), "to": .map(["except": .one(of: ["host", "multicast", "broadcast"])]),
            "at": at, "direction": .word("in"), "action": .word("drop"),
            "comment": .text("what pve-firewall does not forward, and what it does; name it above"),
        ])
    }

    private static let services = ["ssh", "tcp/3128", "vnc", "tcp/8006"]

    private func addManagement(_ rules: inout ProxmoxRules, _ notes: inout [ImportedPolicy.Note]) {
        let hasNetwork = cluster?.aliases["local_network"] != nil
        if !hasNetwork {
            notes.append(
                .init(
                    kind: .leftOut, file: cluster?.name ?? "", line: 0,
                    words:
                        "who of the node's own network may manage it; `pve-firewall localnet` prints that network, and "
                        + "an alias local_network in cluster.fw names it"))
        }
        let source = cluster?.sets["management"] != nil ? "+management" : "local_network"
        if source == "+management" || hasNetwork, let from = rules.end(source, accepts: true).value {
            rules.line([
                "name": rules.name("management"), "from": from,
                "service": .one(of: Self.services + ["tcp/60000-60050"]), "at": at, "direction": .word("in"),
                "action": .word("accept"),
                "comment": .text("shell, SPICE, consoles, web and migration: pve-firewall accepts them by itself"),
            ])
        }
        guard policy("policy_out", "accept") != "accept", hasNetwork,
            let to = rules.end("local_network", accepts: true).value
        else {
            return
        }
        rules.line([
            "name": rules.name("management-out"), "to": to, "service": .one(of: Self.services), "at": at,
            "direction": .word("out"), "action": .word("accept"),
            "comment": .text("pve-firewall accepts them by itself"),
        ])
    }

    /// What keeps the nodes of a cluster together.
    private func addCluster(_ rules: inout ProxmoxRules, _ notes: inout [ImportedPolicy.Note]) {
        let directions = [("in", "drop"), ("out", "accept")].map { side, normally in
            (side, policy("policy_" + side, normally))
        }.filter { $0.1 != "accept" }.map(\.0)
        guard let links = objects.links else {
            if !directions.isEmpty {
                notes.append(
                    .init(
                        kind: .leftOut, file: "", line: 0,
                        words:
                            "what the nodes of a cluster say to each other, without which they lose their quorum; give "
                            + "/etc/pve/corosync.conf too (an empty one if there is no cluster)"))
            }
            return
        }
        for (link, nodes) in links.sorted(by: { $0.key < $1.key }) where !directions.isEmpty {
            let group = YAMLValue.word(rules.group("corosync-\(link)", nodes))
            rules.line([
                "name": rules.name("corosync-\(link)"), "from": group, "to": group, "service": .word("udp/5405-5412"),
                "at": at, "direction": directions.count == 2 ? nil : .word(directions[0]), "action": .word("accept"),
                "comment": .text("pve-firewall accepts it by itself; without it a node loses its quorum"),
            ])
        }
    }
}
