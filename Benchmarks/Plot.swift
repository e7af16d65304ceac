// SPDX-License-Identifier: Apache-2.0
import Foundation

/// Cost against the number of rules, both on logarithmic scales, as an SVG.
struct Plot {
    private struct Series {
        var name: String
        var points: [(rules: Double, cost: Double)]
    }

    private let series: [Series]
    private static let colours = ["#0b6", "#07c", "#c40", "#a3a", "#888", "#b80", "#055"]
    private let width = 720.0, height = 440.0, left = 70.0, right = 190.0, top = 20.0, bottom = 50.0

    /// Of a section of a report: each filter's cost at each size of the made-up set.
    init(_ report: Report, section: String) {
        var found: [Series] = []
        for row in report.rows where row.section == section && row.subject == "synthetic" {
            guard let rules = row.rules, let value = row.value else { continue }
            let name = row.filter == "bulkhead" ? "bulkhead, \(row.hook)" : row.filter
            let point = (rules: Double(rules), cost: 1000 / value)
            if let index = found.firstIndex(where: { $0.name == name }) {
                found[index].points.append(point)
            } else {
                found.append(Series(name: name, points: [point]))
            }
        }
        series = found.map { Series(name: $0.name, points: $0.points.sorted { $0.rules < $1.rules }) }
    }

    var svg: String {
        var lines = [
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 \(Int(width)) \(Int(height))\" "
                + "font-family=\"sans-serif\" font-size=\"12\">",
            "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>",
        ]
        for power in 2...5 {
            let x = horizontal(exp10(power))
            lines.append(line(x, top, x, height - bottom, "#ddd"))
            lines.append(text(x, height - bottom + 18, grouped(power), "middle"))
        }
        for power in 2...6 {
            let y = vertical(exp10(power))
            lines.append(line(left, y, width - right, y, "#ddd"))
            lines.append(text(left - 8, y + 4, grouped(power), "end"))
        }
        lines.append(text((left + width - right) / 2, height - 12, "rules", "middle"))
        lines.append(
            "<text transform=\"translate(16 \(height / 2)) rotate(-90)\" text-anchor=\"middle\">"
                + "ns a packet, its sending included</text>")
        for (index, one) in series.enumerated() { lines += draw(one, number: index) }
        return (lines + ["</svg>"]).joined(separator: "\n") + "\n"
    }

    private func draw(_ series: Series, number: Int) -> [String] {
        let colour = Plot.colours[number % Plot.colours.count]
        let points = series.points.map { (horizontal($0.rules), vertical($0.cost)) }
        let path = points.map { "\(round($0.0)),\(round($0.1))" }.joined(separator: " ")
        let y = top + 16 + Double(number) * 18
        return [
            "<polyline points=\"\(path)\" fill=\"none\" stroke=\"\(colour)\" stroke-width=\"2\"/>",
            points.map { "<circle cx=\"\(round($0.0))\" cy=\"\(round($0.1))\" r=\"3\" fill=\"\(colour)\"/>" }.joined(),
            line(width - right + 14, y - 4, width - right + 34, y - 4, colour),
            text(width - right + 40, y, series.name, "start"),
        ]
    }

    private func horizontal(_ rules: Double) -> Double {
        left + (log10(rules) - 2) / 3 * (width - left - right)
    }

    private func vertical(_ cost: Double) -> Double {
        height - bottom - (log10(cost) - 2) / 4 * (height - top - bottom)
    }

    private func grouped(_ power: Int) -> String { ["100", "1,000", "10,000", "100,000", "1,000,000"][power - 2] }

    private func exp10(_ power: Int) -> Double { (0..<power).reduce(1) { value, _ in value * 10 } }

    private func round(_ value: Double) -> Double { (value * 10).rounded() / 10 }

    private func line(_ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double, _ colour: String) -> String {
        "<line x1=\"\(round(x1))\" y1=\"\(round(y1))\" x2=\"\(round(x2))\" y2=\"\(round(y2))\" stroke=\"\(colour)\"/>"
    }

    private func text(_ x: Double, _ y: Double, _ text: String, _ anchor: String) -> String {
        "<text x=\"\(round(x))\" y=\"\(round(y))\" text-anchor=\"\(anchor)\">\(text)</text>"
    }
}
