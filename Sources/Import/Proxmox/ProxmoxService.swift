// SPDX-License-Identifier: Apache-2.0
import Network

/// What a rule of pve-firewall carries, in a policy's words.
struct ProxmoxService: Sendable {
    /// The alternatives, source ports behind a `<`; nil: any IP packet. It is more than the rule asks where there is a
    /// problem.
    private(set) var words: [String]?
    /// The family that it is for, where it is one.
    private(set) var family: AddressFamily?
    /// What of it cannot be said.
    private(set) var problem: String?
    /// Why pve-firewall does not apply the rule.
    private(set) var fault: String?

    init(_ rule: ProxmoxRule) {
        if let macro = rule.macro { readMacro(macro, rule) } else { readProtocol(rule) }
    }

    private mutating func readMacro(_ macro: String, _ rule: ProxmoxRule) {
        guard let meaning = ProxmoxMacros.words(macro) else {
            problem = "the macro \(macro) is not known"
            return
        }
        words = meaning.words
        family = meaning.family
        let more = [rule.protocolName, rule.sourcePorts, rule.destinationPorts, rule.messageType]
        if more.contains(where: { $0 != nil }) { problem = "a protocol or ports besides a macro" }
        if meaning.words.allSatisfy({ $0.hasPrefix("icmpv6/") }) { family = .v6 }
    }

    private mutating func readProtocol(_ rule: ProxmoxRule) {
        let hasPorts = rule.sourcePorts != nil || rule.destinationPorts != nil
        guard let name = rule.protocolName else {
            if hasPorts || rule.messageType != nil { fault = "it names ports, and no protocol" }
            return
        }
        switch name {
        case "icmp": readMessages(rule, .v4)
        case "icmpv6", "ipv6-icmp": readMessages(rule, .v6)
        default:
            guard let number = ProxmoxService.number(name), rule.messageType == nil else {
                problem = rule.messageType.map { "-icmp-type \($0)" } ?? "the protocol \(name)"
                return
            }
            readNumber(number, name, rule, hasPorts: hasPorts)
        }
    }

    /// A protocol by the name in Debian's list, or by its number.
    private static func number(_ name: String) -> UInt8? {
        if let number = ProxmoxName.number(name[...]) { return UInt8(exactly: number) }
        switch name {
        case "ipencap": return 4
        case "ipip": return 94
        case "ipv4", "carp": return nil
        default: return ProxmoxName.isPlain(name) ? ProtocolName.number(name) : nil
        }
    }

    private mutating func readNumber(_ number: UInt8, _ name: String, _ rule: ProxmoxRule, hasPorts: Bool) {
        switch number {
        case 6, 17, 132:
            let head = number == 6 ? "tcp" : number == 17 ? "udp" : "sctp"
            let destination = ports(rule.destinationPorts, number)
            let source = ports(rule.sourcePorts, number)
            words = ["\(head)/\(destination ?? "*")" + (source.map { "<\($0)" } ?? "")]
        // Headers that come before the protocol, or that mean another thing in each family.
        case 0, 1, 43, 44,
            51 where hasPorts, 58, 60, 135, 139, 140:
            problem = "-p \(name)"
        case 33, 136:
            words = ["proto/\(number)"]
            if hasPorts { problem = "ports of the protocol \(name)" }
        default:
            words = ["proto/\(number)"]
            if hasPorts { fault = "the protocol \(name) has no ports" }
        }
    }

    private mutating func readMessages(_ rule: ProxmoxRule, _ family: AddressFamily) {
        self.family = family
        words = [family == .v4 ? "icmp/*" : "icmpv6/*"]
        if rule.sourcePorts != nil { fault = "messages have no ports" }
        guard let type = rule.messageType ?? rule.destinationPorts else { return }
        if rule.messageType != nil, rule.destinationPorts != nil { fault = "it names the message twice" }
        guard let word = ProxmoxMacros.message(type, family) else {
            problem = "the message \(type)"
            return
        }
        words = [word]
    }

    /// A list such as `80,443,8000:8010`; nil: all ports, or what cannot be said.
    private mutating func ports(_ text: String?, _ number: UInt8) -> String? {
        guard let text else { return nil }
        // pve-firewall takes a single zero for no condition.
        var (count, list) = (0, [String]())
        for item in text.split(separator: ",", omittingEmptySubsequences: false) {
            let ends = item.split(separator: ":", omittingEmptySubsequences: false)
            let ports =
                ends.count == 1
                ? [port(ends[0], number)] : ends.map { ProxmoxName.number($0).flatMap(UInt16.init(exactly:)) }
            count += ends.count
            guard ends.count <= 2, let first = ports.first ?? nil, let last = ports.last ?? nil, first <= last else {
                problem = "the ports \(text)"
                return nil
            }
            list.append(first == last ? "\(first)" : "\(first)-\(last)")
        }
        if count > 15 || text == "0" {
            problem = "the ports \(text)"
            return nil
        }
        return list.joined(separator: ",")
    }

    private func port(_ text: Substring, _ number: UInt8) -> UInt16? {
        ProxmoxName.number(text).map { UInt16(exactly: $0) } ?? PortName.port(String(text), protocolNumber: number)
    }
}
