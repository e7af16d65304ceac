// SPDX-License-Identifier: Apache-2.0

/// Words of others, made safe in a line for people: nothing in it moves a terminal's cursor, or ends a comment.
enum OneLine {
    /// - Parameter most: About how many bytes are kept.
    static func text(_ text: String, most: Int = 300) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            if result.utf8.count > most { return result + "..." }
            if isPrintable(scalar) { result.unicodeScalars.append(scalar) } else { result += escape(scalar) }
        }
        return result
    }

    static func isPrintable(_ scalar: Unicode.Scalar) -> Bool {
        if scalar.isASCII { return (0x20...0x7e).contains(scalar.value) }
        return switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .unassigned, .privateUse: false
        default: true
        }
    }

    /// As YAML writes it between double quotes.
    static func escape(_ scalar: Unicode.Scalar) -> String {
        let digits = String(scalar.value, radix: 16)
        func padded(_ count: Int) -> String { String(repeating: "0", count: count - digits.count) + digits }
        return digits.count <= 2 ? "\\x" + padded(2) : digits.count <= 4 ? "\\u" + padded(4) : "\\U" + padded(8)
    }
}
