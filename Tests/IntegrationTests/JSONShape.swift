// SPDX-License-Identifier: Apache-2.0
import Foundation

/// A JSON value of any shape.
enum AnyJSON: Decodable {
    case null
    case flag(Bool)
    case number(Double)
    case text(String)
    case array([AnyJSON])
    case object([String: AnyJSON])

    init(from decoder: any Decoder) throws {
        let one = try decoder.singleValueContainer()
        if one.decodeNil() {
            self = .null
        } else if let flag = try? one.decode(Bool.self) {
            self = .flag(flag)
        } else if let number = try? one.decode(Double.self) {
            self = .number(number)
        } else if let text = try? one.decode(String.self) {
            self = .text(text)
        } else if let array = try? one.decode([AnyJSON].self) {
            self = .array(array)
        } else {
            self = .object(try one.decode([String: AnyJSON].self))
        }
    }

    init(_ text: String) throws { self = try JSONDecoder().decode(AnyJSON.self, from: Data(text.utf8)) }
}

/// What a JSON document must have. More fields may be there.
///
/// A shape is written as JSON. An object names its fields, or has `"*"` for all of them. An array has the shape of its
/// elements; if they are objects, there must be some. A text is a type: `text`, `number` or `flag`, with `?` after it
/// where the value may be null.
struct JSONShape {
    private let shape: AnyJSON

    init(_ text: String) throws { shape = try AnyJSON(text) }

    /// What a document lacks or has of another type, each with its place.
    func differences(_ document: String) throws -> [String] { Self.differences(try AnyJSON(document), shape, "") }

    private static func differences(_ value: AnyJSON, _ shape: AnyJSON, _ place: String) -> [String] {
        switch (value, shape) {
        case (.object(let found), .object(let fields)):
            if let every = fields["*"] {
                return found.isEmpty
                    ? ["\(place): empty"] : found.flatMap { differences($0.value, every, "\(place).\($0.key)") }
            }
            return fields.sorted { $0.key < $1.key }.flatMap { name, inner in
                found[name].map { differences($0, inner, "\(place).\(name)") } ?? ["\(place).\(name): missing"]
            }
        case (.array(let found), .array(let elements)):
            if found.isEmpty, case .object = elements[0] { return ["\(place): empty"] }
            return found.flatMap { differences($0, elements[0], "\(place)[]") }
        case (.null, .text(let type)) where type.hasSuffix("?"): return []
        case (.text, .text("text")), (.text, .text("text?")): return []
        case (.number, .text("number")), (.number, .text("number?")): return []
        case (.flag, .text("flag")): return []
        default: return ["\(place): \(value) is not \(shape)"]
        }
    }
}
