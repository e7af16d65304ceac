// SPDX-License-Identifier: Apache-2.0

/// An element of XML, as far as programs write it for programs. A document type is refused, because it could make a
/// small text a large one.
struct XMLNode: Sendable, Hashable {
    /// Without its prefix.
    var name: String
    /// The URI that its prefix stands for.
    var namespace: String?
    /// By their names with prefixes.
    var attributes: [String: String] = [:]
    var children: [XMLNode] = []
    /// What stands directly in it.
    var text = ""

    /// The first child of a name.
    func first(_ name: String) -> XMLNode? { children.first { $0.name == name } }

    func all(_ name: String) -> [XMLNode] { children.filter { $0.name == name } }

    /// - Throws: with words for people.
    init(parsing text: String) throws(EngineError) {
        var reader = XMLReader(bytes: Array(text.utf8))
        self = try reader.document()
    }

    fileprivate init(name: String) { self.name = name }
}

/// Reads one document from its beginning to its end.
private struct XMLReader {
    private static let mostDepth = 64
    private static let entities = ["lt": "<", "gt": ">", "amp": "&", "quot": "\"", "apos": "'"]

    let bytes: [UInt8]
    var place = 0

    mutating func document() throws(EngineError) -> XMLNode {
        try skipMisc()
        guard take("<") else { throw fault("an element is expected") }
        let root = try element([:], depth: 0)
        try skipMisc()
        guard place == bytes.count else { throw fault("something stands after the end") }
        return root
    }

    // MARK: Words

    private func fault(_ words: String) -> EngineError { EngineError("XML: \(words), at byte \(place)") }

    private var byte: UInt8 { place < bytes.count ? bytes[place] : 0 }

    private func isNext(_ word: StaticString) -> Bool {
        let word = Array(word.description.utf8)
        return bytes[place...].starts(with: word)
    }

    private mutating func take(_ word: StaticString) -> Bool {
        guard isNext(word) else { return false }
        place += word.utf8CodeUnitCount
        return true
    }

    private mutating func skipSpace() {
        while byte == 0x20 || byte == 0x09 || byte == 0x0a || byte == 0x0d { place += 1 }
    }

    /// Takes all up to a word, and the word.
    private mutating func take(until word: StaticString) throws(EngineError) -> String {
        let start = place
        while !isNext(word) {
            guard place < bytes.count else { throw fault("\"\(word)\" is missing") }
            place += 1
        }
        defer { place += word.utf8CodeUnitCount }
        return String(decoding: bytes[start..<place], as: UTF8.self)
    }

    private mutating func skipMisc() throws(EngineError) {
        while true {
            skipSpace()
            if take("<?") {
                _ = try take(until: "?>")
            } else if take("<!--") {
                _ = try take(until: "-->")
            } else {
                return
            }
        }
    }

    private mutating func name() throws(EngineError) -> String {
        let start = place
        let ends = Array(" \t\r\n/>=<&\"'".utf8)
        while place < bytes.count, !ends.contains(byte) { place += 1 }
        guard place > start else { throw fault("a name is expected") }
        return String(decoding: bytes[start..<place], as: UTF8.self)
    }

    // MARK: Elements

    /// What comes after `<`.
    private mutating func element(_ outer: [String: String], depth: Int) throws(EngineError) -> XMLNode {
        guard depth < XMLReader.mostDepth else { throw fault("elements are nested too deep") }
        let name = try name()
        var node = XMLNode(name: name)
        var isOpen = true
        while isOpen {
            skipSpace()
            if take("/>") {
                node.resolve(outer)
                return node
            }
            if take(">") {
                isOpen = false
            } else {
                let (key, value) = try attribute()
                guard node.attributes.updateValue(value, forKey: key) == nil else {
                    throw fault("\"\(key)\" stands twice")
                }
            }
        }
        let namespaces = node.resolve(outer)
        try content(of: &node, namespaces, depth)
        guard try self.name() == name else { throw fault("another element ends") }
        skipSpace()
        guard take(">") else { throw fault("\">\" is missing") }
        return node
    }

    /// Reads up to `</` of the element.
    private mutating func content(
        of node: inout XMLNode, _ namespaces: [String: String], _ depth: Int
    ) throws(EngineError) {
        while true {
            if take("</") { return }
            if take("<!--") {
                _ = try take(until: "-->")
            } else if take("<![CDATA[") {
                node.text += try take(until: "]]>")
            } else if take("<?") {
                _ = try take(until: "?>")
            } else if isNext("<!") {
                throw fault("a document type is not read")
            } else if take("<") {
                node.children.append(try element(namespaces, depth: depth + 1))
            } else {
                guard place < bytes.count else { throw fault("the end of an element is missing") }
                node.text += try characters { $0 == UInt8(ascii: "<") }
            }
        }
    }

    private mutating func attribute() throws(EngineError) -> (String, String) {
        let key = try name()
        skipSpace()
        guard take("=") else { throw fault("\"=\" is missing") }
        skipSpace()
        let quote = byte
        guard quote == UInt8(ascii: "\"") || quote == UInt8(ascii: "'") else { throw fault("a value is expected") }
        place += 1
        let value = try characters { $0 == quote || $0 == UInt8(ascii: "<") }
        guard byte == quote else { throw fault("the end of a value is missing") }
        place += 1
        return (key, value)
    }

    /// Text up to the end of it, or of the document, with its references resolved.
    private mutating func characters(until isEnd: (UInt8) -> Bool) throws(EngineError) -> String {
        var text = ""
        var start = place
        while place < bytes.count, !isEnd(byte) {
            guard byte == UInt8(ascii: "&") else {
                place += 1
                continue
            }
            text += String(decoding: bytes[start..<place], as: UTF8.self)
            text += try reference()
            start = place
        }
        return text + String(decoding: bytes[start..<place], as: UTF8.self)
    }

    private mutating func reference() throws(EngineError) -> String {
        place += 1
        let word = try take(until: ";")
        if let known = XMLReader.entities[word] { return known }
        let digits = word.dropFirst(word.hasPrefix("#x") ? 2 : 1)
        guard word.hasPrefix("#"), let number = UInt32(digits, radix: word.hasPrefix("#x") ? 16 : 10),
            let scalar = Unicode.Scalar(number)
        else { throw fault("\"&\(word.prefix(20));\" stands for nothing") }
        return String(Character(scalar))
    }
}

extension XMLNode {
    /// Takes its own prefix apart. Returns what prefixes stand for in it.
    @discardableResult
    fileprivate mutating func resolve(_ outer: [String: String]) -> [String: String] {
        var namespaces = outer
        for (key, value) in attributes {
            if key == "xmlns" { namespaces[""] = value }
            if key.hasPrefix("xmlns:") { namespaces[String(key.dropFirst(6))] = value }
        }
        let parts = name.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        namespace = namespaces[parts.count > 1 ? String(parts[0]) : ""]
        name = String(parts[parts.count - 1])
        return namespaces
    }
}
