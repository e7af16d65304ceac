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
        addOpen(sockets.connections, listeners: outside, own)
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

    /// Open connections that nothing else lets in. A connection that is taken over is judged in the direction that its
    /// ports suggest: the lower one is the server's, and of two equal or high ones nobody knows.
    private mutating func addOpen(
        _ connections: [OpenSockets.Connection], listeners: [OpenSockets.Listener], _ own: Set<IPAddress>
    ) {
        let inward = connections.filter { connection in
            let (local, remote) = (connection.ends.local, connection.ends.remote)
            if WellKnown.loopback.contains(remote.address) || own.contains(remote.address) { return false }
            let isInward = local.port <= remote.port || (local.port >= 32768 && remote.port >= 32768)
            return isInward
                && !listeners.contains {
                    $0.number == 6 && $0.port == local.port && ($0.address ?? local.address) == local.address
                }
        }
        let byPort = Dictionary(grouping: inward, by: \.ends.local.port)
        for port in byPort.keys.sorted() {
            let open = byPort[port] ?? []
            let peers = Set(open.map { "\"\($0.ends.remote.address)\"" }).sorted()
            let who = open.compactMap(\.program).first.map { " of \(PolicyWords.plain($0))" } ?? ""
            lines.append(
                rule(
                    "open-\(port)", "from: \(FirstRules.list(peers)), to: host, service: tcp/\(port), ",
                    "a connection\(who) that was open; remove this when it has ended"))
        }
    }

    private mutating func rule(_ name: String, _ keys: String, _ comment: String) -> String {
        "  - { name: \(words.name(name)), \(keys)action: accept, comment: \"\(comment)\" }"
    }

    private static func list(_ items: [String]) -> String {
        items.count == 1 ? items[0] : "[\(items.joined(separator: ", "))]"
    }
}
