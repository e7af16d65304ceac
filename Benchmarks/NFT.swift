// SPDX-License-Identifier: Apache-2.0
import Network
import Policy
import TestSupport

/// nft at the netdev ingress hook.
struct NFT: Contender {
    enum Form: String {
        /// No rule at all: what the hook costs.
        case empty = "nft empty chain"
        /// Likewise, where everything is accepted.
        case accepting = "nft empty chain, accepting"
        /// One rule after the other.
        case linear = "nft linear"
        /// One set of address, address, protocol and ports, as intervals.
        case set = "nft concatenated set"
        /// The same as a map to verdicts.
        case map = "nft verdict map"
    }

    let form: Form
    let rules: [Rule]

    var name: String { form.rawValue }
    let hook = "netdev ingress"
    let receivesPackets = true

    func install(at place: Place, of lab: Lab) throws {
        let file = try lab.file("\(place.namespace.name).nft", script)
        try place.namespace.run("nft", "-f", file)
    }

    /// The whole ruleset, as `nft -f` reads it.
    var script: String {
        let type = "type ipv4_addr . ipv4_addr . inet_proto . inet_service"
        let key = "ip saddr . ip daddr . meta l4proto . th dport"
        var table: [String] = []
        let policy = form == .accepting ? "accept" : "drop"
        var chain = ["type filter hook ingress device \"\(Place.device)\" priority 0; policy \(policy);"]
        switch form {
        case .empty, .accepting: break
        case .linear: chain += rules.map { "\(NFT.matches($0)) \($0.action.rawValue)" }
        case .set:
            table.append("set s { \(type); flags interval; elements = { \(elements { _ in "" }) }; }")
            chain.append("\(key) @s accept")
        case .map:
            let verdicts = elements { " : \($0.action)" }
            table.append("map m { \(type) : verdict; flags interval; elements = { \(verdicts) }; }")
            chain.append("\(key) vmap @m")
        }
        table += ["chain c {"] + chain + ["}"]
        return (["table netdev bench {"] + table + ["}"]).joined(separator: "\n") + "\n"
    }

    private func elements(_ value: (Rule) -> String) -> String {
        rules.map { element($0) + value($0) }.joined(separator: ",\n")
    }

    /// A rule as an element of the set.
    func element(_ rule: Rule) -> String {
        let (from, to, number, ports, _) = NFT.parts(rule)
        return "\(from) . \(to) . \(number) . \(NFT.word(ports))"
    }

    private static func matches(_ rule: Rule) -> String {
        let (from, to, number, destination, source) = parts(rule)
        var words = ["ip saddr \(from)", "ip daddr \(to)", "meta l4proto \(number)"]
        if destination != 0...UInt16.max { words.append("th dport \(word(destination))") }
        if source != 0...UInt16.max { words.append("th sport \(word(source))") }
        return words.joined(separator: " ")
    }

    /// A rule of one prefix each, one protocol and one range.
    static func parts(
        _ rule: Rule
    ) -> (from: Prefix, to: Prefix, number: UInt8, destination: ClosedRange<UInt16>, source: ClosedRange<UInt16>) {
        guard let end = rule.ends.first, let from = end.from?.prefixes.first, let to = end.to?.prefixes.first,
            case .ports(let number, let destination, let source)? = rule.services?.first
        else { preconditionFailure("rule \(rule.name) is none of a made-up set") }
        return (from, to, number, destination[0], source[0])
    }

    private static func word(_ ports: ClosedRange<UInt16>) -> String {
        ports.count == 1 ? "\(ports.lowerBound)" : "\(ports.lowerBound)-\(ports.upperBound)"
    }
}

/// iptables' raw table, the earliest that it has.
struct IPTables: Contender {
    enum Form: String {
        case linear = "iptables linear"
        /// One rule for a set of destination prefixes and ports: it has no kind for both ends' prefixes.
        case set = "iptables with ipset"
    }

    let form: Form
    let rules: [Rule]

    var name: String { form.rawValue }
    let hook = "raw PREROUTING"
    let receivesPackets = true

    func install(at place: Place, of lab: Lab) throws {
        var lines = ["*raw", ":PREROUTING DROP [0:0]", ":OUTPUT ACCEPT [0:0]"]
        switch form {
        case .linear: lines += rules.map(IPTables.line)
        case .set:
            try place.namespace.run("ipset", "restore", input: IPTables.set(rules))
            lines.append("-A PREROUTING -m set --match-set s dst,dst -j ACCEPT")
        }
        lines.append("COMMIT")
        try place.namespace.run("iptables-restore", input: lines.joined(separator: "\n") + "\n")
    }

    private static func line(_ rule: Rule) -> String {
        let (from, to, number, ports, _) = NFT.parts(rule)
        let name = number == 6 ? "tcp" : "udp"
        return "-A PREROUTING -s \(from) -d \(to) -p \(name) -m \(name) "
            + "--dport \(ports.lowerBound):\(ports.upperBound) -j ACCEPT"
    }

    private static func set(_ rules: [Rule]) -> String {
        let lines = rules.map { rule in
            let (_, to, number, ports, _) = NFT.parts(rule)
            return "add s \(to),\(number == 6 ? "tcp" : "udp"):\(ports.lowerBound) -exist"
        }
        return (["create s hash:net,port maxelem \(max(rules.count, 1024))"] + lines).joined(separator: "\n") + "\n"
    }
}
