// SPDX-License-Identifier: Apache-2.0

/// A value of a policy's text, written in one line where it fits.
enum YAMLValue: Sendable, Hashable {
    case word(String)
    /// A text for people, always in quotes.
    case text(String)
    case list([YAMLValue])
    case map([YAMLField])

    static func map(_ fields: KeyValuePairs<String, YAMLValue?>) -> YAMLValue {
        .map(fields.compactMap { key, value in value.map { YAMLField(key: key, value: $0) } })
    }

    /// A list, or its only member.
    static func one(of words: [String]) -> YAMLValue {
        words.count == 1 ? .word(words[0]) : .list(words.map(YAMLValue.word))
    }

    /// The text, with line ends where a line would be too long, followed by `indent` spaces.
    func text(indent: Int, from column: Int) -> String {
        var lines = YAMLLines(indent: indent, column: column)
        lines.add(self)
        return lines.text
    }
}

/// A key of a mapping, and its value.
struct YAMLField: Sendable, Hashable {
    var key: String
    var value: YAMLValue
}

/// Writes values in flow style, and breaks lines after commas.
private struct YAMLLines {
    private static let width = 116

    let indent: Int
    var column: Int
    var text = ""

    init(indent: Int, column: Int) {
        self.indent = indent
        self.column = column
    }

    mutating func add(_ value: YAMLValue) {
        switch value {
        case .word(let word): put(YAMLText.word(word))
        case .text(let words): put(YAMLText.quoted(words))
        case .list(let items):
            put("[")
            for (index, item) in items.enumerated() {
                if index > 0 { separate(item) }
                add(item)
            }
            put("]")
        case .map(let fields):
            put(fields.isEmpty ? "{" : "{ ")
            for (index, field) in fields.enumerated() {
                if index > 0 { separate(field.value, field.key.utf8.count + 2) }
                put("\(field.key): ")
                add(field.value)
            }
            put(fields.isEmpty ? "}" : " }")
        }
    }

    private mutating func put(_ words: String) {
        text += words
        column += words.utf8.count
    }

    private mutating func separate(_ next: YAMLValue, _ key: Int = 0) {
        text += ","
        column += 1
        if column + key + next.width > YAMLLines.width {
            text += "\n" + String(repeating: " ", count: indent)
            column = indent
        } else {
            text += " "
            column += 1
        }
    }
}

extension YAMLValue {
    /// About how many columns it takes.
    fileprivate var width: Int {
        switch self {
        case .word(let word): YAMLText.word(word).utf8.count + 3
        case .text(let words): words.utf8.count + 4
        // A long list is broken inside.
        case .list(let items): min(items.reduce(2) { $0 + $1.width }, 60)
        case .map(let fields): min(fields.reduce(4) { $0 + $1.key.utf8.count + 2 + $1.value.width }, 60)
        }
    }
}

/// Words of others, made safe in the text of a policy.
enum YAMLText {
    /// As it is if nothing in it means something to YAML, else in quotes.
    static func word(_ word: String) -> String {
        let isPlain =
            !word.isEmpty
            && word.utf8.allSatisfy { byte in
                (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
                    || (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte)
                    || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || "._/-".utf8.contains(byte)
            }
        return isPlain && !word.hasPrefix("-") ? word : quoted(word)
    }

    /// In double quotes, with everything written out that is not printable.
    static func quoted(_ text: String) -> String {
        let isPlain = text.utf8.allSatisfy { byte in
            (0x20...0x7e).contains(byte) && byte != UInt8(ascii: "\"") && byte != UInt8(ascii: "\\")
        }
        if isPlain { return "\"\(text)\"" }
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\t": result += "\\t"
            case _ where OneLine.isPrintable(scalar): result.unicodeScalars.append(scalar)
            default: result += OneLine.escape(scalar)
            }
        }
        return result + "\""
    }
}
