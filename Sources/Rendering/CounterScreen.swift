// SPDX-License-Identifier: Apache-2.0
import Datapath
import Policy

/// The counters as they are watched: with the time, and with what happened each second since the reading before.
package struct CounterScreen {
    /// The terminal's columns and lines; nil if there is no terminal, and all of it is shown.
    private var width: Int?
    private var height: Int?
    /// The reading before. Without one there are no rates.
    private var previous: Counters?

    package init() {}

    /// The next page.
    package mutating func lines(_ counters: Counters, fitting size: (width: Int, height: Int)?) -> [Words] {
        (width, height) = (size?.width, size?.height)
        defer { previous = counters }
        let rates = CounterRates(counters, since: previous)
        let time = Timestamp(nanoseconds: counters.time).localClock.prefix(8)
        let title: Words = "\(time)  generation \(counters.generation)"
        let totals = [counters.eventTotals] + counters.otherTotals
        let room = rooms(ports: counters.ports.count, rules: counters.rules.count, others: 2 + totals.count)
        var lines = [title] + ports(counters, rates, room.ports)
        if room.rules != 0 { lines += [""] + rules(counters, rates, room.rules) }
        return lines.map { $0.cut(to: width) } + [""] + totals.map { $0.cut(to: width) }
    }

    /// How many lines the tables may have for their rows; nil: as many as they want.
    ///
    /// - Parameter others: Lines that are there besides the tables.
    private func rooms(ports: Int, rules: Int, others: Int) -> (ports: Int?, rules: Int?) {
        guard let height else { return (nil, nil) }
        // A heading, and for the rules an empty line before theirs.
        let left = height - others - 1
        guard left - 2 >= 6 else { return (max(left, 1), 0) }
        let forBoth = left - 2
        let forPorts = min(ports, max(forBoth / 2, forBoth - rules))
        return (forPorts, forBoth - forPorts)
    }

    private func ports(_ counters: Counters, _ rates: CounterRates, _ room: Int?) -> [Words] {
        var table = Table([
            .init("PORT"), .init("DEVICE", spare: 2), .init("DIR"), .init("ACCEPTED", .right, spare: 1),
            .init("PACKETS/S", .right), .init("BYTES/S", .right, spare: 3), .init("DROPPED", .right),
            .init("DROPS/S", .right), .init("REASONS"),
        ])
        let (shown, hidden) = busiest(counters.ports, room) { port in
            let rate = rates[port]
            return [rate?.dropped ?? 0, rate?.accepted ?? 0, Double(port.dropped.packets + port.accepted.packets)]
        }
        for port in shown {
            let rate = rates[port]
            table.append([
                port.port.name, port.port.device, port.direction.rawValue, "\(port.accepted.packets)",
                words(rate?.accepted), words(rate?.bytes), "\(port.dropped.packets)", words(rate?.dropped), port.words,
            ])
        }
        return table.lines(fitting: width) + more(hidden, "port and direction", "ports and directions")
    }

    private func rules(_ counters: Counters, _ rates: CounterRates, _ room: Int?) -> [Words] {
        var table = Table([
            .init("RULE"), .init("PACKETS", .right), .init("PACKETS/S", .right), .init("BYTES", .right, spare: 1),
            .init("BYTES/S", .right, spare: 2),
        ])
        let (shown, hidden) = busiest(counters.rules, room) { rule in
            [rates[rule]?.accepted ?? 0, Double(rule.count.packets)]
        }
        for rule in shown {
            let rate = rates[rule]
            table.append([
                rule.name, "\(rule.count.packets)", words(rate?.accepted), "\(rule.count.bytes)", words(rate?.bytes),
            ])
        }
        return table.lines(fitting: width) + more(hidden, "rule", "rules")
    }

    /// Those for which there is room, in their order: those that do most, by `activity`.
    private func busiest<Row>(
        _ rows: [Row], _ room: Int?, activity: (Row) -> [Double]
    ) -> (shown: [Row], hidden: Int) {
        guard let room, rows.count > room else { return (rows, 0) }
        let count = max(room - 1, 0)
        let ranked = rows.enumerated().map { (index: $0, activity: activity($1)) }.sorted { left, right in
            left.activity == right.activity
                ? left.index < right.index : right.activity.lexicographicallyPrecedes(left.activity)
        }
        return (ranked.prefix(count).map(\.index).sorted().map { rows[$0] }, rows.count - count)
    }

    private func more(_ count: Int, _ noun: String, _ nouns: String) -> [Words] {
        count == 0 ? [] : ["... and \(count) more \(count == 1 ? noun : nouns) that do less"]
    }

    /// A rate in four characters or so: `0`, `0.5`, `12`, `3.4k`, `120M`.
    private func words(_ rate: Double?) -> String {
        guard var rate else { return "-" }
        var units = ["", "k", "M", "G", "T"]
        while rate >= 999.5, units.count > 1 {
            rate /= 1000
            units.removeFirst()
        }
        let tenths = Int((rate * 10).rounded())
        return (tenths >= 100 || tenths % 10 == 0 ? "\(Int(rate.rounded()))" : "\(tenths / 10).\(tenths % 10)")
            + units[0]
    }
}

/// What was counted each second between two readings.
struct CounterRates {
    struct Rate {
        /// Packets that were accepted; of a rule, that matched.
        var accepted: Double
        /// All bytes of these.
        var bytes: Double
        var dropped: Double
    }

    private struct Place: Hashable {
        var name: String
        var isIn: Bool
    }

    private var ports: [Place: Counters.PortCount] = [:]
    private var rules: [String: Count] = [:]
    private var seconds = 0.0

    /// - Parameter previous: nil, or one that is not earlier: there are no rates.
    init(_ counters: Counters, since previous: Counters?) {
        guard let previous, counters.time > previous.time else { return }
        seconds = Double(counters.time - previous.time) / 1e9
        for port in previous.ports { ports[Self.place(port)] = port }
        for rule in previous.rules { rules[rule.name] = rule.count }
    }

    private static func place(_ port: Counters.PortCount) -> Place {
        Place(name: port.port.name, isIn: port.direction == .in)
    }

    subscript(port: Counters.PortCount) -> Rate? {
        guard let old = ports[Self.place(port)] else { return nil }
        return Rate(
            accepted: rate(port.accepted.packets, old.accepted.packets),
            bytes: rate(port.accepted.bytes, old.accepted.bytes),
            dropped: rate(port.dropped.packets, old.dropped.packets))
    }

    subscript(rule: Counters.RuleCount) -> Rate? {
        guard let old = rules[rule.name] else { return nil }
        return Rate(
            accepted: rate(rule.count.packets, old.packets), bytes: rate(rule.count.bytes, old.bytes), dropped: 0)
    }

    /// 0 where the counter was set back in between.
    private func rate(_ now: UInt64, _ before: UInt64) -> Double {
        now < before ? 0 : Double(now - before) / seconds
    }
}
