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

        package init(_ title: String, _ alignment: Alignment = .left) {
            self.title = title
            self.alignment = alignment
        }
    }

    private let columns: [Column]
    private var rows: [[String]] = []

    package init(_ columns: [Column]) { self.columns = columns }

    /// A row with a cell for each column.
    package mutating func append(_ cells: [String]) { rows.append(cells.map { Words.escaped($0) }) }

    /// Heading and rows, each line ended. No line ends in spaces.
    package var text: Words {
        let widths = columns.indices.map { index in
            max(columns[index].title.count, rows.map { $0[index].count }.max() ?? 0)
        }
        return Words(lines: ([columns.map(\.title)] + rows).map { line($0, widths) }.joined())
    }

    private func line(_ cells: [String], _ widths: [Int]) -> String {
        var line = ""
        for (index, cell) in cells.enumerated() {
            if index > 0 { line += "  " }
            let fill = String(repeating: " ", count: widths[index] - cell.count)
            line += columns[index].alignment == .left ? cell + fill : fill + cell
        }
        while line.last == " " { line.removeLast() }
        return line + "\n"
    }
}

/// `1 rule`, `2 rules`.
package func counted(_ number: Int, _ noun: String) -> String { number == 1 ? "1 \(noun)" : "\(number) \(noun)s" }
