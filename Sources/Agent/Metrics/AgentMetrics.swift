// SPDX-License-Identifier: Apache-2.0
import Control
import Host
import Rendering
import Server

extension AgentFigures {
    /// - Parameter now: For what is told of readiness.
    func metrics(at now: ContinuousClock.Instant) -> [MetricFamily] {
        [
            MetricFamily("bulkhead_ready", .gauge, MetricValue(unreadiness(at: now) == nil), "What /readyz says."),
            MetricFamily(
                "bulkhead_guests_not_admitted", .gauge, MetricValue(guestsNotAdmitted),
                "Devices of guests that are not admitted, because another guest has what they claim."),
        ] + portMetrics + ownMetrics + reloadMetrics
    }

    private var ports: [LookedPort] {
        if case .ports(let ports) = finding { ports } else { [] }
    }

    private var portMetrics: [MetricFamily] {
        var states = MetricFamily("bulkhead_ports", .gauge, "Ports of the policy in force, by state.")
        for state in ["enforcing", "quarantined", "missing", "unfiltered", "detached"] {
            states.add(MetricValue(ports.count { $0.state.rawValue == state }), ["state": state])
        }
        var flawed = MetricFamily(
            "bulkhead_port_shortcomings", .gauge, isBounded: true,
            "Devices of a port that are not filtered as the policy wants it.")
        var gates = MetricFamily(
            "bulkhead_gate_in_order", .gauge, isBounded: true,
            "Whether the gate of a bridge's entry is as the policy wants it.")
        var uncovered = 0
        var entries: Set<String> = []
        for port in ports {
            flawed.add(MetricValue(port.shortcoming != nil), ["port": port.port.metricName])
            // The ports of an entry have the same list, and the same gate.
            guard entries.insert(port.port.entry).inserted else { continue }
            uncovered += port.uncovered
            if let gate = port.gate {
                gates.add(MetricValue(port.gateProblem == nil), ["port": port.port.entry, "gate": gate.rawValue])
            }
        }
        return [
            states, flawed, gates,
            MetricFamily(
                "bulkhead_uncovered_devices", .gauge, MetricValue(uncovered),
                "Devices that the policy means and that pass unjudged."),
            MetricFamily(
                "bulkhead_programs_ahead", .gauge, MetricValue(ports.reduce(0) { $0 + $1.ahead }),
                "Programs of others that see packets before Bulkhead."),
        ]
    }

    private var ownMetrics: [MetricFamily] {
        var repairs = MetricFamily(
            "bulkhead_agent_repairs", .counter, "What somebody took off or flushed, and the agent put back.")
        repairs.add(.number(repairedPrograms), ["kind": "program"])
        repairs.add(.number(repairedGates), ["kind": "gate"])
        let counters: [(String, UInt64, String)] = [
            ("looks", looks, "Looks at the host."),
            ("looks_failed", failedLooks, "Looks at the host that failed; the log says why."),
            ("bindings", bindings, "How often the agent put a policy in force or bound it to devices again."),
            ("fights_begun", fightsBegun, "Ports that were given up, because what was repaired came undone again."),
            ("events_lost", lostEvents, "Times that the kernel had no room for events of devices."),
        ]
        return [
            repairs,
            MetricFamily(
                "bulkhead_agent_fights", .gauge, MetricValue(fights),
                "Ports that are left to the operator, because somebody undoes what is repaired."),
        ] + counters.map { MetricFamily("bulkhead_agent_\($0)", .counter, .number($1), $2) }
    }

    private var reloadMetrics: [MetricFamily] {
        var reloads = MetricFamily("bulkhead_agent_reloads", .counter, "Times that the policy's file was read.")
        reloads.add(.number(self.reloads), ["result": "ok"])
        reloads.add(.number(failedReloads), ["result": "failed"])
        func time(_ name: String, _ nanoseconds: UInt64, _ help: String) -> MetricFamily {
            MetricFamily(
                "bulkhead_agent_\(name)_timestamp_seconds", .gauge, unit: "seconds", .time(nanoseconds), help)
        }
        return [
            reloads, time("reload_ok", reloadedAt, "When the policy's file was put in force last; 0: never."),
            time("reload_failed", reloadFailedAt, "When the policy's file was refused last; 0: never."),
        ]
    }
}

extension OwnProcess {
    /// The names are the same for all programs.
    var metrics: [MetricFamily] {
        [
            MetricFamily(
                "process_cpu_seconds", .counter, unit: "seconds", .time(processorTime), "Processor time of the agent."),
            MetricFamily(
                "process_resident_memory_bytes", .gauge, unit: "bytes", .number(residentMemory),
                "Memory of the agent that is resident."),
            MetricFamily(
                "process_virtual_memory_bytes", .gauge, unit: "bytes", .number(virtualMemory),
                "Address space of the agent."),
            MetricFamily("process_open_fds", .gauge, MetricValue(openDescriptors), "Descriptors that are open."),
            MetricFamily("process_max_fds", .gauge, .number(descriptorLimit), "The most descriptors that may be open."),
            MetricFamily(
                "process_start_time_seconds", .gauge, unit: "seconds", .time(startTime), "When the agent was started."),
        ]
    }
}

extension ServerFigures {
    var metrics: [MetricFamily] {
        [
            MetricFamily(
                "bulkhead_metrics_connections", .counter, .number(accepted), "Connections of readers of the metrics."),
            MetricFamily(
                "bulkhead_metrics_requests_malformed", .counter, .number(malformed),
                "Requests that could not be read, or were too long."),
            MetricFamily(
                "bulkhead_metrics_connections_late", .counter, .number(late),
                "Connections that were ended because they took too long."),
        ]
    }
}
