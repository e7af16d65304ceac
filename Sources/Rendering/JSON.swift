// SPDX-License-Identifier: Apache-2.0

/// A JSON value whose objects keep the order in which their fields were written.
package enum JSON: Sendable, Equatable {
    case null
    case bool(Bool)
    case integer(Int64)
    case counter(UInt64)
    case decimal(Double)
    case string(String)
    case array([JSON])
    case object(Fields)

    /// The fields of an object, in order.
    package struct Fields: Sendable, Equatable {
        package private(set) var names: [String] = []
        package private(set) var values: [JSON] = []

        package init() {}

        package mutating func append(_ name: String, _ value: JSON) {
            names.append(name)
            values.append(value)
        }
    }
}

extension JSON {
    package init(_ text: String?) { self = text.map(JSON.string) ?? .null }
    package init(_ number: some FixedWidthInteger & SignedInteger) { self = .integer(Int64(clamping: number)) }
    package init(_ number: some FixedWidthInteger & UnsignedInteger) { self = .counter(UInt64(clamping: number)) }

    /// The number if there is one, else null.
    package init(optional number: (some FixedWidthInteger & UnsignedInteger)?) {
        if let number { self.init(number) } else { self = .null }
    }

    /// `names` as an array of strings.
    package init(_ names: [String]) { self = .array(names.map(JSON.string)) }
}

extension JSON: ExpressibleByDictionaryLiteral, ExpressibleByArrayLiteral, ExpressibleByNilLiteral {
    package init(dictionaryLiteral elements: (String, JSON)...) {
        var fields = Fields()
        for (name, value) in elements { fields.append(name, value) }
        self = .object(fields)
    }

    package init(arrayLiteral elements: JSON...) { self = .array(elements) }

    package init(nilLiteral: ()) { self = .null }
}

extension JSON: ExpressibleByStringLiteral, ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral {
    package init(stringLiteral value: String) { self = .string(value) }
    package init(booleanLiteral value: Bool) { self = .bool(value) }
    package init(integerLiteral value: Int64) { self = .integer(value) }
}

extension JSON: CustomStringConvertible {
    /// The value as JSON text on one line.
    package var description: String {
        var text = ""
        write(to: &text)
        return text
    }

    private func write(to text: inout String) {
        switch self {
        case .null: text += "null"
        case .bool(let value): text += value ? "true" : "false"
        case .integer(let value): text += "\(value)"
        case .counter(let value): text += "\(value)"
        case .decimal(let value): text += JSON.decimalText(value)
        case .string(let value): JSON.write(value, to: &text)
        case .array(let values):
            text += "["
            for (index, value) in values.enumerated() {
                if index > 0 { text += ", " }
                value.write(to: &text)
            }
            text += "]"
        case .object(let fields):
            text += "{"
            for (index, name) in fields.names.enumerated() {
                if index > 0 { text += ", " }
                JSON.write(name, to: &text)
                text += ": "
                fields.values[index].write(to: &text)
            }
            text += "}"
        }
    }

    /// At most three decimal places: what a duration in milliseconds needs.
    private static func decimalText(_ value: Double) -> String {
        guard value.isFinite, value.magnitude < 1e15 else { return "null" }
        return "\((value * 1000).rounded() / 1000)"
    }

    private static func write(_ value: String, to text: inout String) {
        text += "\""
        for scalar in value.unicodeScalars {
            switch scalar {
            case "\"": text += "\\\""
            case "\\": text += "\\\\"
            case "\n": text += "\\n"
            case "\r": text += "\\r"
            case "\t": text += "\\t"
            case _ where scalar.isPrintable: text.unicodeScalars.append(scalar)
            // JSON requires it only below U+0020, but a terminal acts upon others too.
            default:
                for unit in String(scalar).utf16 {
                    let digits = String(unit, radix: 16)
                    text += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
                }
            }
        }
        text += "\""
    }
}
