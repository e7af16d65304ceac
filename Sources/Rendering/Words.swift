// SPDX-License-Identifier: Apache-2.0

/// Text for people. Its parts are written by others: comments and names in policies, lines of feeds, names of files,
/// devices and network namespaces. So whatever is interpolated is escaped, and can neither control a terminal nor look
/// like a line of its own. Literals are ours and stay as they are. Only this and ``JSON`` go to standard output and
/// standard error.
package struct Words: Sendable, Hashable {
    package let text: String

    fileprivate init(safe text: String) { self.text = text }

    /// Text of several lines, escaped except for tabs and the ends of lines.
    package init(lines text: String) {
        self.text = Words.escaped(text) { $0 == "\n" || $0 == "\t" }
    }

    /// Another's text as it is: only for programs that read it, never for a terminal.
    package init(verbatim text: String) { self.text = text }

    package static func + (left: Words, right: Words) -> Words { Words(safe: left.text + right.text) }

    package static func += (left: inout Words, right: Words) { left = left + right }

    /// Text in which everything that a terminal would act upon, or that changes the direction of text, is written out:
    /// `\n`, `\x1b`, `\u{202e}`.
    package static func escaped(_ text: String, except isKept: (Unicode.Scalar) -> Bool = { _ in false }) -> String {
        guard !text.utf8.allSatisfy({ (0x20..<0x7f).contains($0) }) else { return text }
        var result = ""
        for scalar in text.unicodeScalars {
            if scalar.isPrintable || isKept(scalar) {
                result.unicodeScalars.append(scalar)
            } else {
                result += escape(scalar)
            }
        }
        return result
    }

    private static func escape(_ scalar: Unicode.Scalar) -> String {
        switch scalar {
        case "\n": return "\\n"
        case "\r": return "\\r"
        case "\t": return "\\t"
        default:
            let digits = String(scalar.value, radix: 16)
            return scalar.value < 0x80 ? "\\x" + (digits.count < 2 ? "0" : "") + digits : "\\u{\(digits)}"
        }
    }
}

extension Words: ExpressibleByStringInterpolation {
    package struct StringInterpolation: StringInterpolationProtocol {
        fileprivate var text = ""

        package init(literalCapacity: Int, interpolationCount: Int) { text.reserveCapacity(literalCapacity) }

        package mutating func appendLiteral(_ literal: String) { text += literal }

        package mutating func appendInterpolation(_ words: Words) { text += words.text }

        package mutating func appendInterpolation<Value>(_ value: Value) {
            text += Words.escaped(String(describing: value))
        }
    }

    package init(stringLiteral value: String) { self.init(safe: value) }

    package init(stringInterpolation: StringInterpolation) { self.init(safe: stringInterpolation.text) }
}

extension Words: CustomStringConvertible {
    package var description: String { text }
}

extension Sequence<Words> {
    package func joined(separator: Words = "") -> Words {
        Words(safe: map(\.text).joined(separator: separator.text))
    }
}

extension Unicode.Scalar {
    /// false for controls (C0, DEL, C1), for format characters (marks of direction among them), and for separators of
    /// lines and paragraphs.
    package var isPrintable: Bool {
        switch properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate: false
        default: true
        }
    }
}
