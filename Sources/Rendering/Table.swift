// SPDX-License-Identifier: Apache-2.0

/// Columns for people, as wide as their widest cell, two spaces apart.
package struct Table {
    package enum Alignment {
        case left
        case right
    }

    package struct Column {
        package var title: String
        package var alignment: Alignment
        /// Where the columns are wider than they may be, those with the highest number are left out first; 0: never.
        package var spare: Int

        package init(_ title: String, _ alignment: Alignment = .left, spare: Int = 0) {
            self.title = title
            self.alignment = alignment
            self.spare = spare
        }
    }

    private let columns: [Column]
    private var rows: [[String]] = []

    package init(_ columns: [Column]) { self.columns = columns }

    /// A row with a cell for each column.
    package mutating func append(_ cells: [String]) { rows.append(cells.map { Words.escaped($0) }) }

    /// Heading and rows, each line ended. No line ends in spaces.
    package var text: Words { lines().map { $0 + "\n" }.joined() }

    /// Heading and rows.
    ///
    /// - Parameter width: The most characters of a line: columns that can be spared are left out, then lines are cut.
    package func lines(fitting width: Int? = nil) -> [Words] {
        let widths = columns.indices.map { index in
            max(columns[index].title.count, rows.map { $0[index].count }.max() ?? 0)
        }
        let shown = shownColumns(widths, fitting: width)
        return ([columns.map(\.title)] + rows).map { Words(lines: line($0, widths, shown)).cut(to: width) }
    }

    private func shownColumns(_ widths: [Int], fitting width: Int?) -> [Int] {
        var shown = Array(columns.indices)
        guard let width else { return shown }
        while shown.reduce(2 * (shown.count - 1), { $0 + widths[$1] }) > width,
            let spare = shown.filter({ columns[$0].spare > 0 }).max(by: { columns[$0].spare < columns[$1].spare })
        {
            shown.removeAll { $0 == spare }
        }
        return shown
    }

    private func line(_ cells: [String], _ widths: [Int], _ shown: [Int]) -> String {
        var line = ""
        for (place, index) in shown.enumerated() {
            if place > 0 { line += "  " }
            let fill = String(repeating: " ", count: widths[index] - cells[index].count)
            line += columns[index].alignment == .left ? cells[index] + fill : fill + cells[index]
        }
        while line.last == " " { line.removeLast() }
        return line
    }
}

extension Words {
    /// The first characters of a line, where it is longer than it may be, and a sign that there was more.
    package func cut(to width: Int?) -> Words {
        guard let width, text.count > width else { return self }
        return Words(lines: text.prefix(max(width - 1, 0)) + "\u{2026}")
    }
}

/// `1 rule`, `2 rules`.
package func counted(_ number: Int, _ noun: String) -> String { number == 1 ? "1 \(noun)" : "\(number) \(noun)s" }
