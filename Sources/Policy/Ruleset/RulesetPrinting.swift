// SPDX-License-Identifier: Apache-2.0
import Network
import Wire

extension Ruleset: CustomStringConvertible {
    /// The resolved policy, one line per port, group or rule. For reading and comparing, not for parsing.
    public var description: String {
        var lines = entries.map(\.description)
        if adopt != WrittenDefaults.adoptSeconds { lines.insert("adopt: \(adopt)s", at: 0) }
        lines += dynamicGroups.enumerated().map { "dynamic #\($0) \($1.name): \($1)" }
        lines += groups.map { "group \($0.name): \($0.words)" }
        lines += rules.map { rule in
            let ports = rule.entries.map(names)
            let layer = layers.isEmpty ? "" : "\(layers[rule.layer]): "
            let addition = rule.addition.map { " " + words($0) } ?? ""
            return layer + rule.description(at: ports, via: rule.via.map(words)) + addition
        }
        lines += assertions.map(\.description)
        return lines.map { $0 + "\n" }.joined()
    }
}

extension PortEntry: CustomStringConvertible {
    public var description: String {
        if let part {
            let words = part.words.sorted().joined(separator: " ")
            return (["port \(name): devices of \(part.entryName) named \(words)"] + guests.map(\.description))
                .joined(separator: " ")
        }
        var parts = ["port \(name):"]
        switch selector {
        case _ where !workloads.isEmpty: parts.append("workload " + workloads.map(\.description).joined(separator: " "))
        case .interfaces(let names): parts.append("interface " + names.joined(separator: " "))
        case .bridge(let name): parts.append("bridge \(name)")
        }
        if let namespace { parts.append("netns \(namespace)") }
        if let protects { parts.append("protects \(protects.rawValue)") }
        if !macs.isEmpty { parts.append("mac " + macs.map(\.description).joined(separator: " ")) }
        if hasNoAddresses { parts.append("addresses none") }
        if !addresses.isEmpty { parts.append("addresses " + addresses.map(\.description).joined(separator: " ")) }
        let shared = sharedMACs.map(\.description) + sharedAddresses.map(\.description)
        if !shared.isEmpty { parts.append("shared " + shared.joined(separator: " ")) }
        if let guards { parts.append("guard \(guards)") }
        if let vlans { parts.append("vlans \(vlans)") }
        parts.append("in \(defaults.in.rawValue) out \(defaults.out.rawValue)")
        parts.append("essentials \(defaults.essentials ? "on" : "off")")
        if mode != .auto { parts.append("mode \(mode.rawValue)") }
        if let maxFlows { parts.append("maxFlows \(maxFlows)") }
        if tcp != .liberal { parts.append("tcp \(tcp.rawValue)") }
        if !judgesUnknown { parts.append("unknown drop") }
        if let gate { parts.append("gate \(gate.rawValue)") }
        return parts.joined(separator: " ")
    }
}

extension WorkloadPort: CustomStringConvertible {
    public var description: String {
        var parts = ["workload \(workload)"]
        if let mac { parts.append("mac \(mac)") }
        if let addresses {
            parts.append(
                "addresses " + (addresses.isEmpty ? "none" : addresses.map(\.description).joined(separator: " ")))
        }
        if let refusal { parts.append("not admitted: \(refusal)") }
        return parts.joined(separator: " ")
    }
}

extension VLANAdmission: CustomStringConvertible {
    public var description: String {
        switch self {
        case .none: "none"
        case .any: "any"
        case .list(let tags): tags.tagWords
        }
    }
}

extension Set<UInt16> {
    /// VLAN tags, three or more in a row as a range.
    var tagWords: String {
        var runs: [ClosedRange<UInt16>] = []
        for tag in sorted() {
            if let last = runs.last, last.upperBound + 1 == tag {
                runs[runs.count - 1] = last.lowerBound...tag
            } else {
                runs.append(tag...tag)
            }
        }
        return runs.flatMap { run in
            run.count < 3 ? run.map(String.init) : ["\(run.lowerBound)-\(run.upperBound)"]
        }.joined(separator: ",")
    }
}

extension Service: CustomStringConvertible {
    /// In the policy language; source ports come before an arrow.
    public var description: String {
        switch self {
        case .ports(let number, let destination, let source):
            let name = [6: "tcp", 17: "udp", 132: "sctp"][number] ?? "\(number)"
            let from = source == [0...UInt16.max] ? "" : Service.list(source) + "->"
            return "\(name)/\(from)\(Service.list(destination))"
        case .icmp(let family, let type, let code):
            let name = family == .v4 ? "icmp" : "icmpv6"
            return "\(name)/\(type.map(String.init) ?? "*")" + (code.map { "/\($0)" } ?? "")
        case .protocol(let number): return "proto/\(number)"
        case .ethertype(nil): return "ethertype/llc"
        case .ethertype(let type?):
            let digits = String(type, radix: 16)
            return "ethertype/0x" + String(repeating: "0", count: 4 - digits.count) + digits
        }
    }

    private static func list(_ ranges: [ClosedRange<UInt16>]) -> String {
        ranges.map { range in
            if range == 0...UInt16.max { return "*" }
            return range.count == 1 ? "\(range.lowerBound)" : "\(range.lowerBound)-\(range.upperBound)"
        }.joined(separator: ",")
    }
}

extension Rule {
    /// - Parameters:
    ///   - ports: The names of the entries at which the rule applies; nil for all.
    ///   - via: Those from which it comes; nil for anywhere.
    public func description(at ports: [String]?, via: [String]? = nil) -> String {
        var parts = ["rule \(name): \(action.rawValue)"]
        if isStateless { parts.append("stateless") }
        if match != .any { parts.append("\(match)") }
        if let limit { parts.append("\(limit)") }
        if let connections { parts.append("\(connections)") }
        if let starts { parts.append("starts \(starts)") }
        if let expires { parts.append("expires \(expires)") }
        if let times { parts.append("\(times)") }
        if let tag { parts.append("tag \(tag)") }
        if log != Rule.logs(action) { parts.append(log ? "log" : "no log") }
        if ends.isEmpty { parts.append("never") }
        for (index, end) in ends.enumerated() {
            if index > 0 { parts.append("or") }
            if let from = Rule.words(end.from, end.source) { parts.append("from \(from)") }
            if let to = Rule.words(end.to, end.destination) { parts.append("to \(to)") }
        }
        if let services { parts.append("service " + services.map(\.description).joined(separator: " ")) }
        if let vlans { parts.append("vlan " + vlans.tagWords) }
        if !directions.isBoth { parts.append(Direction.allCases.filter(directions.contains).map(\.rawValue).joined()) }
        if let ports { parts.append("at " + ports.joined(separator: " ")) }
        if let via { parts.append("via " + via.joined(separator: " ")) }
        if let comment { parts.append("# \(comment)") }
        if !meta.isEmpty { parts.append("{ " + meta.map { "\($0.key): \($0.value)" }.joined(separator: ", ") + " }") }
        return parts.joined(separator: " ")
    }
}

extension Rule {
    /// nil for any address.
    private static func words(_ set: AddressSet?, _ membership: Membership) -> String? {
        if set == nil, membership.isAny { return nil }
        return DynamicSet.Term(set: set ?? .all, membership: membership).description
    }
}

extension Assertion: CustomStringConvertible {
    public var description: String {
        let rule = Rule(name: name, location: location, ends: ends, services: services, action: .accept)
        return rule.description(at: nil)
            .replacing("rule \(name): accept", with: "assertion \(name): \(expect.rawValue)")
    }
}

extension DynamicGroup: CustomStringConvertible {
    public var description: String { "max \(maximum)" + (timeout.map { " timeout \($0)s" } ?? "") }
}

extension PortBinding: CustomStringConvertible {
    public var description: String {
        var parts = [
            "binding \(port.name): \(port.interface)", port.protects.rawValue + (protectsIsDefault ? " (taken)" : ""),
        ]
        if let namespace = port.namespace { parts.append("netns \(namespace)") }
        if interface == nil { parts.append("missing") }
        if isUnknownToDrop { parts.append("unknown drop") }
        return parts.joined(separator: " ")
    }
}
