// SPDX-License-Identifier: Apache-2.0
import Datapath

extension InstanceFigures {
    /// What is in force, and its counters.
    package var metrics: [MetricFamily] { policyMetrics + groupMetrics + counters.metrics }

    private var policyMetrics: [MetricFamily] {
        [
            MetricFamily(
                "bulkhead_generation", .gauge, .number(UInt64(counters.generation)),
                "The generation number of the policy in force."),
            MetricFamily(
                "bulkhead_policy_loaded_timestamp_seconds", .gauge, unit: "seconds", .number(loadedAt),
                "When the policy in force was put in force."),
            MetricFamily("bulkhead_rules", .gauge, MetricValue(counters.rules.count), "Rules of the policy in force."),
            MetricFamily(
                "bulkhead_trial", .gauge, MetricValue(trial != nil), "Whether the policy in force is on trial."),
        ]
            + [trial].compactMap { $0 }.map {
                MetricFamily(
                    "bulkhead_trial_deadline_timestamp_seconds", .gauge, unit: "seconds", .time($0.until),
                    "When the trial ends by itself.")
            }
            + [
                MetricFamily(
                    "bulkhead_quarantined_ports", .gauge, MetricValue(quarantined),
                    "Names of ports that are cut off, those included that mean no port now."),
                MetricFamily(
                    "bulkhead_event_readers", .gauge, MetricValue(readers), "Streams of events that are being read."),
                MetricFamily(
                    "bulkhead_kernel_memory_bytes", .gauge, unit: "bytes", MetricValue(memoryBytes),
                    "Kernel memory of the instance's maps."),
            ]
    }

    private var groupMetrics: [MetricFamily] {
        var members = MetricFamily(
            "bulkhead_group_members", .gauge, isBounded: true, "Members of a dynamic group.")
        var most = MetricFamily(
            "bulkhead_group_members_max", .gauge, isBounded: true, "The most members that a dynamic group may have.")
        for group in groups {
            members.add(MetricValue(group.members), ["group": group.name])
            most.add(MetricValue(group.maximum), ["group": group.name])
        }
        return [members, most]
    }
}
