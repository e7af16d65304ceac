// SPDX-License-Identifier: Apache-2.0
import Datapath
import Policy
import Wire

extension Port {
    /// What the port is called in a label. The devices in another network namespace are called what its owner likes:
    /// those of one entry are one series.
    package var metricName: String { namespace == nil ? name : entry }
}

extension Counters {
    package var metrics: [MetricFamily] { portMetrics + reasonMetrics + ruleMetrics + eventMetrics + flowMetrics }

    private var portMetrics: [MetricFamily] {
        func family(_ name: String, _ unit: String, _ help: String) -> MetricFamily {
            MetricFamily("bulkhead_port_\(name)_\(unit)", .counter, unit: unit, isBounded: true, help)
        }
        var acceptedPackets = family("accepted", "packets", "Packets that were accepted at a port.")
        var acceptedBytes = family("accepted", "bytes", "Bytes of the packets that were accepted at a port.")
        var droppedPackets = family(
            "dropped", "packets", "Packets that were dropped at a port, rejected ones included.")
        var droppedBytes = family("dropped", "bytes", "Bytes of the packets that were dropped at a port.")
        var unanswered = family("unanswered", "packets", "Rejected packets that got no answer.")
        for count in ports {
            let (port, direction) = (count.port.metricName, count.direction.rawValue)
            func add(_ value: UInt64, to family: inout MetricFamily) {
                family.add(.number(value), ["port": port, "direction": direction])
            }
            add(count.accepted.packets, to: &acceptedPackets)
            add(count.accepted.bytes, to: &acceptedBytes)
            add(count.dropped.packets, to: &droppedPackets)
            add(count.dropped.bytes, to: &droppedBytes)
            add(count.unanswered, to: &unanswered)
        }
        return [acceptedPackets, acceptedBytes, droppedPackets, droppedBytes, unanswered] + removedMetrics
    }

    private var removedMetrics: [MetricFamily] {
        [
            MetricFamily(
                "bulkhead_removed_ports_accepted_packets", .counter, unit: "packets", .number(removed.accepted.packets),
                "Packets that were accepted at ports that are not in force any more."),
            MetricFamily(
                "bulkhead_removed_ports_dropped_packets", .counter, unit: "packets", .number(removed.dropped.packets),
                "Packets that were dropped at ports that are not in force any more."),
        ]
    }

    private var reasonMetrics: [MetricFamily] {
        var all = MetricFamily(
            "bulkhead_drop_reason_packets", .counter, unit: "packets",
            "Packets that were dropped at the ports in force, by reason.")
        var byPort = MetricFamily(
            "bulkhead_port_drop_reason_packets", .counter, unit: "packets", isBounded: true,
            "Packets that were dropped at a port, by reason; a reason that dropped none there has no series.")
        var sums: [Direction: [Reason: UInt64]] = [:]
        for count in ports {
            for drop in count.drops {
                sums[count.direction, default: [:]][drop.reason, default: 0] &+= drop.packets
                byPort.add(
                    .number(drop.packets),
                    [
                        "port": count.port.metricName, "direction": count.direction.rawValue,
                        "reason": drop.reason.rawValue,
                    ])
            }
        }
        // All of them, so that the first drop of a kind is a change of something that was there.
        for direction in Direction.allCases {
            for reason in Reason.allCases where reason.isOfDrops {
                all.add(
                    .number(sums[direction]?[reason] ?? 0),
                    ["direction": direction.rawValue, "reason": reason.rawValue])
            }
        }
        return [all, byPort]
    }

    private var ruleMetrics: [MetricFamily] {
        var packets = MetricFamily(
            "bulkhead_rule_packets", .counter, unit: "packets", isBounded: true,
            "Packets that a rule matched, those of its flows included.")
        var bytes = MetricFamily(
            "bulkhead_rule_bytes", .counter, unit: "bytes", isBounded: true, "Bytes of the packets that a rule matched."
        )
        for rule in rules {
            packets.add(.number(rule.count.packets), ["rule": rule.name])
            bytes.add(.number(rule.count.bytes), ["rule": rule.name])
        }
        return [packets, bytes]
    }

    private var eventMetrics: [MetricFamily] {
        var all = MetricFamily(
            "bulkhead_events", .counter,
            "Events of dropped packets, and of accepted ones that are logged: emitted to a reader, suppressed, or lost."
        )
        let outcomes: [(String, String, UInt64)] = [
            ("drop", "emitted", events.emitted), ("drop", "suppressed", events.suppressed),
            ("drop", "lost", events.lost), ("accept", "emitted", events.acceptsEmitted),
            ("accept", "suppressed", events.acceptsSuppressed), ("accept", "lost", events.acceptsLost),
        ]
        for (verdict, outcome, count) in outcomes {
            all.add(.number(count), ["verdict": verdict, "outcome": outcome])
        }
        return [
            all,
            MetricFamily(
                "bulkhead_unjudged_packets", .counter, unit: "packets", .number(events.unjudged),
                "Packets that met no policy for their device, and passed."),
        ]
    }

    private var flowMetrics: [MetricFamily] {
        let counters: [(String, UInt64, String)] = [
            ("opened", flows.opened, "Flows that were opened."),
            ("adopted", flows.adopted, "Connections that were there before the filter and were taken over."),
            ("expired", flows.expired, "Flows that were reclaimed after their timeout."),
            ("evicted", flows.evicted, "Half-open flows that made room for others."),
            ("refused", flows.refused, "New flows that found no room."),
            ("ended", flows.ended, "Flows that a change of the policy ended."),
        ]
        return [
            MetricFamily("bulkhead_flows", .gauge, .number(flows.used), "Places of the flow table that are taken."),
            MetricFamily("bulkhead_flows_max", .gauge, .number(flows.capacity), "Places of the flow table."),
        ] + counters.map { MetricFamily("bulkhead_flows_\($0)", .counter, .number($1), $2) }
    }
}

extension Reason {
    /// Whether packets are dropped for it; they may be accepted for it, too.
    fileprivate var isOfDrops: Bool {
        switch self {
        case .established, .related, .essential, .control, .adopted: false
        default: true
        }
    }
}
