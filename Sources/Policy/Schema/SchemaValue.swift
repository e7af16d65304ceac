// SPDX-License-Identifier: Apache-2.0

/// A value of a JSON Schema.
indirect enum SchemaValue: Sendable, Hashable {
    case text(String)
    case number(Int)
    case bool(Bool)
    case list([SchemaValue])
    case map([SchemaField])

    static func map(_ fields: KeyValuePairs<String, SchemaValue?>) -> SchemaValue {
        .map(fields.compactMap { key, value in value.map { SchemaField(key: key, value: $0) } })
    }

    static func texts(_ texts: [String]) -> SchemaValue { .list(texts.map(SchemaValue.text)) }

    /// As JSON, a member a line.
    func json(indent: Int = 0) -> String {
        let inner = String(repeating: " ", count: indent + 2)
        let outer = String(repeating: " ", count: indent)
        switch self {
        case .text(let text): return SchemaValue.quoted(text)
        case .number(let number): return "\(number)"
        case .bool(let isTrue): return "\(isTrue)"
        case .list(let items):
            let texts = items.map { $0.json(indent: indent + 2) }
            let line = "[\(texts.joined(separator: ", "))]"
            if !line.contains("\n"), line.utf8.count + indent < 100 { return line }
            return "[\n" + texts.map { inner + $0 }.joined(separator: ",\n") + "\n\(outer)]"
        case .map(let fields):
            let texts = fields.map { "\(SchemaValue.quoted($0.key)): \($0.value.json(indent: indent + 2))" }
            let line = fields.isEmpty ? "{}" : "{ \(texts.joined(separator: ", ")) }"
            if !line.contains("\n"), line.utf8.count + indent < 100 { return line }
            return "{\n" + texts.map { inner + $0 }.joined(separator: ",\n") + "\n\(outer)}"
        }
    }

    private static func quoted(_ text: String) -> String {
        "\"" + text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"") + "\""
    }
}

/// A key of a schema's mapping, and its value.
struct SchemaField: Sendable, Hashable {
    var key: String
    var value: SchemaValue
}
