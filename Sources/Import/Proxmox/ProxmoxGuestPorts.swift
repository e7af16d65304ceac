// SPDX-License-Identifier: Apache-2.0
import Network
import Policy

/// The ports and the rules of one guest.
struct ProxmoxGuestPorts {
    private let file: ProxmoxFile
    private let guest: ProxmoxGuest
    private let wish: String
    /// Whether ARP is filtered too.
    private let hasFrameFilter: Bool
    private(set) var entries: [String] = []
    private var interfaces: [String: [String]] = [:]

    init(_ file: ProxmoxFile, _ guest: ProxmoxGuest, _ wish: String, hasFrameFilter: Bool) {
        self.file = file
        self.guest = guest
        self.wish = wish
        self.hasFrameFilter = hasFrameFilter
    }

    private var scope: ProxmoxAddresses.Scope { .init(file: file, prefix: "vm-\(guest.number)") }

    /// Whether what a guest sends to a DHCP server might be dropped.
    var needsLeases: Bool {
        file.isOn("dhcp", normally: true)
            && (file.policy("policy_out", normally: "accept") != "accept"
                || file.rules.contains { $0.kind == .group || ($0.kind == .outgoing && !$0.accepts) })
    }

    mutating func addPorts(
        _ nics: [ProxmoxGuest.NIC], _ map: PortMap, _ rules: inout ProxmoxRules, _ ports: inout ProxmoxPorts,
        _ notes: inout [ImportedPolicy.Note]
    ) {
        for nic in guest.nics { interfaces["net\(nic.number)"] = [] }
        for nic in nics {
            let device = nic.device(guest.number)
            let mapped = map.ports[device]
            let name =
                mapped.flatMap { RuleNames.slug($0.name) } ?? (nic.number == 0 ? wish : "\(wish)-net\(nic.number)")
            var entry = ProxmoxPorts.Entry(
                name: name, interfaces: mapped.map(\.interfaces).flatMap { $0.isEmpty ? nil : $0 } ?? [device],
                isHost: false, mac: nic.mac)
            entry.policyIn = file.policy("policy_in", normally: "drop")
            entry.policyOut = file.policy("policy_out", normally: "accept")
            setGuards(nic, &entry, &rules)
            if let trunks = nic.trunks {
                notes.append(
                    .init(
                        kind: .leftOut, file: nic.origin.file, line: nic.origin.line,
                        words: "trunks=\(trunks): pve-firewall does not judge tagged frames, which are dropped here; "
                            + "\"vlans\" at the port lets them in to be judged"))
            }
            let added = ports.add(entry)
            entries.append(added)
            interfaces["net\(nic.number)"] = [added]
        }
    }

    private func setGuards(
        _ nic: ProxmoxGuest.NIC, _ entry: inout ProxmoxPorts.Entry, _ rules: inout ProxmoxRules
    ) {
        let holdsMAC = nic.mac != nil && file.isOn("macfilter", normally: true)
        if holdsMAC { entry.guards.append("mac") }
        let name = "ipfilter-net\(nic.number)"
        if file.isOn("ipfilter", normally: false) || file.sets[name] != nil {
            let set = claims(file.sets[name] ?? ProxmoxSet(), nic, &rules)
            entry.addresses = set
            entry.guards.append("ip")
            if holdsMAC, hasFrameFilter, !set.v4.isEmpty { entry.guards.append("arp") }
        }
        if !file.isOn("radv", normally: false) { entry.guards.append("ra") }
    }

    /// The addresses that the guest may claim. Of link-local ones only that of its MAC address is added, which the
    /// guard takes by itself where no other is bound.
    private func claims(
        _ set: ProxmoxSet, _ nic: ProxmoxGuest.NIC, _ rules: inout ProxmoxRules
    ) -> AddressSet {
        var set = set
        func add(_ text: String, isExcepted: Bool = false) {
            set.entries.append(.init(text: text, isExcepted: isExcepted, origin: nic.origin))
        }
        if let mac = nic.mac { add("\(mac.linkLocal)") }
        add("fe80::/10", isExcepted: true)
        for address in nic.addresses { add("\(address)") }
        var claimed = rules.resolve(set, scope).subtracting(WellKnown.notUnicast)
        let local = AddressSet([Prefix(IPAddress(v6: 0xfe80 << 112), length: 10)])
        if let mac = nic.mac, claimed.intersection(local) == AddressSet([Prefix(mac.linkLocal)]) {
            claimed = claimed.subtracting(local)
        }
        return claimed
    }

    func addRules(_ rules: inout ProxmoxRules) throws(ImportError) {
        if file.rules.isEmpty { return }
        rules.head("guest \(guest.number)" + (guest.name.map { ", \($0)" } ?? ""))
        let place = ProxmoxRules.Place(scope: scope, prefix: wish, entries: entries, interfaces: interfaces)
        try rules.add(file.rules, at: place)
    }
}
