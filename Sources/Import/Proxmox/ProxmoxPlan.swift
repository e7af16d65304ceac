// SPDX-License-Identifier: Apache-2.0
import Network
import Policy

/// Makes a policy of the files of one Proxmox VE node: each NIC with `firewall=1` of a guest whose firewall is on is a
/// port, and so is each interface of the host.
struct ProxmoxPlan {
    private let objects: ProxmoxObjects
    private let map: PortMap
    private let cluster: ProxmoxFile?
    private var notes: [ImportedPolicy.Note]
    private var remarks: [String] = []
    private var ports = ProxmoxPorts()
    private var rules: ProxmoxRules
    private var host: ProxmoxHost?
    private var guests: [ProxmoxGuestPorts] = []

    static func policy(_ objects: ProxmoxObjects, _ map: PortMap) throws(ImportError) -> ImportedPolicy {
        var plan = ProxmoxPlan(objects, map)
        plan.noteWhatIsOff()
        plan.addHost()
        plan.addGuests()
        plan.addFilters()
        try plan.host?.addRules(&plan.rules, &plan.notes)
        plan.addLeases()
        for guest in plan.guests { try guest.addRules(&plan.rules) }
        return ImportedPolicy(text: plan.text, notes: plan.shownNotes)
    }

    private init(_ objects: ProxmoxObjects, _ map: PortMap) {
        var cluster = objects.cluster
        // pve-firewall adds the node's own network to the set of those who may manage it.
        if let name = cluster?.name, cluster?.sets["management"] != nil {
            cluster?.sets["management"]?.entries.append(
                .init(
                    text: "local_network", isExcepted: false,
                    origin: Origin(file: name, line: 0, text: "local_network in [IPSET management]")))
        }
        self.objects = objects
        self.map = map
        self.cluster = cluster
        notes = objects.notes
        rules = ProxmoxRules(cluster: cluster)
    }

    private mutating func note(_ kind: ImportedPolicy.Note.Kind, _ file: String, _ words: String) {
        notes.append(.init(kind: kind, file: file, line: 0, words: words))
    }

    private mutating func noteWhatIsOff() {
        guard let cluster else {
            note(.leftOut, "", "cluster.fw is not given: whom it names and what it drops for all is not known")
            return
        }
        if !cluster.isOn("enable", normally: false) {
            note(
                .stays, cluster.name,
                "the firewall is off for the whole cluster; the policy says what would hold if it were on")
        }
    }

    // MARK: Ports

    private mutating func addHost() {
        guard objects.cluster != nil || objects.host != nil else {
            note(.stays, "", "nothing is said of the host: neither cluster.fw nor host.fw is given")
            return
        }
        if objects.host == nil { note(.stays, "", "host.fw is not given, and taken as empty") }
        if let file = objects.host, !file.isOn("enable", normally: true) {
            note(.stays, file.name, "the firewall of the host is off, so the host has no port")
            return
        }
        host = ProxmoxHost(objects, cluster, map, &ports)
        remarks += [
            "The host's ports are the interfaces that the files and the map name; --ports can name more.",
            "What the host forwards must pass the rules for what comes in.",
        ]
    }

    private mutating func addGuests() {
        let names = Dictionary(grouping: objects.guests.values.compactMap { $0.name.flatMap(RuleNames.slug) }) { $0 }
        let hasBlacklist = cluster?.sets["blacklist"] != nil
        for number in Set(objects.files.keys).union(objects.guests.keys).sorted() {
            let nics = (objects.guests[number]?.nics ?? []).filter(\.isFirewalled).sorted { $0.number < $1.number }
            guard let file = objects.files[number] else {
                if !nics.isEmpty { note(.stays, "", "guest \(number) has no file \(number).fw, so it has no port") }
                continue
            }
            guard file.isOn("enable", normally: false) else {
                note(.stays, file.name, "the firewall of guest \(number) is off, so it has no port")
                if hasBlacklist, !nics.isEmpty {
                    note(
                        .leftOut, file.name, "what the blacklist keeps away from guest \(number), whose firewall is off"
                    )
                }
                continue
            }
            guard let guest = objects.guests[number] else {
                note(
                    .leftOut, file.name,
                    "the rules of guest \(number), whose NICs are not known; give \(number).conf too, of "
                        + "/etc/pve/qemu-server or /etc/pve/lxc")
                continue
            }
            if nics.isEmpty {
                note(.stays, file.name, "no NIC of guest \(number) has firewall=1, so it has no port")
                continue
            }
            let slug = guest.name.flatMap(RuleNames.slug)
            let wish = slug.flatMap { names[$0]?.count == 1 ? $0 : nil } ?? "vm-\(number)"
            var made = ProxmoxGuestPorts(
                file, guest, wish, hasFrameFilter: cluster?.isOn("ebtables", normally: true) ?? true)
            made.addPorts(nics, map, &rules, &ports, &notes)
            guests.append(made)
        }
    }

    // MARK: Rules

    /// What pve-firewall drops ahead of the rules of the host and of each guest.
    private mutating func addFilters() {
        guard !ports.entries.isEmpty else { return }
        let drop = YAMLValue.word("drop")
        let incoming = YAMLValue.word("in")
        if cluster?.sets["blacklist"] != nil {
            let end = rules.end("+blacklist", accepts: false)
            if end.problem != nil {
                note(.leftOut, cluster?.name ?? "", "not all members of the blacklist are known; it drops everybody")
            }
            if !end.set.isEmpty {
                rules.line([
                    "name": rules.name("blacklist"), "from": end.value, "direction": incoming, "action": drop,
                ])
            }
        }
        let options = objects.host
        if options?.isOn("nosmurfs", normally: true) ?? true {
            let known =
                map.broadcasts + (cluster?.aliases["local_network"].flatMap(ProxmoxPlan.broadcast).map { [$0] } ?? [])
            let words = ["224.0.0.0/4", "255.255.255.255"] + Set(known).sorted().map { "\($0)" }
            rules.line([
                "name": rules.name("smurfs"), "from": .one(of: words), "direction": incoming, "action": drop,
                "comment": .text("no sender has a multicast or broadcast address"),
            ])
        }
        if options?.isOn("tcpflags", normally: false) ?? false { addFlags() }
        if let options, options.isOn("protection_synflood", normally: false) { addFlood(options) }
    }

    private static func broadcast(_ prefix: Prefix) -> IPAddress? {
        prefix.family == .v4 && (1...30).contains(prefix.length) ? IPAddress(v4: UInt32(prefix.last)) : nil
    }

    private mutating func addFlags() {
        for flags in ["FPU/FSRPAU", "/FSRPAU", "SR/SR", "FS/FS"] {
            rules.line([
                "name": rules.name("tcpflags"), "service": .word("tcp/*"), "match": .map(["tcpFlags": .word(flags)]),
                "direction": .word("in"), "action": .word("drop"),
            ])
        }
        rules.line([
            "name": rules.name("tcpflags"), "service": .map(["protocol": .word("tcp"), "sourcePorts": .word("0")]),
            "match": .map(["tcpFlags": .word("S/FSRA")]), "direction": .word("in"), "action": .word("drop"),
        ])
    }

    private mutating func addFlood(_ options: ProxmoxFile) {
        func number(_ name: String, _ normally: String) -> YAMLValue {
            let value = options.options["protection_synflood_\(name)"]?.value ?? normally
            return .word(name == "rate" ? value + "/s" : value)
        }
        let own = ports.entries.filter { !$0.isHost }.map(\.name)
        for (direction, entries) in [("in", nil as [String]?), ("out", own)] where entries?.isEmpty != true {
            rules.line([
                "name": rules.name("synflood"), "service": .word("tcp/*"), "at": entries.map { .one(of: $0) },
                "direction": .word(direction), "match": .map(["tcpFlags": .word("S/FSRA")]),
                "limit": .map([
                    "rate": number("rate", "200"), "burst": number("burst", "1000"), "per": .word("source"),
                    "over": .word("true"),
                ]), "action": .word("drop"),
            ])
        }
    }

    /// A guest may ask its DHCP server for another term, whatever its rules say.
    private mutating func addLeases() {
        let entries = guests.filter(\.needsLeases).flatMap(\.entries)
        guard !entries.isEmpty else { return }
        for (name, family, ports) in [("dhcp", "0.0.0.0/0", ("68", "67")), ("dhcpv6", "::/0", ("546", "547"))] {
            rules.line([
                "name": rules.name(name), "from": .word(family),
                "service": .map([
                    "protocol": .word("udp"), "ports": .word(ports.1), "sourcePorts": .word(ports.0),
                ]),
                "at": .one(of: entries), "direction": .word("out"), "action": .word("accept"),
            ])
        }
    }

    // MARK: Text

    private var shownNotes: [ImportedPolicy.Note] {
        (notes + rules.addresses.notes + rules.notes).map { note in
            .init(
                kind: note.kind, file: OneLine.text(note.file), line: note.line,
                words: OneLine.text(note.words, most: 800))
        }
    }

    private var text: String {
        var lines = [
            "# yaml-language-server: $schema=policy.schema.json",
            "# Made by bulkhead import --from proxmox. Replies to what a rule accepts pass by themselves, and so do",
            "# ARP, neighbour discovery and DHCP within the link. Other frames that are not IP are dropped, and so are",
            "# tagged frames of guests.",
        ]
        lines += remarks.map { "# \($0)" }
        lines += (notes + rules.addresses.notes).map { "# " + OneLine.text($0.description, most: 800) }
        lines += ["version: 1", ""] + ports.lines
        if !rules.addresses.groups.isEmpty {
            lines += ["", "groups:"]
            lines += rules.addresses.groups.map {
                "  \($0.name): " + $0.value.text(indent: 6, from: $0.name.utf8.count + 4)
            }
        }
        lines += ["", "defaults: { in: drop, out: accept }"]
        if !rules.lines.isEmpty { lines += [""] + (rules.isEmpty ? [] : ["rules:"]) + rules.lines }
        return lines.joined(separator: "\n") + "\n"
    }
}
