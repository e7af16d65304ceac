// SPDX-License-Identifier: Apache-2.0

/// A value of a JSON text, with the line that it begins in.
struct JSONValue: Sendable {
    enum Content: Sendable {
        case null
        case bool(Bool)
        /// As it is written.
        case number(String)
        case string(String)
        case array([JSONValue])
        case object([(key: String, value: JSONValue)])
    }

    var content: Content
    var line: Int

    subscript(_ key: String) -> JSONValue? {
        guard case .object(let fields) = content else { return nil }
        return fields.first { $0.key == key }?.value
    }

    /// The only key of an object that has one, and its value: how nft writes expressions.
    var single: (key: String, value: JSONValue)? {
        guard case .object(let fields) = content, fields.count == 1 else { return nil }
        return fields[0]
    }

    var string: String? { if case .string(let text) = content { text } else { nil } }
    var array: [JSONValue]? { if case .array(let items) = content { items } else { nil } }
    var int: Int? { if case .number(let text) = content { Int(text) } else { nil } }
    /// A number or a string, as text.
    var word: String? {
        switch content {
        case .number(let text), .string(let text): text
        default: nil
        }
    }
    /// The members of an array, or the value itself.
    var items: [JSONValue] { array ?? [self] }
    var isTrue: Bool { if case .bool(true) = content { true } else { false } }
}

/// Reads JSON, as RFC 8259 has it.
struct JSONReader {
    private let bytes: [UInt8]
    private var position = 0
    private var line = 1
    private let file: String
    private static let deepest = 64

    static func read(_ source: ImportSource) throws(ImportError) -> JSONValue {
        var reader = JSONReader(source)
        let value = try reader.value(depth: 0)
        reader.skipSpace()
        guard reader.position == reader.bytes.count else { throw reader.fault("expected the end") }
        return value
    }

    private init(_ source: ImportSource) {
        bytes = Array(source.text.utf8)
        file = source.name
    }

    private func fault(_ words: String) -> ImportError { ImportError(file, line, "this is not JSON: \(words)") }

    private var next: UInt8? { position < bytes.count ? bytes[position] : nil }

    private mutating func skipSpace() {
        while let byte = next, [0x20, 0x09, 0x0a, 0x0d].contains(byte) {
            if byte == 0x0a { line += 1 }
            position += 1
        }
    }

    /// Takes a character, if it comes next behind spaces.
    private mutating func takes(_ character: Unicode.Scalar) -> Bool {
        skipSpace()
        guard next == UInt8(ascii: character) else { return false }
        position += 1
        return true
    }

    private mutating func value(depth: Int) throws(ImportError) -> JSONValue {
        guard depth < JSONReader.deepest else { throw fault("values nested more than \(JSONReader.deepest) deep") }
        skipSpace()
        let start = line
        func made(_ content: JSONValue.Content) -> JSONValue { JSONValue(content: content, line: start) }
        switch next {
        case UInt8(ascii: "{"): return made(.object(try object(depth)))
        case UInt8(ascii: "["): return made(.array(try array(depth)))
        case UInt8(ascii: "\""): return made(.string(try string()))
        case nil: throw fault("expected a value, found the end")
        default: return made(try word())
        }
    }

    private mutating func object(_ depth: Int) throws(ImportError) -> [(key: String, value: JSONValue)] {
        position += 1
        var fields: [(key: String, value: JSONValue)] = []
        if takes("}") { return fields }
        repeat {
            skipSpace()
            guard next == UInt8(ascii: "\"") else { throw fault("expected a key") }
            let key = try string()
            guard takes(":") else { throw fault("expected a colon") }
            fields.append((key, try value(depth: depth + 1)))
        } while takes(",")
        guard takes("}") else { throw fault("expected a comma or }") }
        return fields
    }

    private mutating func array(_ depth: Int) throws(ImportError) -> [JSONValue] {
        position += 1
        var items: [JSONValue] = []
        if takes("]") { return items }
        repeat { items.append(try value(depth: depth + 1)) } while takes(",")
        guard takes("]") else { throw fault("expected a comma or ]") }
        return items
    }

    /// A number, or `true`, `false`, `null`.
    private mutating func word() throws(ImportError) -> JSONValue.Content {
        let start = position
        while let byte = next, byte > 0x20, !",]}:\"[{".utf8.contains(byte) { position += 1 }
        let text = String(decoding: bytes[start..<position], as: UTF8.self)
        switch text {
        case "true": return .bool(true)
        case "false": return .bool(false)
        case "null": return .null
        default:
            guard Double(text) != nil, text.first.map({ $0 == "-" || $0.isNumber }) == true else {
                throw fault("\"\(text)\" is not a value")
            }
            return .number(text)
        }
    }

    // MARK: Strings

    private mutating func string() throws(ImportError) -> String {
        position += 1
        var result: [UInt8] = []
        while let byte = next {
            position += 1
            switch byte {
            case UInt8(ascii: "\""): return String(decoding: result, as: UTF8.self)
            case UInt8(ascii: "\\"): result += Array(String(try escape()).utf8)
            case 0x0a:
                line += 1
                result.append(byte)
            default: result.append(byte)
            }
        }
        throw fault("a string does not end")
    }

    private mutating func escape() throws(ImportError) -> Unicode.Scalar {
        guard let byte = next else { throw fault("a string does not end") }
        position += 1
        switch byte {
        case UInt8(ascii: "n"): return "\n"
        case UInt8(ascii: "t"): return "\t"
        case UInt8(ascii: "r"): return "\r"
        case UInt8(ascii: "b"): return "\u{8}"
        case UInt8(ascii: "f"): return "\u{c}"
        case UInt8(ascii: "u"): break
        default: return Unicode.Scalar(byte)
        }
        let first = try unit()
        guard (0xd800..<0xdc00).contains(first) else { return Unicode.Scalar(UInt32(first)) ?? "\u{fffd}" }
        guard next == UInt8(ascii: "\\"), position + 1 < bytes.count, bytes[position + 1] == UInt8(ascii: "u") else {
            return "\u{fffd}"
        }
        position += 2
        let second = try unit()
        guard (0xdc00..<0xe000).contains(second) else { return "\u{fffd}" }
        return Unicode.Scalar(0x10000 + (UInt32(first) - 0xd800) << 10 + (UInt32(second) - 0xdc00)) ?? "\u{fffd}"
    }

    private mutating func unit() throws(ImportError) -> UInt16 {
        guard position + 4 <= bytes.count,
            let unit = UInt16(String(decoding: bytes[position..<position + 4], as: UTF8.self), radix: 16)
        else { throw fault("an escape has four hexadecimal digits") }
        position += 4
        return unit
    }
}
