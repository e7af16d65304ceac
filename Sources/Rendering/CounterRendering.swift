// SPDX-License-Identifier: Apache-2.0
import Datapath
import Policy

extension Counters {
    package var json: JSON {
        [
            "time": .string(Timestamp(nanoseconds: time).utc), "generation": JSON(generation),
            "ports": .array(ports.map(\.json)),
            "rules": .array(
                rules.map {
                    [
                        "name": .string($0.name), "layer": JSON($0.layer), "packets": JSON($0.count.packets),
                        "bytes": JSON($0.count.bytes),
                    ]
                }),
            "events": events.json, "flows": flows.json,
            "removed": ["accepted": removed.accepted.json, "dropped": removed.dropped.json],
        ]
    }

    package var words: Words {
        var byPort = Table([
            .init("PORT"), .init("DEVICE"), .init("DIR"), .init("ACCEPTED", .right), .init("BYTES", .right),
            .init("DROPPED", .right), .init("BYTES", .right), .init("REASONS"),
        ])
        for count in ports {
            byPort.append([
                count.port.name, count.port.device, count.direction.rawValue, "\(count.accepted.packets)",
                "\(count.accepted.bytes)", "\(count.dropped.packets)", "\(count.dropped.bytes)", count.words,
            ])
        }
        var byRule = Table([.init("RULE"), .init("PACKETS", .right), .init("BYTES", .right)])
        for rule in rules {
            byRule.append([
                "\(rule.layer.map { "\($0): " } ?? "")\(rule.name)", "\(rule.count.packets)", "\(rule.count.bytes)",
            ])
        }
        let totals: [Words] = ["generation \(generation)  \(eventTotals)"] + otherTotals
        return byPort.text + "\n" + byRule.text + "\n" + totals.map { $0 + "\n" }.joined()
    }

    /// What became of the events of drops.
    var eventTotals: Words {
        "events of drops: \(events.emitted) emitted, \(events.suppressed) suppressed, \(events.lost) lost"
    }

    /// A line for each of the other totals.
    var otherTotals: [Words] {
        var lines: [Words] = [
            "flows: \(flows.used) of \(flows.capacity) places used, \(flows.opened) opened, \(flows.refused) refused"
        ]
        if removed.dropped.packets > 0 {
            lines.append("\(removed.dropped.packets) drops were at ports that are not in force any more")
        }
        if events.unjudged > 0 { lines.append("\(events.unjudged) packets met no policy for their device and passed") }
        return lines
    }
}

extension Counters.PortCount {
    /// Why packets were dropped, and how many of the rejected ones got no answer. The number comes first, so that
    /// nobody takes it for that of a rule.
    var words: String {
        let reasons = drops.map { "\($0.packets) by \($0.reason.rawValue)" }.joined(separator: ", ")
        return unanswered == 0 ? reasons : "\(reasons) (\(unanswered) unanswered)"
    }

    fileprivate var json: JSON {
        [
            "name": .string(port.name), "interface": .string(port.interface), "netns": JSON(port.namespace),
            "direction": .string(direction.rawValue), "accepted": accepted.json, "dropped": dropped.json,
            "reasons": JSON(counts: drops), "acceptReasons": JSON(counts: accepts), "unanswered": JSON(unanswered),
        ]
    }
}

extension Count {
    fileprivate var json: JSON { ["packets": JSON(packets), "bytes": JSON(bytes)] }
}

extension Counters.Events {
    fileprivate var json: JSON {
        [
            "emitted": JSON(emitted), "suppressed": JSON(suppressed), "lost": JSON(lost),
            "accepts": [
                "emitted": JSON(acceptsEmitted), "suppressed": JSON(acceptsSuppressed), "lost": JSON(acceptsLost),
            ],
            "unjudged": JSON(unjudged),
        ]
    }
}

extension FlowTotals {
    fileprivate var json: JSON {
        [
            "used": JSON(used), "capacity": JSON(capacity), "opened": JSON(opened), "adopted": JSON(adopted),
            "expired": JSON(expired), "evicted": JSON(evicted), "refused": JSON(refused), "ended": JSON(ended),
        ]
    }
}

extension JSON {
    /// An object of packets by reason.
    fileprivate init(counts: [Counters.ReasonCount]) {
        var fields = Fields()
        for count in counts { fields.append(count.reason.rawValue, JSON(count.packets)) }
        self = .object(fields)
    }
}
