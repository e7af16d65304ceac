// SPDX-License-Identifier: Apache-2.0
import Control
import Host
import Rendering
import Server
import Synchronization

/// What is answered to readers of the metrics. They decide how often they ask, and so not what that costs: the figures
/// are read at most once a second, and at most a fifth of the time.
final class MetricPages: ServerPages {
    /// The figures of one reading, and the texts that were made of them.
    private struct Reading {
        var families: [MetricFamily]
        var until: ContinuousClock.Instant
        var texts: [MetricText: ServerBody] = [:]
    }

    private static let interval = Duration.seconds(1)
    /// How long a reading holds at least, in terms of what it took.
    private static let restShare = 4

    private let controller: Controller
    private let board: AgentBoard
    private let reading = Mutex<Reading?>(nil)

    init(_ controller: Controller, _ board: AgentBoard) {
        self.controller = controller
        self.board = board
    }

    func answer(_ request: ServerRequest, _ server: ServerFigures) -> ServerAnswer {
        let isKnown = ["/metrics", "/healthz", "/readyz", "/"].contains(request.path)
        if isKnown, !request.method.isReading { return .readOnly }
        switch request.path {
        case "/metrics":
            let text = MetricText(accept: request.accept)
            var answer = ServerAnswer(type: text.rawValue, body: body(text, server))
            answer.fields = [("Vary", "Accept")]
            return answer
        case "/healthz": return .line(200, "the agent runs")
        case "/readyz":
            let unreadiness = board.now.unreadiness(at: .now)
            return .line(unreadiness == nil ? 200 : 503, unreadiness ?? "the policy is in force at every port")
        case "/": return .line(200, "Bulkhead's agent: /metrics /healthz /readyz")
        default: return .line(404, "there are /metrics, /healthz and /readyz")
        }
    }

    private func body(_ text: MetricText, _ server: ServerFigures) -> ServerBody {
        reading.withLock { reading in
            let start = ContinuousClock.now
            var current = reading ?? Reading(families: [], until: start)
            if start >= current.until {
                current = Reading(families: families(server), until: start)
                let cost = ContinuousClock.now - start
                current.until = start + max(Self.interval, cost * (1 + Self.restShare))
            }
            if let body = current.texts[text] {
                reading = current
                return body
            }
            let body = ServerBody(text.text(current.families))
            current.texts[text] = body
            reading = current
            return body
        }
    }

    private func families(_ server: ServerFigures) -> [MetricFamily] {
        let start = ContinuousClock.now
        var version = MetricFamily("bulkhead_build", .info, "The version of Bulkhead.")
        version.add(.number(1), ["version": Version.current])
        var families = [version]
        var failed = false
        do {
            let figures = try controller.figures()
            families.append(
                MetricFamily(
                    "bulkhead_policy_in_force", .gauge, MetricValue(figures != nil), "Whether a policy is in force."))
            families += figures?.metrics ?? []
        } catch {
            failed = true
        }
        families += board.now.metrics(at: start) + OwnProcess.now.metrics + server.metrics
        families += [
            MetricFamily(
                "bulkhead_metrics_failed", .gauge, MetricValue(failed),
                "Whether the kernel's counters could not be read this time."),
            MetricFamily(
                "bulkhead_metrics_duration_seconds", .gauge, unit: "seconds",
                .time((ContinuousClock.now - start).nanos),
                "What it took to read all this."),
        ]
        return MetricFamily.withOmissions(families)
    }
}

extension Duration {
    fileprivate var nanos: UInt64 {
        UInt64(max(components.seconds, 0)) * 1_000_000_000 + UInt64(max(components.attoseconds, 0)) / 1_000_000_000
    }
}
