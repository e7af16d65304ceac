// SPDX-License-Identifier: Apache-2.0

/// Why a text is not YAML, or not YAML that a policy may use.
struct YAMLError: Error {
    var line: Int
    var column: Int
    var message: String
    /// The offset of the byte that cannot be decoded. If set, line and column mean nothing.
    var offset: Int?
    /// Whether the message is libyaml's rather than ours.
    private var isRaw = true

    /// An error in libyaml's words.
    init(line: Int, column: Int, message: String, offset: Int?) {
        self.line = line
        self.column = column
        self.message = message
        self.offset = offset
    }

    init(_ event: YAMLEvent, _ message: String) {
        self.init(line: event.line, column: event.column, message: message, offset: nil)
        isRaw = false
    }

    /// The same error, with a message that says what to do where the text shows the cause.
    func explained(by bytes: [UInt8]) -> YAMLError {
        guard isRaw else { return self }
        var result = self
        if let offset {
            (result.line, result.column) = YAMLError.position(of: offset, in: bytes)
            result.message = "the text contains a control character"
            return result
        }
        // libyaml adds a line break to a text that does not end in one.
        let end = YAMLError.position(of: bytes.count, in: bytes)
        if line > end.line { (result.line, result.column) = end }
        let text = YAMLError.line(line, of: bytes)
        let character = text.unicodeScalars.dropFirst(column - 1).first
        if message.contains("nesting level") {
            result.message = "the document is nested too deeply"
        } else if message.contains("cannot start any token") {
            switch character {
            case "\t"?: result.message = "a tab cannot indent YAML; use spaces"
            case let character?: result.message = "text that starts with \"\(character)\" must be quoted"
            case nil: break
            }
        } else if message.contains("mapping values are not allowed") || message.contains("unexpected ':'"),
            let address = YAMLError.unquotedAddress(in: text)
        {
            result.message = "YAML reads \(address) without quotes as a mapping; quote it: \"\(address)\""
        } else if message.contains("expected node content"), let address = YAMLError.leadingColons(in: text) {
            result.message = "YAML cannot read \(address) without quotes in a list; quote it: \"\(address)\""
        } else {
            result.message = "not valid YAML: \(message)"
        }
        return result
    }

    private static func line(_ number: Int, of bytes: [UInt8]) -> String {
        var start = bytes.startIndex
        var line = 1
        while line < number, let end = bytes[start...].firstIndex(of: UInt8(ascii: "\n")) {
            start = end + 1
            line += 1
        }
        return String(decoding: bytes[start...].prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
    }

    static func position(of offset: Int, in bytes: [UInt8]) -> (line: Int, column: Int) {
        let before = bytes[..<min(offset, bytes.count)]
        let start = before.lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
        let line = before.reduce(1) { $0 + ($1 == UInt8(ascii: "\n") ? 1 : 0) }
        return (line, String(decoding: before[start...], as: UTF8.self).unicodeScalars.count + 1)
    }

    /// A word that starts with two colons.
    private static func leadingColons(in line: String) -> String? {
        line.split { " ,[]{}".contains($0) }.first { $0.hasPrefix("::") }.map(String.init)
    }

    /// A word that ends in two colons.
    private static func unquotedAddress(in line: String) -> String? {
        line.split { " ,[]{}".contains($0) }.first { $0.hasSuffix("::") }.map(String.init)
    }
}
