// SPDX-License-Identifier: Apache-2.0
import Network
import Policy

/// A policy in the words of the policy language; like nft's scripts it says of a rule what the rule asks, and no more.
struct PolicyText {
    var ports: [String]
    var defaults = "{ in: drop, out: accept, adopt: 0s }"
    var rules: [Rule]

    var text: String {
        var lines = ["version: 1", "ports:"] + ports.map { "  \($0)" } + ["defaults: \(defaults)"]
        lines.append(rules.isEmpty ? "rules: []" : "rules:")
        lines += rules.map { "  - { " + PolicyText.keys($0).joined(separator: ", ") + " }" }
        return lines.joined(separator: "\n") + "\n"
    }

    private static func keys(_ rule: Rule) -> [String] {
        var keys = ["name: \(rule.name)"]
        if let from = rule.ends.first?.from { keys.append("from: \(list(from))") }
        if let to = rule.ends.first?.to { keys.append("to: \(list(to))") }
        if let services = rule.services { keys.append("service: \(list(services.map(word)))") }
        keys.append("action: \(rule.action.rawValue)")
        if rule.isStateless { keys.append("stateless: true") }
        return keys
    }

    private static func list(_ set: AddressSet) -> String {
        list(set.prefixes.map { $0.family == .v4 ? "\($0)" : "\"\($0)\"" })
    }

    private static func list(_ words: [String]) -> String {
        words.count == 1 ? words[0] : "[" + words.joined(separator: ", ") + "]"
    }

    private static func word(_ service: Service) -> String {
        guard case .ports(let number, let destination, let source) = service else { return "\(service)" }
        if source == [0...UInt16.max], destination.count == 1 { return "\(service)" }
        let name = [6: "tcp", 17: "udp", 132: "sctp"][number] ?? "\(number)"
        return "{ protocol: \(name), ports: \(list(destination)), sourcePorts: \(list(source)) }"
    }

    private static func list(_ ranges: [ClosedRange<UInt16>]) -> String {
        "[" + ranges.map { "\"\($0.lowerBound)-\($0.upperBound)\"" }.joined(separator: ", ") + "]"
    }
}
