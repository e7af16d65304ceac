// SPDX-License-Identifier: Apache-2.0

/// What a series shows.
package enum MetricValue: Sendable, Hashable {
    case number(UInt64)
    /// Nanoseconds, shown in seconds.
    case time(UInt64)

    package init(_ condition: Bool) { self = .number(condition ? 1 : 0) }

    package init(_ count: Int) { self = .number(UInt64(max(count, 0))) }

    static func + (left: MetricValue, right: MetricValue) -> MetricValue {
        switch (left, right) {
        case (.number(let left), .number(let right)): .number(left &+ right)
        case (.time(let left), .time(let right)), (.time(let left), .number(let right)),
            (.number(let left), .time(let right)):
            .time(left &+ right)
        }
    }
}

/// One metric and its series, in the terms of OpenMetrics 1.0.
package struct MetricFamily: Sendable {
    package enum Kind: String, Sendable, Hashable {
        /// Only grows, until it begins anew.
        case counter
        case gauge
        /// Its series have the value 1; what they tell is in the labels.
        case info
    }

    package struct Series: Sendable, Hashable {
        /// As they are written, with their braces; empty: there are none.
        package var labels: String
        package var value: MetricValue
    }

    /// As many series a family shows. Whoever names ports and rules decides how many there are, and a monitoring system
    /// keeps each for weeks.
    package static let bound = 2000

    /// Without what its kind puts behind it.
    package let name: String
    package let kind: Kind
    /// The end of its name.
    package let unit: String?
    package let help: String
    package private(set) var series: [Series] = []
    /// Series that are beyond the bound.
    package private(set) var omitted = 0
    /// Whether its series have labels, of which there may be too many.
    package let isBounded: Bool
    private var places: [String: Int] = [:]
    private let limit: Int

    package init(
        _ name: String, _ kind: Kind, unit: String? = nil, isBounded: Bool = false, limit: Int = bound, _ help: String
    ) {
        self.name = name
        self.kind = kind
        self.unit = unit
        self.help = help
        self.isBounded = isBounded
        self.limit = limit
    }

    /// A family of one series.
    package init(_ name: String, _ kind: Kind, unit: String? = nil, _ value: MetricValue, _ help: String) {
        self.init(name, kind, unit: unit, help)
        add(value)
    }

    /// Series of the same labels are one, which shows their sum.
    package mutating func add(_ value: MetricValue, _ labels: KeyValuePairs<String, String> = [:]) {
        let text = MetricText.labels(labels)
        if let place = places[text] {
            series[place].value = series[place].value + value
        } else if series.count < limit {
            places[text] = series.count
            series.append(Series(labels: text, value: value))
        } else {
            omitted += 1
        }
    }
}

extension MetricFamily {
    /// The families with one more, which tells how many series of each are left out.
    package static func withOmissions(_ families: [MetricFamily]) -> [MetricFamily] {
        var told = MetricFamily(
            "bulkhead_metrics_series_omitted", .gauge,
            "Series that are not shown, because a family shows \(bound) at most. The first in the policy's order are.")
        for family in families where family.isBounded {
            told.add(MetricValue(family.omitted), ["family": family.name])
        }
        return families + [told]
    }
}
