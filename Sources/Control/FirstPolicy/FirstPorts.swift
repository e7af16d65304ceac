// SPDX-License-Identifier: Apache-2.0
import Policy

/// The ports of a first policy.
struct FirstPorts {
    struct Entry {
        var name: String
        var keys: String
        /// Lines.
        var comment: [String]
    }

    private(set) var entries: [Entry] = []
    /// Devices that are no ports, each with the reason.
    private(set) var leftOut: [String] = []
    private var words = PolicyWords()

    init(_ interfaces: [HostInterface]) {
        let sorted = interfaces.filter { $0.kind != .loopback }.sorted { $0.index < $1.index }
        for interface in sorted where interface.bridge == nil { addOwn(interface) }
        let members = Dictionary(grouping: sorted.filter { $0.bridge != nil }) { $0.bridge ?? "" }
        for bridge in members.keys.sorted() { addPorts(of: bridge, members[bridge] ?? []) }
    }

    /// A device of the host itself.
    private mutating func addOwn(_ interface: HostInterface) {
        let addresses = interface.addresses.map { "\($0.address)" }
        if !PolicyWords.isPlain(interface.name) {
            return leave(interface, "its name cannot stand in a policy")
        }
        if !interface.isEthernet { return leave(interface, "it is not Ethernet") }
        if addresses.isEmpty { return leave(interface, "it has no address") }
        let kind = interface.kind == .bridge ? "the host's own side of the bridge" : "the host's own device"
        entries.append(
            Entry(
                name: words.name(interface.name), keys: "interface: \(interface.name), protects: host",
                comment: ["\(interface.name) is \(kind), with \(addresses.joined(separator: ", "))"]))
    }

    /// The members of a bridge. Nobody knows what guests listen on, so they are counted and watched, not closed.
    private mutating func addPorts(of bridge: String, _ members: [HostInterface]) {
        guard PolicyWords.isPlain(bridge) else {
            for member in members { leave(member, "the name of its bridge cannot stand in a policy") }
            return
        }
        let open = "defaults: { in: accept, out: accept }"
        for member in members where member.kind != .tap && member.kind != .veth {
            guard PolicyWords.isPlain(member.name), member.isEthernet else {
                leave(member, "its name cannot stand in a policy")
                continue
            }
            entries.append(
                Entry(
                    name: words.name(member.name), keys: "interface: \(member.name), protects: host, \(open)",
                    comment: [
                        "\(member.name) is a member of \(bridge): what the host receives over it is judged at \(bridge)"
                    ]))
        }
        let guests = members.filter { $0.kind == .tap || $0.kind == .veth }.map { PolicyWords.plain($0.name) }
        if guests.isEmpty { return }
        let more = guests.count > 8 ? " and \(guests.count - 8) more" : ""
        let names = guests.prefix(8).joined(separator: ", ") + more
        entries.append(
            Entry(
                name: words.name("\(bridge)-guests"), keys: "bridge: \(bridge), guard: off, vlans: any, \(open)",
                comment: [
                    "guests on \(bridge), now \(names): open until their rules are written.",
                    "Frames that are neither IP nor ARP pass where a rule names them: service: ethertype/0x8863.",
                    "Give each guest an entry with its mac and addresses, and remove guard, vlans and defaults here.",
                ]))
    }

    private mutating func leave(_ interface: HostInterface, _ reason: String) {
        leftOut.append("\(PolicyWords.plain(interface.name)), because \(reason)")
    }
}
