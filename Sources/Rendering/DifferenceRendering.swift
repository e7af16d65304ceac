// SPDX-License-Identifier: Apache-2.0
import Analysis
import Control
import Policy

extension PolicyDifference {
    package var json: JSON {
        [
            "rules": .array(rules.map(\.json)), "ports": .array(ports.map(\.json)),
            "traffic": .array(traffic.map(\.json)), "flowsEnded": .array((flowsEnded ?? []).map(\.json)),
            "flows": flowsEnded == nil ? nil : JSON(flows), "partial": .bool(isPartial),
            "conditional": .bool(isConditional), "changesTraffic": .bool(changesTraffic),
        ]
    }

    /// What there is to say where no change of traffic is known.
    private var nothing: Words {
        if isPartial { return "no change of traffic is known\n" }
        return movesPorts ? "no traffic changes at the ports that both policies have\n" : "no traffic changes\n"
    }

    package var words: Words {
        var text: Words = ""
        for (title, list) in [("rules", rules), ("ports", ports)] where !list.isEmpty {
            text += "\(title):\n"
            for named in list { text += "  \(named.change.rawValue) \(named.name)\n" }
        }
        if movesPorts { text += "where a port comes or goes, everything passes while it is not there\n" }
        text += traffic.isEmpty ? nothing : "traffic:\n"
        for group in traffic.byPort { text += group }
        if isConditional {
            text += "some of this depends on limits, times, origins, packets' fields or members of dynamic groups\n"
        }
        if isPartial { text += "there may be more: the policies are too large to tell all of it\n" }
        guard let ended = flowsEnded else { return text }
        text += "\(ended.count) of \(counted(flows, "open flow")) would end\n"
        for flow in ended.prefix(20) {
            text += "  \(flow.direction.rawValue) at \(flow.port): \(flow.from) > \(flow.to) \(flow.service)\n"
        }
        if ended.count > 20 { text += "  and \(ended.count - 20) more\n" }
        return text
    }
}

extension PolicyDifference.Named {
    fileprivate var json: JSON { ["name": .string(name), "change": .string(change.rawValue)] }
}

extension ComparedFlow {
    fileprivate var json: JSON {
        [
            "port": .string(port), "from": .string("\(from)"), "to": .string("\(to)"), "service": .string(service),
            "direction": .string(direction.rawValue),
        ]
    }
}

extension Difference.Change {
    fileprivate var json: JSON {
        var fields = JSON.Fields()
        fields.append("from", JSON(from))
        fields.append("to", JSON(to))
        fields.append("service", JSON(service))
        fields.append("port", .string(port))
        fields.append("direction", .string(direction.rawValue))
        if let vlans { fields.append("vlans", JSON(vlans)) }
        if let family { fields.append("family", .string("ip\(family)")) }
        fields.append("old", .string(old.rawValue))
        fields.append("new", .string(new.rawValue))
        fields.append("example", example.json)
        return .object(fields)
    }
}

extension [Difference.Change] {
    /// The same change at several ports as one paragraph.
    fileprivate var byPort: [Words] {
        var order: [Difference.Change] = []
        var ports: [Difference.Change: [String]] = [:]
        for change in self {
            var key = change
            key.port = ""
            key.example = PacketExample(from: "", to: "", service: "")
            if ports[key] == nil { order.append(change) }
            ports[key, default: []].append(change.port)
        }
        return order.map { change in
            var key = change
            key.port = ""
            key.example = PacketExample(from: "", to: "", service: "")
            let places = (ports[key] ?? []).joined(separator: ", ")
            var line: Words = "  \(change.old.rawValue) -> \(change.new.rawValue)  "
            line += "\(change.direction.rawValue) at \(places)"
            if let vlans = change.vlans { line += " in VLAN \(vlans.joined(separator: ","))" }
            line += ": \(change.from.joined(separator: ", ")) > \(change.to.joined(separator: ", ")) "
            line += "\(change.service.joined(separator: ", "))"
            line += change.family.map { " over IP\($0)\n" } ?? "\n"
            return line + "      such as \(change.example)\n"
        }
    }
}
