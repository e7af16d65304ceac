// SPDX-License-Identifier: Apache-2.0
import Compiler
import Control
import Policy
import Simulation
import Wire

extension Explanation {
    /// One way has its hops and its end at the top, several have theirs each.
    package var json: JSON {
        let several = ways.count > 1
        var fields = JSON.Fields()
        fields.append("verdict", .string(verdict.rawValue))
        fields.append("hops", .array(hops.map(\.json)))
        fields.append("generation", JSON(optional: generation))
        if !several, let way = ways.first { append(way, to: &fields) }
        if several { fields.append("ways", .array(ways.map(json))) }
        if let obstacles {
            fields.append("live", .array(obstacles.map(json)))
            fields.append("unseen", .array(unseen.map(json)))
        }
        return .object(fields)
    }

    private func json(_ way: JudgedWay) -> JSON {
        var fields = JSON.Fields()
        fields.append("verdict", .string(way.verdict.rawValue))
        fields.append("hops", .array(way.hops.map(\.json)))
        append(way, to: &fields)
        return .object(fields)
    }

    private func json(_ obstacle: Obstacle) -> JSON {
        [
            "kind": .string(obstacle.kind.rawValue), "name": .string(obstacle.name),
            "interface": JSON(obstacle.device.flatMap { names.devices[$0] }),
            "netns": JSON(names.namespaces[obstacle.namespace]),
        ]
    }

    private func json(_ filter: UnseenFilter) -> JSON {
        ["netns": JSON(names.namespaces[filter.namespace]), "why": .string(filter.reason)]
    }

    private func append(_ judged: JudgedWay, to fields: inout JSON.Fields) {
        guard let way = judged.way else { return }
        let words = WayWords(names: names)
        fields.append("end", .string(words.kind(way.end)))
        fields.append("why", .string(words.end(way.end)))
        fields.append("assumed", JSON(way.assumptions.map(words.assumption)))
    }

    package func words(_ ends: ExplainedEnds, _ palette: Palette) -> Words {
        var text: Words = "\(ends.source.address) > \(ends.destination.address): \(paint(verdict, palette))\n"
        for (index, way) in ways.enumerated() {
            if ways.count > 1 { text += "way \(index + 1) of \(ways.count): \(paint(way.verdict, palette))\n" }
            text += words(way, palette)
        }
        guard let obstacles else { return text }
        if !obstacles.isEmpty {
            text += "what else on the way can drop it:\n"
        } else if unseen.isEmpty {
            text += "nothing else on the way drops packets\n"
        }
        for obstacle in obstacles { text += words(obstacle) }
        if !unseen.isEmpty { text += "what could not be looked at, and may drop it too:\n" }
        for filter in unseen {
            text += "  \(filter.reason)\(names.namespaces[filter.namespace].map { " (in \($0))" } ?? "")\n"
        }
        return text
    }

    private func words(_ obstacle: Obstacle) -> Words {
        let device = obstacle.device.flatMap { names.devices[$0] }.map { " \($0)" } ?? ""
        let place = names.namespaces[obstacle.namespace].map { " in \($0)" } ?? ""
        return "  \(obstacle.kind.rawValue)\(device)\(place): \(obstacle.name)\n"
    }

    private func words(_ judged: JudgedWay, _ palette: Palette) -> Words {
        let words = WayWords(names: names)
        var text: Words = ""
        for hop in judged.hops {
            for tried in hop.tried { text += "    \(tried.words)\n" }
            let cause = hop.rule.map { "rule \($0.nameAndLayer)" } ?? hop.reason?.rawValue ?? "-"
            text += "  \(hop.direction.rawValue) at \(hop.port): \(paint(.init(hop.verdict), palette))  \(cause)"
            text += "\(hop.conditions)"
            text += hop.source.map { "  \($0.fileAndLine)" } ?? ""
            text += hop.rule?.note.map { "  # \($0.words)" } ?? ""
            text += "\n"
        }
        guard let way = judged.way else { return text }
        if judged.hops.isEmpty { text += "  no port of the policy is on the way\n" }
        // Where a port drops it, the rest of the way does not matter.
        if judged.hops.allSatisfy({ $0.verdict == .accept }) { text += "  \(words.end(way.end))\n" }
        for assumption in way.assumptions { text += "  (\(words.assumption(assumption)))\n" }
        return text
    }

    private func paint(_ verdict: Verdict, _ palette: Palette) -> Words {
        switch verdict {
        case .accept: palette.green("\(verdict.rawValue)")
        case .drop, .reject: palette.red("\(verdict.rawValue)")
        case .unknown: palette.yellow("\(verdict.rawValue)")
        }
    }
}

extension Explanation.Hop {
    fileprivate var json: JSON {
        [
            "port": .string(port), "direction": .string(direction.rawValue), "verdict": .string(verdict.rawValue),
            "reason": JSON(reason?.rawValue), "rule": JSON(rule?.name), "layer": JSON(rule?.layer),
            "tag": JSON(rule?.note?.tag), "source": JSON(source?.fileAndLine),
            "comment": JSON(rule?.note?.comment), "meta": rule?.note?.metaJSON ?? nil,
            "limited": .bool(rule?.isLimited ?? false), "dynamic": .bool(rule?.asksMembers ?? false),
            "connections": rule?.connections.map {
                ["max": .integer(Int64($0.maximum)), "per": .string($0.per.rawValue)]
            }
                ?? .null,
            "starts": JSON(rule?.starts?.utc), "expires": JSON(rule?.expires?.utc),
            "tried": .array(tried.map(\.json)),
        ]
    }

    /// The rule's conditions apart from the packet, if it has any.
    fileprivate var conditions: String {
        var words: [String] = []
        if rule?.isLimited == true { words.append(rule?.isOver == true ? "over its limit" : "within its limit") }
        if let connections = rule?.connections { words.append("while it has room: \(connections)") }
        if let fields = rule?.fields, !fields.isEmpty { words.append("by \(fields.joined(separator: ", "))") }
        if rule?.asksTimes == true { words.append("within its times") }
        if rule?.asksMembers == true { words.append("by its dynamic groups now") }
        if let starts = rule?.starts { words.append("since \(starts)") }
        if let expires = rule?.expires { words.append("until \(expires)") }
        return words.isEmpty ? "" : "  (\(words.joined(separator: ", ")))"
    }
}

extension TriedRule {
    fileprivate var json: JSON {
        [
            "rule": .string(rule.name), "layer": JSON(rule.layer), "why": .string(why.rawValue),
            "fields": .array(why == .fields ? rule.fields.map { .string($0) } : []),
        ]
    }

    /// A rule that the packet matched ahead of what decided.
    fileprivate var words: String {
        let rest =
            switch why {
            case .time: "does not match \(moment)"
            case .members: "does not match: an end is not in the dynamic groups that it asks for"
            case .limit:
                rule.isOver
                    ? "does not match: this is within the limit, and it asks for what is over" : "is over its limit"
            case .connections: "does not match: as many of its connections are open as it lets"
            case .fields: "does not match: it asks for another \(rule.fields.joined(separator: " or "))"
            case .logged: "logs the packet"
            case .passed: "passes it on to the next layer"
            }
        return "rule \(rule.nameAndLayer) \(rest)  \(rule.location.fileAndLine)"
    }

    /// When the rule does not match, by all that it asks of the time.
    private var moment: String {
        var words: [String] = []
        if let starts = rule.starts { words.append("before \(starts)") }
        if let expires = rule.expires { words.append("from \(expires) on") }
        if rule.asksTimes { words.append("outside its times") }
        return words.joined(separator: ", or ")
    }
}
