// SPDX-License-Identifier: Apache-2.0
import Foundation

/// All that was measured.
struct Report: Encodable {
    struct Row: Encodable {
        var section: String
        /// What is filtered: a rule set, a kind of traffic.
        var subject: String
        var rules: Int?
        var filter: String
        var hook: String
        /// The median of all rounds.
        var value: Double?
        var unit: String
        /// Against what `against` names, round by round; the median.
        var ratio: Double?
        var against: String?
        var note: String?
    }

    struct Target: Encodable {
        var id: Int
        var target: String
        /// nil: not measured in this run.
        var measured: String?
        var held: Bool?
    }

    var kernel = ""
    var processors = 0
    var short = false
    var targets = Report.targetList
    var rows: [Row] = []

    /// - Parameter held: nil where the target is for people to compare.
    mutating func conclude(_ id: Int, measured: String, held: Bool?) {
        guard let index = targets.firstIndex(where: { $0.id == id }) else { return }
        targets[index].measured = measured
        targets[index].held = held
    }

    private static let targetList = [
        Target(
            id: 1, target: "drop at XDP, in turn: +51 ns above a bare program (acl1, ipc1), +67 (fw1); 100k rules +77"),
        Target(id: 2, target: "flat: ns above an empty program, 100k rules / 100 rules, at most 1.4"),
        Target(id: 3, target: "6x nft's best form and 500x its linear form at 10k"),
        Target(id: 4, target: "at the tc hook: 0.9 of nft's empty netdev chain"),
        Target(
            id: 5,
            target: "a guest's bulk TCP, request/response, connections: 0.97 of no filter; p99 at most 10 us more"),
        Target(id: 6, target: "SYN flood of ten times the flow table: every established flow kept, goodput 0.95"),
        Target(
            id: 7,
            target: "full replacement of a 10k policy 6x faster than nft -f; no mixture; throughput during swaps 0.97"),
        Target(
            id: 8, target: "events for every packet: throughput 0.95 of events off; the three counts add up exactly"),
        Target(id: 9, target: "cost per port flat from 1 to 1,000 ports: 1.2"),
        Target(id: 10, target: "drop at XDP, random sources: 1 target 0.45 to 0.55, 64 targets 0.35 to 0.45"),
        Target(
            id: 11,
            target: "established flows at tc, 8,192 of them: +80 ns above a bare program for UDP, +110 for TCP"),
        Target(id: 12, target: "one rule of 10,000 in force in 15 ms, of 100,000 in 200 ms"),
        Target(id: 13, target: "500 ports attached, and detached, in 1 s, 1,000 in 2 s"),
    ]
}

extension Report.Target {
    private enum Key: String, CodingKey { case id, target, measured, held }

    /// What was not measured is null, not left out.
    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Key.self)
        try container.encode(id, forKey: .id)
        try container.encode(target, forKey: .target)
        try container.encode(measured, forKey: .measured)
        try container.encode(held, forKey: .held)
    }
}

extension Report {
    /// One document.
    func json() throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(self), as: UTF8.self)
    }

    /// For people.
    func table() -> String {
        var text = ""
        for section in Report.inOrder(rows.map(\.section)) {
            text += "\n\(section)\n"
            text += Report.columns(rows.filter { $0.section == section }.map(Report.cells))
        }
        text += "\nTargets\n"
        text += Report.columns(
            targets.map { target in
                let word = target.held.map { $0 ? "held" : "missed" } ?? "-"
                return ["\(target.id)", target.target, target.measured ?? "not measured", word]
            })
        return text
    }

    private static func cells(_ row: Row) -> [String] {
        let ratio = row.ratio.map { number($0) + " of " + (row.against ?? "") } ?? ""
        return [
            row.subject, row.rules.map { "\($0) rules" } ?? "", row.filter, row.hook,
            row.value.map { number($0) + " " + row.unit } ?? "-", ratio, row.note ?? "",
        ]
    }

    /// Three digits that count.
    static func number(_ value: Double) -> String {
        let digits = value == 0 ? 0 : max(0, 2 - Int(log10(abs(value)).rounded(.down)))
        return String(format: "%.\(digits)f", value)
    }

    private static func columns(_ lines: [[String]]) -> String {
        let widths = (0..<(lines.first?.count ?? 0)).map { column in lines.map { $0[column].count }.max() ?? 0 }
        return lines.map { line in
            let cells = zip(line, widths).map { $0.padding(toLength: $1, withPad: " ", startingAt: 0) }
            var text = "  " + cells.joined(separator: "  ")
            while text.last == " " { text.removeLast() }
            return text + "\n"
        }.joined()
    }

    private static func inOrder(_ names: [String]) -> [String] {
        var seen: Set<String> = []
        return names.filter { seen.insert($0).inserted }
    }
}

extension Array where Element == Double {
    var median: Double {
        let sorted = sorted()
        if sorted.isEmpty { return .nan }
        return count % 2 == 1 ? sorted[count / 2] : (sorted[count / 2 - 1] + sorted[count / 2]) / 2
    }
}
