// SPDX-License-Identifier: Apache-2.0
import Host
import Network
import Policy

/// The rules of a first policy: what listens now may be reached, and what is open stays open.
struct FirstRules {
    private(set) var lines: [String] = []
    private var words = PolicyWords()

    /// Ports of DHCP clients, which the essentials let in.
    private static let clients: Set<UInt16> = [68, 546]

    private struct Kind: Hashable, Comparable {
        var program: String?
        var number: UInt8
        var address: IPAddress?

        static func < (one: Kind, two: Kind) -> Bool {
            (one.program ?? "~", one.number, "\(one.address as Any)")
                < (two.program ?? "~", two.number, "\(two.address as Any)")
        }
    }

    /// - Parameter own: The host's own addresses.
    init(_ sockets: OpenSockets, own: Set<IPAddress>) {
        let outside = sockets.listeners.filter { listener in
            !(listener.address.map(WellKnown.loopback.contains) ?? false)
                && !(listener.number == 17 && FirstRules.clients.contains(listener.port))
        }
        let kinds = Dictionary(grouping: outside) { listener in
            // A link-local address is every device's; what listens at a group's address is asked by that.
            let isOwn = listener.address.map { own.contains($0) && !WellKnown.linkLocal.contains($0) } ?? false
            return Kind(
                program: listener.program, number: listener.number, address: isOwn ? listener.address : nil)
        }
        for kind in kinds.keys.sorted() { add(kind, Set(kinds[kind]?.map(\.port) ?? []).sorted()) }
        addRaw(sockets.rawListeners)
        let open = sockets.connections.filter { connection in
            let remote = connection.ends.remote.address
            return !WellKnown.loopback.contains(remote) && !own.contains(remote)
                && !outside.contains { FirstRules.lets($0, connection) }
        }
        addOpen(open.filter { $0.number == 6 })
        addConversations(open.filter { $0.number == 17 })
        if sockets.forwards {
            lines += [
                "  # This host forwards packets for others. Say here who may reach what behind it.",
                rule("forwarded", "to: { except: host }, direction: in, ", "this host forwards packets"),
            ]
        }
        lines.append(rule("ping", "service: ping, ", "so that it can be told whether the host is there"))
    }

    private mutating func add(_ kind: Kind, _ ports: [UInt16]) {
        let word = kind.number == 6 ? "tcp" : "udp"
        let services = ports.map { "\(word)/\($0)" }
        let name = kind.program ?? "\(word)-\(ports[0])"
        // What waits for datagrams may wait for those to a group, too.
        let end = kind.address.map { "\"\($0)\"" } ?? (kind.number == 6 ? "host" : "[host, multicast, broadcast]")
        let who = kind.program.map { PolicyWords.plain($0) } ?? "something"
        lines.append(
            rule(name, "to: \(end), service: \(FirstRules.list(services)), ", "\(who) listens there"))
    }

    /// Sockets that take whole packets. Those of ICMP hear what other rules and flows let in. A header that others
    /// follow (hop-by-hop options, routing, fragment, AH, destination options) would let in what is behind it.
    private mutating func addRaw(_ raw: [OpenSockets.RawListener]) {
        let without: Set<UInt8> = [0, 1, 6, 17, 43, 44, 51, 58, 60, 255]
        let kinds = Dictionary(grouping: raw.filter { !without.contains($0.number) }, by: \.number)
        for number in kinds.keys.sorted() {
            let who = kinds[number]?.compactMap(\.program).first
            lines.append(
                rule(
                    who ?? "proto-\(number)", "to: [host, multicast, broadcast], service: proto/\(number), ",
                    "\(who.map { PolicyWords.plain($0) } ?? "something") takes packets of that protocol"))
        }
    }

    /// Whether the rule for what listens lets a connection in too.
    private static func lets(_ listener: OpenSockets.Listener, _ connection: OpenSockets.Connection) -> Bool {
        let local = connection.ends.local
        return listener.number == connection.number && listener.port == local.port
            && (listener.address ?? local.address) == local.address
    }

    /// Open connections that nothing else lets in. A connection that is taken over is judged in the direction that its
    /// ports suggest: the lower one is the server's, and of two equal or high ones nobody knows.
    private mutating func addOpen(_ connections: [OpenSockets.Connection]) {
        let inward = connections.filter { connection in
            let (local, remote) = (connection.ends.local, connection.ends.remote)
            return local.port <= remote.port || (local.port >= 32768 && remote.port >= 32768)
        }
        let byPort = Dictionary(grouping: inward, by: \.ends.local.port)
        for port in byPort.keys.sorted() {
            let open = byPort[port] ?? []
            lines.append(
                rule(
                    "open-\(port)", "from: \(FirstRules.peers(open)), to: host, service: tcp/\(port), ",
                    "a connection\(FirstRules.owner(open)) that was open; remove this when it has ended"))
        }
    }

    /// Sockets of UDP that speak to one peer. Datagrams are not taken over, and the peer may be the next to send.
    private mutating func addConversations(_ connections: [OpenSockets.Connection]) {
        let byPort = Dictionary(grouping: connections, by: \.ends.local.port)
        for port in byPort.keys.sorted() {
            let open = byPort[port] ?? []
            let far = Set(open.map(\.ends.remote.port)).sorted().map { "\($0)" }
            let service = "{ protocol: udp, ports: \(port), sourcePorts: \(FirstRules.list(far)) }"
            lines.append(
                rule(
                    "open-udp-\(port)", "from: \(FirstRules.peers(open)), to: host, service: \(service), ",
                    "a conversation\(FirstRules.owner(open)) that was open; remove this when it has ended"))
        }
    }

    private static func peers(_ open: [OpenSockets.Connection]) -> String {
        list(Set(open.map { "\"\($0.ends.remote.address)\"" }).sorted())
    }

    private static func owner(_ open: [OpenSockets.Connection]) -> String {
        open.compactMap(\.program).first.map { " of \(PolicyWords.plain($0))" } ?? ""
    }

    private mutating func rule(_ name: String, _ keys: String, _ comment: String) -> String {
        "  - { name: \(words.name(name)), \(keys)action: accept, comment: \"\(comment)\" }"
    }

    private static func list(_ items: [String]) -> String {
        items.count == 1 ? items[0] : "[\(items.joined(separator: ", "))]"
    }
}
