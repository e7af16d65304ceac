// SPDX-License-Identifier: Apache-2.0
import Control
import Policy
import Rendering
import TestSupport
import Testing

@testable import Agent

/// What /readyz says, and the agent's own metrics.
@Suite struct ReadinessTests {
    private static let now = ContinuousClock.now

    private static func port(_ name: String, _ protects: Protects = .workload) -> Port {
        Port(name: name, interface: "tap0", protects: protects)
    }

    private static func figures(_ ports: [LookedPort], age: Int = 1) -> AgentFigures {
        var figures = AgentFigures()
        figures.finding = .ports(ports)
        figures.lookedAt = now - .seconds(age)
        return figures
    }

    @Test func whatIsEnforcedIsReady() {
        let ports = [
            LookedPort(port: Self.port("a"), state: .enforcing), LookedPort(port: Self.port("b"), state: .quarantined),
            // Its guest is switched off.
            LookedPort(port: Self.port("c"), state: .missing),
        ]
        #expect(Self.figures(ports).unreadiness(at: Self.now) == nil)
        #expect(Self.figures([]).unreadiness(at: Self.now) == nil)
    }

    @Test func whatIsNotIsNamed() {
        let enforced = LookedPort(port: Self.port("a"), state: .enforcing)
        let rows: [(LookedPort, String)] = [
            (LookedPort(port: Self.port("b", .host), state: .missing), "port 'b' is missing"),
            (LookedPort(port: Self.port("b"), state: .missing, isAsIntended: false), "port 'b' is missing"),
            (LookedPort(port: Self.port("b"), state: .unfiltered, isAsIntended: false), "port 'b' is unfiltered"),
            (LookedPort(port: Self.port("b"), state: .detached, isAsIntended: false), "port 'b' is detached"),
            (LookedPort(port: Self.port("b"), state: .enforcing, isAsIntended: false), "port 'b' is enforcing"),
            (LookedPort(port: Self.port("b"), state: .enforcing, uncovered: 2), "devices that pass unjudged"),
            (LookedPort(port: Self.port("b"), state: .enforcing, gateProblem: "x"), "a gate that is not"),
            (
                LookedPort(port: Self.port("b\n\u{1b}"), state: .unfiltered, isAsIntended: false),
                "port 'b\\n\\x1b' is unfiltered"
            ),
        ]
        for (port, words) in rows {
            let told = Self.figures([enforced, port]).unreadiness(at: Self.now)
            #expect(told?.contains(words) == true, "\(told ?? "nothing") is not \(words)")
            let more = Self.figures([port, enforced, port, port]).unreadiness(at: Self.now)
            #expect(more?.hasSuffix(", and 2 more") == true)
        }
    }

    /// An agent that hangs must not say what was so once.
    @Test func whatIsOldIsNotReady() {
        #expect(AgentFigures().unreadiness(at: Self.now)?.contains("has not looked") == true)
        #expect(Self.figures([], age: 31).unreadiness(at: Self.now)?.contains("for 30 seconds") == true)
        var none = AgentFigures()
        none.finding = .noPolicy
        #expect(none.unreadiness(at: Self.now) == "no policy is in force")
    }

    @Test func theAgentsOwnMetricsAreRead() throws {
        var figures = Self.figures([
            LookedPort(port: Self.port("guests/a"), state: .enforcing, gate: .nft, uncovered: 3, ahead: 1),
            LookedPort(
                port: Self.port("b", .host), state: .unfiltered, isAsIntended: false, gate: .vlan, gateProblem: "x"),
        ])
        figures.repairedGates = 2
        figures.fights = 1
        figures.reloadFailedAt = 5_000_000_000
        let page = try MetricsPage(
            MetricText.openMetrics.text(MetricFamily.withOmissions(figures.metrics(at: Self.now))), .openMetrics)
        #expect(page.value("bulkhead_ready") == 0)
        #expect(page.value("bulkhead_ports", ["state": "enforcing"]) == 1)
        #expect(page.value("bulkhead_ports", ["state": "missing"]) == 0)
        #expect(page.value("bulkhead_port_shortcomings", ["port": "b"]) == 1)
        #expect(page.value("bulkhead_gate_in_order", ["port": "guests/a", "gate": "nft"]) == 1)
        #expect(page.value("bulkhead_gate_in_order", ["port": "b", "gate": "vlan"]) == 0)
        #expect(page.value("bulkhead_uncovered_devices") == 3)
        #expect(page.value("bulkhead_programs_ahead") == 1)
        #expect(page.value("bulkhead_agent_repairs_total", ["kind": "gate"]) == 2)
        #expect(page.value("bulkhead_agent_fights") == 1)
        #expect(page.value("bulkhead_agent_reload_failed_timestamp_seconds") == 5)
    }
}
