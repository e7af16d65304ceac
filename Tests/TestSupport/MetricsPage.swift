// SPDX-License-Identifier: Apache-2.0

/// A page of metrics, read strictly: by the grammar of OpenMetrics 1.0 and what it demands in words, or by that of the
/// text format 0.0.4. What only others use is refused: exemplars, time stamps, types but counter, gauge and info.
public struct MetricsPage: Sendable {
    public enum Format: Sendable, CaseIterable {
        case openMetrics
        case plain
    }

    public struct Sample: Sendable, Hashable {
        public var name: String
        public var labels: [String: String]
        public var value: Double
    }

    public struct Family: Sendable {
        public var name: String
        public var type: String?
        public var unit: String?
        public var help: String?
        public var samples: [Sample] = []
    }

    /// What is against the format, and in which line.
    public struct Fault: Error, CustomStringConvertible {
        public var description: String
    }

    public private(set) var families: [Family] = []
    private let format: Format
    private var isEnded = false

    public init(_ text: String, _ format: Format) throws {
        self.format = format
        guard text.hasSuffix("\n") else { throw Fault(description: "the last line does not end") }
        for (number, line) in text.dropLast().split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            do {
                try read(String(line))
            } catch let fault as Fault {
                throw Fault(description: "line \(number + 1), '\(line)': \(fault)")
            }
        }
        if format == .openMetrics, !isEnded { throw Fault(description: "there is no # EOF") }
        try checkNames()
    }

    /// The value of the one sample of these labels.
    public func value(_ name: String, _ labels: [String: String] = [:]) -> Double? {
        samples(name).first { $0.labels == labels }?.value
    }

    public func samples(_ name: String) -> [Sample] {
        families.flatMap(\.samples).filter { $0.name == name }
    }

    // MARK: Lines

    private mutating func read(_ line: String) throws {
        guard !isEnded else { throw Fault(description: "something is behind # EOF") }
        if format == .openMetrics, line == "# EOF" {
            isEnded = true
            return
        }
        var cursor = Cursor(line)
        if cursor.skip("# ") {
            try readMetadata(&cursor)
        } else {
            try readSample(&cursor)
        }
    }

    private mutating func readMetadata(_ cursor: inout Cursor) throws {
        let word = try cursor.word()
        let name = try cursor.name(colons: true)
        guard cursor.skip(" ") else { throw Fault(description: "no space behind the name") }
        let rest = cursor.rest
        // In 0.0.4 a family is called as its samples are.
        if families.last?.name != name {
            guard !families.contains(where: { $0.name == name }) else {
                throw Fault(description: "the family was there before: families are not interleaved")
            }
            families.append(Family(name: name))
        }
        let place = families.count - 1
        guard families[place].samples.isEmpty else { throw Fault(description: "metadata behind samples") }
        switch word {
        case "TYPE" where families[place].type == nil:
            guard ["counter", "gauge", "info"].contains(rest), format == .openMetrics || rest != "info" else {
                throw Fault(description: "unknown type")
            }
            families[place].type = rest
        case "UNIT" where families[place].unit == nil && format == .openMetrics:
            guard name.hasSuffix("_" + rest), !rest.isEmpty else {
                throw Fault(description: "the unit is not the end of the name")
            }
            families[place].unit = rest
        case "HELP" where families[place].help == nil:
            var escaped = Cursor(rest)
            families[place].help = try escaped.unescaped(until: nil, quotes: format == .openMetrics)
        default: throw Fault(description: "unknown or second metadata")
        }
    }

    private mutating func readSample(_ cursor: inout Cursor) throws {
        let name = try cursor.name(colons: true)
        let labels = try readLabels(&cursor)
        guard cursor.skip(" ") else { throw Fault(description: "no space before the value") }
        let text = cursor.rest
        guard let value = Double(text), text.allSatisfy({ "0123456789.e+-".contains($0) }) else {
            throw Fault(description: "no number, or more than that")
        }
        guard let family = families.last, let type = family.type, family.help != nil else {
            throw Fault(description: "a sample without type and help")
        }
        let suffix = format == .plain ? "" : ["counter": "_total", "info": "_info"][type] ?? ""
        guard name == family.name + suffix else {
            throw Fault(description: "no sample of \(family.name) is called so")
        }
        if type == "counter", value < 0 || !value.isFinite { throw Fault(description: "no value of a counter") }
        if type == "info", value != 1 || labels.isEmpty { throw Fault(description: "no value of an info") }
        guard !family.samples.contains(where: { $0.labels == labels }) else {
            throw Fault(description: "the series was there before")
        }
        families[families.count - 1].samples.append(Sample(name: name, labels: labels, value: value))
    }

    private func readLabels(_ cursor: inout Cursor) throws -> [String: String] {
        guard cursor.skip("{") else { return [:] }
        var labels: [String: String] = [:]
        repeat {
            let name = try cursor.name(colons: false)
            guard !name.hasPrefix("__") else { throw Fault(description: "a reserved label") }
            guard cursor.skip("=\"") else { throw Fault(description: "no quoted value") }
            let value = try cursor.unescaped(until: "\"", quotes: true)
            guard labels.updateValue(value, forKey: name) == nil else { throw Fault(description: "a label twice") }
        } while cursor.skip(",")
        guard cursor.skip("}") else { throw Fault(description: "the labels do not end") }
        return labels
    }

    /// No two families may have a sample of one name, and a suffix belongs to the sample.
    private func checkNames() throws {
        let names = families.map { family in
            format == .plain ? family.name : family.name + (["counter": "_total", "info": "_info"][family.type] ?? "")
        }
        guard Set(names).count == names.count else { throw Fault(description: "two families clash") }
        for family in families {
            guard let type = family.type, family.help != nil else {
                throw Fault(description: "\(family.name) has no type, or no help")
            }
            let isMarked = family.name.hasSuffix("_total") || family.name.hasSuffix("_info")
            guard isMarked == (format == .plain && (type == "counter" || family.name.hasSuffix("_info"))) else {
                throw Fault(description: "\(family.name): the name does not fit type \(type)")
            }
        }
    }
}

extension [String: String] {
    fileprivate subscript(key: String?) -> String? { key.flatMap { self[$0] } }
}

/// A place in a line.
private struct Cursor {
    private var left: Substring.UnicodeScalarView

    init(_ text: String) { left = Substring(text).unicodeScalars }

    var rest: String { String(left) }

    mutating func skip(_ text: String) -> Bool {
        guard left.starts(with: text.unicodeScalars) else { return false }
        left.removeFirst(text.unicodeScalars.count)
        return true
    }

    mutating func word() throws -> String {
        let word = String(String.UnicodeScalarView(left.prefix { $0 != " " }))
        guard skip(word + " ") else { throw MetricsPage.Fault(description: "no word") }
        return word
    }

    mutating func name(colons: Bool) throws -> String {
        let isStart = { (scalar: Unicode.Scalar) in
            scalar == "_" || scalar == ":" && colons || ("a"..."z").contains(scalar) || ("A"..."Z").contains(scalar)
        }
        guard let first = left.first, isStart(first) else { throw MetricsPage.Fault(description: "no name") }
        let name = left.prefix { isStart($0) || ("0"..."9").contains($0) }
        left.removeFirst(name.count)
        return String(String.UnicodeScalarView(name))
    }

    /// - Parameters:
    ///   - end: Not escaped, it ends the text, and is passed; nil: the line's end does.
    ///   - quotes: Whether `"` is escaped too.
    mutating func unescaped(until end: Unicode.Scalar?, quotes: Bool) throws -> String {
        var result = String.UnicodeScalarView()
        while let scalar = left.popFirst() {
            if scalar == end { return String(result) }
            guard scalar == "\\" else {
                guard scalar != "\r", !(quotes && scalar == "\"") else {
                    throw MetricsPage.Fault(description: "a character that must be escaped")
                }
                result.append(scalar)
                continue
            }
            switch left.popFirst() {
            case "\\": result.append("\\")
            case "n": result.append("\n")
            case "\"" where quotes: result.append("\"")
            default: throw MetricsPage.Fault(description: "an unknown escape")
            }
        }
        guard end == nil else { throw MetricsPage.Fault(description: "the text does not end") }
        return String(result)
    }
}
