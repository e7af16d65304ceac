// SPDX-License-Identifier: Apache-2.0

/// Reads those items of a top-level list that are written on one line, such as `- { name: a, action: drop }`, much
/// faster than libyaml does. Whatever it does not take is left to libyaml: spaces stand for what was taken, so that
/// every line and column stays the same.
///
/// Only unambiguous items are taken: printable ASCII, words without characters that YAML may read as syntax, quoted
/// text without escapes.
struct OneLineItems {
    /// The document, with spaces in place of the items that were taken.
    private(set) var rest: [UInt8] = []
    private(set) var items: [Node] = []
    /// The number of nodes in `items`, nested ones included.
    private(set) var nodes = 0
    /// The line of the list's key.
    let keyLine: Int
    /// The location of the list's first item, whether taken or not.
    private var first: SourceLocation?
    /// The number of items left to libyaml.
    private(set) var left = 0
    /// The bytes of the list's lines.
    private(set) var lines = 0..<0

    private let bytes: [UInt8]
    private let file: FileName
    private var line: Int
    /// The offset at which the current line starts.
    private var start = 0
    private var position = 0
    /// The number of keys of the previous item. Neighbouring items usually have as many, so this much is reserved.
    private var width = 8

    /// nil if there is nothing to take.
    init?(_ bytes: [UInt8], key: String, file: String) {
        guard !OneLineItems.hasOtherBreaks(bytes), let (end, number) = OneLineItems.find(key, in: bytes) else {
            return nil
        }
        self.file = FileName(file)
        self.bytes = bytes
        keyLine = number
        line = number
        take(from: end)
        if items.isEmpty { return nil }
    }

    /// Whether the text has line breaks other than a line feed. libyaml counts those as lines, so its line numbers
    /// would differ from the ones here.
    private static func hasOtherBreaks(_ bytes: [UInt8]) -> Bool {
        for (index, byte) in bytes.enumerated() where byte == UInt8(ascii: "\r") || byte > 0x7f {
            switch byte {
            case UInt8(ascii: "\r"): return true
            // U+0085, U+2028 and U+2029.
            case 0xc2: if bytes[(index + 1)...].first == 0x85 { return true }
            case 0xe2:
                let rest = bytes[(index + 1)...]
                if rest.starts(with: [0x80, 0xa8]) || rest.starts(with: [0x80, 0xa9]) { return true }
            default: break
            }
        }
        return false
    }

    /// The offset of the line after `key:`, and the line number of the key.
    private static func find(_ key: String, in bytes: [UInt8]) -> (end: Int, line: Int)? {
        let wanted = Array(key.utf8) + [UInt8(ascii: ":")]
        var start = 0
        var line = 1
        while start < bytes.count {
            let end = bytes[start...].firstIndex(of: UInt8(ascii: "\n")) ?? bytes.count
            if end - start == wanted.count, bytes[start..<end].elementsEqual(wanted) {
                return (min(end + 1, bytes.count), line)
            }
            start = end + 1
            line += 1
        }
        return nil
    }

    private mutating func take(from offset: Int) {
        start = offset
        defer { lines = offset..<min(start, bytes.count) }
        rest += bytes[..<offset]
        var indent: Int?
        while start < bytes.count {
            line += 1
            let end = bytes[start...].firstIndex(of: UInt8(ascii: "\n")) ?? bytes.count
            position = start
            while position < end, bytes[position] == UInt8(ascii: " ") { position += 1 }
            let column = position - start
            let isItem =
                position + 1 < end && bytes[position] == UInt8(ascii: "-") && bytes[position + 1] == UInt8(ascii: " ")
            // The next key of the document ends the list.
            if position < end, column == 0, !isItem, bytes[position] != UInt8(ascii: "#") { break }
            var kept = start
            if isItem, indent ?? column == column {
                indent = column
                if first == nil { first = location }
                if takeItem(end: end) { kept = position } else { left += 1 }
            }
            leave(from: kept, end: end)
            start = end + 1
        }
        rest += bytes[min(start, bytes.count)...]
    }

    /// Copies the part of a line that was not taken, and its line feed, to `rest`.
    private mutating func leave(from kept: Int, end: Int) {
        if kept < end {
            rest += repeatElement(UInt8(ascii: " "), count: kept - start)
            rest += bytes[kept..<end]
        }
        if end < bytes.count { rest.append(UInt8(ascii: "\n")) }
    }

    /// Takes the item at `position`; false if it must be left to libyaml.
    private mutating func takeItem(end: Int) -> Bool {
        position += 2
        skipSpaces(end)
        let before = nodes
        guard position < end, bytes[position] == UInt8(ascii: "{"), let item = value(end, depth: 0), isClosed(end)
        else {
            nodes = before
            return false
        }
        items.append(item)
        if case .mapping(let entries) = item.content { width = entries.count }
        return true
    }

    /// Whether nothing but a comment follows on the line. The comment stays in `rest`.
    private func isClosed(_ end: Int) -> Bool {
        var index = position
        while index < end, bytes[index] == UInt8(ascii: " ") { index += 1 }
        return index == end || (index > position && bytes[index] == UInt8(ascii: "#"))
    }

    /// The item that makes up a whole line, indentation and comment aside; nil if libyaml must read it.
    static func item(onLine line: [UInt8]) -> Node? {
        let list = Array("rules:\n".utf8) + line + [UInt8(ascii: "\n")]
        guard let found = OneLineItems(list, key: "rules", file: ""), found.items.count == 1, found.left == 0 else {
            return nil
        }
        return found.items[0]
    }

    /// The whole document: `root`, which libyaml read from `rest`, with the items put back in. nil if the items turn
    /// out not to be elements of the list, for example because they are part of a multi-line string.
    ///
    /// - Parameter spans: The lines of every scalar and every bracketed collection that spans several lines.
    func joined(to root: Node, spans: [ClosedRange<Int>]) -> Node? {
        guard case .mapping(var entries) = root.content,
            let index = entries.firstIndex(where: { $0.keyLocation.line == keyLine && $0.keyLocation.column == 1 }),
            let first, !spans.contains(where: takesLine)
        else { return nil }
        switch entries[index].value.content {
        case .scalar("", isPlain: true) where left == 0:
            entries[index].value = Node(content: .sequence(items), location: first)
        case .sequence(let others) where others.count == left:
            let all = merged(others)
            entries[index].value = Node(content: .sequence(all), location: first)
        default: return nil
        }
        return Node(content: .mapping(entries), location: root.location)
    }

    /// Whether one of these lines held an item that was taken.
    private func takesLine(_ span: ClosedRange<Int>) -> Bool {
        var low = 0
        var high = items.count
        while low < high {
            let middle = (low + high) / 2
            if items[middle].location.line < span.lowerBound { low = middle + 1 } else { high = middle }
        }
        return low < items.count && items[low].location.line <= span.upperBound
    }

    private func merged(_ others: [Node]) -> [Node] {
        var result: [Node] = []
        result.reserveCapacity(items.count + others.count)
        var rest = others[...]
        for item in items {
            while let other = rest.first, other.location.line < item.location.line { result.append(rest.removeFirst()) }
            result.append(item)
        }
        return result + rest
    }

    // MARK: Values

    private static let depthLimit = 8

    private mutating func skipSpaces(_ end: Int) {
        while position < end, bytes[position] == UInt8(ascii: " ") { position += 1 }
    }

    private var location: SourceLocation { SourceLocation(file, line: line, column: position - start + 1) }

    /// The value at `position`; nil if it must be left to libyaml.
    private mutating func value(_ end: Int, depth: Int) -> Node? {
        guard position < end, depth < OneLineItems.depthLimit else { return nil }
        let location = location
        nodes += 1
        switch bytes[position] {
        case UInt8(ascii: "{"):
            return mapping(end, depth: depth).map { Node(content: .mapping($0), location: location) }
        case UInt8(ascii: "["):
            return sequence(end, depth: depth).map { Node(content: .sequence($0), location: location) }
        case UInt8(ascii: "\""), UInt8(ascii: "'"):
            return quoted(end).map { Node(content: .scalar($0, isPlain: false), location: location) }
        default: return plain(end).map { Node(content: .scalar($0, isPlain: true), location: location) }
        }
    }

    private mutating func mapping(_ end: Int, depth: Int) -> [Node.Entry]? {
        var entries: [Node.Entry] = []
        entries.reserveCapacity(depth == 0 ? width : 2)
        while true {
            position += 1
            skipSpaces(end)
            let location = location
            guard let key = word(end), position + 1 < end, bytes[position] == UInt8(ascii: ":"),
                bytes[position + 1] == UInt8(ascii: " "), !entries.contains(where: { $0.key == key })
            else { return nil }
            nodes += 1
            position += 2
            skipSpaces(end)
            guard let value = value(end, depth: depth + 1) else { return nil }
            entries.append(Node.Entry(key: key, keyLocation: location, value: value))
            guard let isLast = separator(end, closing: UInt8(ascii: "}")) else { return nil }
            if isLast { return entries }
        }
    }

    private mutating func sequence(_ end: Int, depth: Int) -> [Node]? {
        var items: [Node] = []
        while true {
            position += 1
            skipSpaces(end)
            guard let item = value(end, depth: depth + 1) else { return nil }
            items.append(item)
            guard let isLast = separator(end, closing: UInt8(ascii: "]")) else { return nil }
            if isLast { return items }
        }
    }

    /// Skips to the next comma (false) or past the closing bracket (true); nil for anything else.
    private mutating func separator(_ end: Int, closing: UInt8) -> Bool? {
        skipSpaces(end)
        guard position < end else { return nil }
        if bytes[position] == UInt8(ascii: ",") { return false }
        guard bytes[position] == closing else { return nil }
        position += 1
        return true
    }

    // MARK: Scalars

    private mutating func text(_ range: Range<Int>) -> String { String(decoding: bytes[range], as: UTF8.self) }

    /// A key, which may have only letters and digits.
    private mutating func word(_ end: Int) -> String? {
        let first = position
        while position < end, OneLineItems.isWordByte(bytes[position]) { position += 1 }
        return position == first ? nil : text(first..<position)
    }

    private mutating func quoted(_ end: Int) -> String? {
        let quote = bytes[position]
        let first = position + 1
        position = first
        while position < end, bytes[position] != quote {
            let byte = bytes[position]
            if byte < 0x20 || byte > 0x7e || byte == UInt8(ascii: "\\") { return nil }
            position += 1
        }
        guard position < end else { return nil }
        position += 1
        // Two single quotes in a row are an escaped quote.
        if position < end, bytes[position] == quote { return nil }
        return text(first..<position - 1)
    }

    private mutating func plain(_ end: Int) -> String? {
        let first = position
        guard OneLineItems.isWordByte(bytes[position]) else { return nil }
        var last = position
        while position < end {
            let byte = bytes[position]
            if OneLineItems.isPlainByte(byte) {
                last = position
            } else if byte == UInt8(ascii: ":") {
                // A colon before a space or a bracket would end a key.
                guard position + 1 < end, OneLineItems.isPlainByte(bytes[position + 1]) || bytes[position + 1] == byte
                else {
                    return nil
                }
                last = position
            } else if byte != UInt8(ascii: " ") {
                break
            }
            position += 1
        }
        guard position < end, [UInt8(ascii: ","), UInt8(ascii: "]"), UInt8(ascii: "}")].contains(bytes[position]) else {
            return nil
        }
        return text(first..<last + 1)
    }

    private static func isWordByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default: false
        }
    }

    private static func isPlainByte(_ byte: UInt8) -> Bool {
        isWordByte(byte) || byte == UInt8(ascii: ".") || byte == UInt8(ascii: "/") || byte == UInt8(ascii: "-")
            || byte == UInt8(ascii: "_") || byte == UInt8(ascii: "*")
    }
}
