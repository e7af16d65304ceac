// SPDX-License-Identifier: Apache-2.0
import Wire

/// The kinds of values that keys ask for, as JSON Schema has them.
///
/// A policy's values are text, whatever YAML takes them for: editors read `22` as a number and `on`, in old YAML, as a
/// truth value. So a shape takes what such a reader makes of a good value.
enum SchemaShapes {
    static let anything = SchemaValue.map([])

    static func reference(_ name: String) -> SchemaValue { .map(["$ref": .text("#/$defs/\(name)")]) }

    static func words(_ words: [String]) -> SchemaValue { .map(["enum": .texts(words)]) }

    static func words<Word: RawRepresentable & CaseIterable>(_ type: Word.Type) -> SchemaValue
    where Word.RawValue == String { words(type.allCases.map(\.rawValue)) }

    static func any(_ shapes: [SchemaValue]) -> SchemaValue { .map(["anyOf": .list(shapes)]) }

    /// One value, or a list of at least one.
    static func oneOrMore(_ shape: SchemaValue, least: Int = 1) -> SchemaValue {
        any([shape, .map(["type": .text("array"), "minItems": least > 0 ? .number(least) : nil, "items": shape])])
    }

    static func pattern(_ pattern: String) -> SchemaValue {
        .map(["type": .text("string"), "pattern": .text("^(\(pattern))$")])
    }

    /// A whole number, quoted or not.
    static func number(_ range: ClosedRange<Int>) -> SchemaValue {
        any([
            .map([
                "type": .text("integer"), "minimum": .number(range.lowerBound), "maximum": .number(range.upperBound),
            ]), pattern("[0-9]+"),
        ])
    }

    /// A word such as `ssh`, `22` or `tcp/22`.
    static func scalar(_ text: String) -> SchemaValue {
        any([pattern(text), .map(["type": .text("integer"), "minimum": .number(0)])])
    }

    /// A mapping with no other keys than these.
    ///
    /// - Parameters:
    ///   - keys: Those that the parser reads.
    ///   - shapes: What each asks for; a key that has none takes anything.
    static func mapping(
        _ keys: [String], _ shapes: [String: SchemaValue], required: [String] = [], other: [SchemaField] = []
    ) -> SchemaValue {
        let properties = keys.map { SchemaField(key: $0, value: shapes[$0] ?? anything) }
        var fields = [
            SchemaField(key: "type", value: .text("object")),
            SchemaField(key: "properties", value: .map(properties)),
            SchemaField(key: "additionalProperties", value: .bool(false)),
        ]
        if !required.isEmpty { fields.append(SchemaField(key: "required", value: .texts(required))) }
        return .map(fields + other)
    }

    /// A mapping from names to values of one shape.
    static func named(_ shape: SchemaValue) -> SchemaValue {
        any([
            .map([
                "type": .text("object"), "additionalProperties": shape,
                "propertyNames": .map(["pattern": .text("^[A-Za-z0-9._-]{1,128}$")]),
            ]), .map(["type": .text("null")]),
        ])
    }

    /// `null` too, where a section may be empty.
    static func listOrNothing(_ shape: SchemaValue) -> SchemaValue {
        .map(["type": .texts(["array", "null"]), "items": shape])
    }

    // MARK: Words

    static let name = any([pattern("[A-Za-z0-9._-]{1,128}"), .map(["type": .texts(["number", "boolean"])])])
    static let text = SchemaValue.map(["type": .texts(["string", "number", "boolean"])])
    static let trueFalse = SchemaValue.map(["enum": .list([.bool(true), .bool(false), .text("true"), .text("false")])])
    static let onOff = SchemaValue.map(["enum": .list([.bool(true), .bool(false), .text("on"), .text("off")])])
    static let duration = any([pattern("[0-9]+[smhd]|0"), .map(["enum": .list([.number(0)])])])
    static let mac = pattern("[0-9A-Fa-f]{1,2}([:-][0-9A-Fa-f]{1,2}){5}")
    /// A time stamp, which some readers take for a date.
    static let time = any([
        pattern("[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9:.]+([Zz]|[+-][0-9]{2}:[0-9]{2})")
    ])
    /// An address, a prefix or a range, a name.
    static let address = pattern("[A-Za-z0-9._:/-]+")
    static let range = any([pattern("[0-9]+(-[0-9]+)?"), .map(["type": .text("integer"), "minimum": .number(0)])])
}
