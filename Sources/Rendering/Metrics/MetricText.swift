// SPDX-License-Identifier: Apache-2.0

/// The text formats in which metrics are served.
package enum MetricText: String, Sendable, Hashable, CaseIterable {
    /// OpenMetrics 1.0.
    case openMetrics = "application/openmetrics-text; version=1.0.0; charset=utf-8"
    /// What Prometheus has read ever since.
    case plain = "text/plain; version=0.0.4; charset=utf-8"

    /// The format that a client wants most by its `Accept` fields. Whoever does not ask for OpenMetrics by name gets
    /// the other one.
    package init(accept fields: [String]) {
        var open = 0.0
        var plain = 0.0
        for range in fields.joined(separator: ",").split(separator: ",") {
            let parts = range.split(separator: ";").map { $0.filter { !" \t\"".contains($0) }.lowercased() }
            let parameters = parts.dropFirst()
            let weight = parameters.first { $0.hasPrefix("q=") }.map { Double($0.dropFirst(2)) ?? 0 } ?? 1
            let version = parameters.first { $0.hasPrefix("version=") }?.dropFirst("version=".count)
            switch parts.first {
            case "application/openmetrics-text" where version == nil || version == "1.0.0": open = max(open, weight)
            case "text/plain" where version == nil || version == "0.0.4": plain = max(plain, weight)
            default: break
            }
        }
        self = open > 0 && open >= plain ? .openMetrics : .plain
    }

    package func text(_ families: [MetricFamily]) -> String {
        var text = ""
        for family in families where !family.series.isEmpty { write(family, to: &text) }
        if self == .openMetrics { text += "# EOF\n" }
        return text
    }

    private func write(_ family: MetricFamily, to text: inout String) {
        let sample = family.name + family.kind.suffix
        let help = escaped(family.help)
        switch self {
        case .openMetrics:
            text += "# TYPE \(family.name) \(family.kind.rawValue)\n"
            if let unit = family.unit { text += "# UNIT \(family.name) \(unit)\n" }
            text += "# HELP \(family.name) \(help)\n"
        case .plain:
            text += "# HELP \(sample) \(help)\n"
            text += "# TYPE \(sample) \(family.kind == .counter ? "counter" : "gauge")\n"
        }
        for series in family.series { text += "\(sample)\(series.labels) \(series.value.text)\n" }
    }

    private func escaped(_ help: String) -> String {
        let text = help.replacing("\\", with: "\\\\").replacing("\n", with: "\\n")
        return self == .openMetrics ? text.replacing("\"", with: "\\\"") : text
    }

    /// `{name="value",...}`; empty if there are none. What a terminal would act upon is written out, because people
    /// read metrics too.
    static func labels(_ labels: KeyValuePairs<String, String>) -> String {
        guard !labels.isEmpty else { return "" }
        var text = "{"
        for (name, value) in labels {
            if text.utf8.count > 1 { text += "," }
            text += name
            text += "=\""
            text += quoted(Words.escaped(value))
            text += "\""
        }
        return text + "}"
    }

    private static func quoted(_ value: String) -> String {
        guard value.utf8.contains(where: { $0 == UInt8(ascii: "\\") || $0 == UInt8(ascii: "\"") }) else { return value }
        return value.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"")
    }
}

extension MetricFamily.Kind {
    /// What the names of samples have behind the family's.
    fileprivate var suffix: String {
        switch self {
        case .counter: "_total"
        case .gauge: ""
        case .info: "_info"
        }
    }
}

extension MetricValue {
    fileprivate var text: String {
        switch self {
        case .number(let number): return "\(number)"
        case .time(let nanoseconds):
            let (seconds, rest) = nanoseconds.quotientAndRemainder(dividingBy: 1_000_000_000)
            guard rest > 0 else { return "\(seconds)" }
            let digits = "\(rest)"
            let fraction = String(repeating: "0", count: 9 - digits.count) + digits
            return "\(seconds).\(fraction)"
        }
    }
}
