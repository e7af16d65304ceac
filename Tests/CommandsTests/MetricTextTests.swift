// SPDX-License-Identifier: Apache-2.0
import Policy
import TestSupport
import Testing
import Wire

@testable import Datapath
@testable import Rendering

/// Metrics as they are written, read back by a reader that was made from the standard.
@Suite struct MetricTextTests {
    private static let awkward = "a\\b\"c\nd\u{1b}[2J\u{202e}ü{}=,"

    private static func page(_ families: [MetricFamily], _ text: MetricText) throws -> MetricsPage {
        try MetricsPage(text.text(families), text == .openMetrics ? .openMetrics : .plain)
    }

    @Test(arguments: MetricText.allCases) func everyKindIsRead(text: MetricText) throws {
        var counter = MetricFamily("a_bytes", .counter, unit: "bytes", isBounded: true, "Bytes, \"quoted\" \\ \n new.")
        counter.add(.number(5), ["port": Self.awkward, "direction": "in"])
        counter.add(.number(.max), ["port": "b", "direction": "in"])
        var info = MetricFamily("a_build", .info, "Version.")
        info.add(.number(1), ["version": "1.2"])
        let gauge = MetricFamily("a_time_seconds", .gauge, unit: "seconds", .time(1_500_000_001), "Time.")
        let page = try Self.page([counter, info, gauge, MetricFamily("a_none", .gauge, "Not shown.")], text)
        #expect(page.families.count == 3)
        let family = page.families[0]
        #expect(family.help == "Bytes, \"quoted\" \\ \n new.")
        #expect(family.unit == (text == .openMetrics ? "bytes" : nil))
        // What a terminal acts upon is written out before it is quoted.
        let shown = "a\\b\"c\\nd\\x1b[2J\\u{202e}ü{}=,"
        #expect(page.value("a_bytes_total", ["port": shown, "direction": "in"]) == 5)
        #expect(page.value("a_bytes_total", ["port": "b", "direction": "in"]) == Double(UInt64.max))
        #expect(page.value("a_build_info", ["version": "1.2"]) == 1)
        #expect(page.value("a_time_seconds") == 1.500000001)
    }

    /// What the reader must not take, or it would prove nothing.
    @Test(arguments: [
        "# TYPE a gauge\n# HELP a x\na 1\n", "# TYPE a gauge\n# HELP a x\na 1\n# EOF", "# EOF\n\n",
        "# TYPE a gauge\n# HELP a x\na 1\n# EOF\na 2\n", "# TYPE a gauge\n# HELP a x\n\na 1\n# EOF\n",
        "a 1\n# EOF\n", "# TYPE a gauge\n# HELP a x\na 1\na 1\n# EOF\n",
        "# TYPE a counter\n# HELP a x\na 1\n# EOF\n",
        "# TYPE a_total counter\n# HELP a_total x\na_total_total 1\n# EOF\n",
        "# TYPE a counter\n# HELP a x\na_total -1\n# EOF\n", "# TYPE a counter\n# HELP a x\na_total NaN\n# EOF\n",
        "# TYPE a info\n# HELP a x\na_info{b=\"c\"} 2\n# EOF\n",
        "# TYPE a gauge\n# TYPE a gauge\n# HELP a x\na 1\n# EOF\n",
        "# TYPE a gauge\n# UNIT a bytes\n# HELP a x\na 1\n# EOF\n", "# TYPE a gauge\n# HELP a \"x\"\na 1\n# EOF\n",
        "# TYPE a gauge\n# HELP a x\na{b=\"c\",} 1\n# EOF\n", "# TYPE a gauge\n# HELP a x\na{b=\"c\"} 1 \n# EOF\n",
        "# TYPE a gauge\n# HELP a x\na {b=\"c\"} 1\n# EOF\n", "# TYPE a gauge\n# HELP a x\na{b=\"\\x\"} 1\n# EOF\n",
        "# TYPE a gauge\n# HELP a x\na{b=\"c\",b=\"d\"} 1\n# EOF\n",
        "# TYPE a gauge\n# HELP a x\na{1=\"c\"} 1\n# EOF\n",
        "# TYPE a gauge\n# HELP a x\na 1\n# TYPE b gauge\n# HELP b x\nb 1\n# TYPE a gauge\n# EOF\n",
        "# TYPE a gauge\n# HELP a x\na 0x10\n# EOF\n", "# TYPE a gauge\n# HELP a x\na 1\r\n# EOF\n",
        "# TYPE a summary\n# HELP a x\na 1\n# EOF\n", "# TYPE a gauge\na 1\n# EOF\n",
    ])
    func theReaderIsStrict(text: String) {
        #expect(throws: MetricsPage.Fault.self) { try MetricsPage(text, .openMetrics) }
    }

    @Test(arguments: [
        ("", MetricText.plain), ("*/*", .plain), ("text/plain", .plain), ("application/openmetrics-text", .openMetrics),
        (
            "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
                + "text/plain;version=0.0.4;q=0.5,*/*;q=0.1", .openMetrics
        ),
        ("application/openmetrics-text; version=1.0.0; q=0.4, text/plain; q=0.5", .plain),
        ("APPLICATION/OpenMetrics-Text; Version=\"1.0.0\"", .openMetrics),
        ("application/openmetrics-text;version=2.0.0", .plain), ("application/openmetrics-text;q=0", .plain),
        ("application/openmetrics-text;q=x", .plain), (",;,;q=;=", .plain),
    ])
    func theFormatIsNegotiated(accept: String, expected: MetricText) {
        #expect(MetricText(accept: [accept]) == expected)
    }

    // MARK: The bound

    @Test func aFamilyShowsSoManySeriesAndTellsOfTheRest() throws {
        var family = MetricFamily("a", .gauge, isBounded: true, "Many.")
        for number in 0..<MetricFamily.bound + 7 { family.add(.number(1), ["port": "p\(number)"]) }
        // What is there already goes on to be counted.
        family.add(.number(1), ["port": "p0"])
        let page = try Self.page(MetricFamily.withOmissions([family]), .openMetrics)
        #expect(page.samples("a").count == MetricFamily.bound)
        #expect(page.value("a", ["port": "p0"]) == 2)
        #expect(page.value("bulkhead_metrics_series_omitted", ["family": "a"]) == 7)
    }

    /// Names that differ only in what is written out are one series, as it must be, and not a page that nobody takes.
    @Test func namesThatLookTheSameAreOneSeries() throws {
        var family = MetricFamily("a", .counter, isBounded: true, "Some.")
        family.add(.number(1), ["port": "a\u{1b}"])
        family.add(.number(2), ["port": "a\\x1b"])
        #expect(try Self.page([family], .openMetrics).value("a_total", ["port": "a\\x1b"]) == 3)
    }

    // MARK: Counters

    private static func count(_ port: Port, _ direction: Direction, _ packets: UInt64) -> Counters.PortCount {
        Counters.PortCount(
            port: port, direction: direction, accepted: Count(packets: packets, bytes: packets * 100),
            dropped: Count(packets: 3, bytes: 300), drops: [.init(reason: .guardIP, packets: 3)], accepts: [])
    }

    private static func figures(_ ports: [Port], rules: Int = 1) -> InstanceFigures {
        InstanceFigures(
            counters: Counters(
                time: 0, generation: 7,
                ports: ports.flatMap { [count($0, .in, 10), count($0, .out, 20)] }, removed: (Count(), Count()),
                rules: (0..<rules).map { .init(name: "rule-\($0)", count: Count(packets: 1, bytes: 2)) },
                events: .init(
                    emitted: 1, suppressed: 2, lost: 3, acceptsEmitted: 4, acceptsSuppressed: 5, acceptsLost: 6,
                    unjudged: 7), flows: .init(used: 1, capacity: 2, opened: 3, refused: 4)),
            trial: .init(base: 6, until: 1_500_000_000, left: 60_000_000_000),
            groups: [.init(name: "g", members: 1, maximum: 2)])
    }

    @Test(arguments: MetricText.allCases) func aWholePageIsRead(text: MetricText) throws {
        let ports = ["web", "guests/tap\u{7}0"].map { Port(name: $0, interface: "x", protects: .workload) }
        let page = try Self.page(MetricFamily.withOmissions(Self.figures(ports).metrics), text)
        #expect(page.value("bulkhead_port_accepted_bytes_total", ["port": "web", "direction": "out"]) == 2000)
        #expect(
            page.value("bulkhead_port_accepted_bytes_total", ["port": "guests/tap\\x070", "direction": "in"]) == 1000)
        #expect(page.value("bulkhead_drop_reason_packets_total", ["direction": "in", "reason": "guard-ip"]) == 6)
        #expect(page.value("bulkhead_drop_reason_packets_total", ["direction": "in", "reason": "rule"]) == 0)
        #expect(page.value("bulkhead_events_total", ["verdict": "accept", "outcome": "lost"]) == 6)
        #expect(page.value("bulkhead_trial_deadline_timestamp_seconds") == 1.5)
        #expect(page.value("bulkhead_group_members_max", ["group": "g"]) == 2)
    }

    /// The root of a container calls his devices as he likes, and makes as many as he likes.
    @Test func devicesOfAnotherNamespaceAreOneSeries() throws {
        let ports = (0..<5000).map {
            Port(name: "box/evil\($0)", entry: "box", interface: "evil\($0)", namespace: "box", protects: .host)
        }
        let text = MetricText.openMetrics.text(Self.figures(ports).metrics)
        #expect(!text.contains("evil"))
        let page = try MetricsPage(text, .openMetrics)
        #expect(page.samples("bulkhead_port_accepted_packets_total").count == 2)
        #expect(page.value("bulkhead_port_accepted_packets_total", ["port": "box", "direction": "in"]) == 50_000)
    }

    @Test func aMillionRulesAreNoMillionSeries() throws {
        let families = MetricFamily.withOmissions(Self.figures([], rules: 100_000).metrics)
        let page = try Self.page(families, .plain)
        #expect(page.samples("bulkhead_rule_packets_total").count == MetricFamily.bound)
        #expect(page.value("bulkhead_metrics_series_omitted", ["family": "bulkhead_rule_packets"]) == 98_000)
    }
}
