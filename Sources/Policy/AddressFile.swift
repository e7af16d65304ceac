import Network

/// A list of addresses as a file: one address or prefix a line, `#` and `;` start comments.
public enum AddressFile {
    /// What a line should not have.
    public struct BadLine: Error, Sendable, Hashable {
        public var line: Int
        /// Of its content.
        public var column: Int
        public var text: String
    }

    /// The addresses, each with its line, from 1. `refuse` is told of each line that is none.
    public static func read(
        _ bytes: [UInt8], refuse: (BadLine) -> Void
    ) -> (addresses: [(prefix: Prefix, line: Int)], lines: Int) {
        var result: [(prefix: Prefix, line: Int)] = []
        var number = 0
        var start = 0
        while start < bytes.count {
            var end = start
            while end < bytes.count, bytes[end] != UInt8(ascii: "\n") { end += 1 }
            number += 1
            let content = content(bytes, start..<end)
            let column = content.lowerBound - start + 1
            start = end + 1
            if content.isEmpty { continue }
            if let prefix = try? Prefix(parsing: bytes.span.extracting(content)) {
                result.append((prefix, number))
            } else {
                let text = String(decoding: bytes[content], as: UTF8.self)
                refuse(
                    BadLine(line: number, column: column, text: text.count > 60 ? "\(text.prefix(60))..." : text))
            }
        }
        return (result, number)
    }

    /// A line without its comment and the space around.
    private static func content(_ bytes: [UInt8], _ line: Range<Int>) -> Range<Int> {
        var first = line.lowerBound
        var last = first
        while last < line.upperBound, bytes[last] != UInt8(ascii: "#"), bytes[last] != UInt8(ascii: ";") { last += 1 }
        while first < last, isSpace(bytes[first]) { first += 1 }
        while last > first, isSpace(bytes[last - 1]) { last -= 1 }
        return first..<last
    }

    private static func isSpace(_ byte: UInt8) -> Bool { byte == 32 || (9...13).contains(byte) }
}
