// SPDX-License-Identifier: Apache-2.0
import Network

/// A file of addresses: one address or prefix per line; `#` and `;` start a comment.
public enum AddressFile {
    /// The most bytes of one file.
    public static let sizeLimit = 256 << 20

    /// A line that is not an address or prefix.
    public struct BadLine: Error, Sendable, Hashable {
        public var line: Int
        /// The column of the first character that is not a space, from 1.
        public var column: Int
        /// The line's text if it looks like a mistyped address, else nil. Root reads the file, and whoever may write to
        /// its folder can replace it with a link to a file that only root may read. Nothing of that file may appear in
        /// a message.
        public var text: String?
    }

    /// Reads a file line by line: calls `take` with each address and its line number, from 1, and `refuse` with each
    /// line that is not an address. Returns the number of lines.
    @discardableResult
    public static func read(
        _ bytes: [UInt8], take: (Prefix, Int) -> Void, refuse: (BadLine) -> Void
    ) -> Int {
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
                take(prefix, number)
            } else {
                refuse(BadLine(line: number, column: column, text: quotable(bytes[content])))
            }
        }
        return number
    }

    /// The text, if it has only characters of an address and at least one separator, so that a key in hexadecimal is
    /// never quoted.
    private static func quotable(_ content: ArraySlice<UInt8>) -> String? {
        func isOfAddress(_ byte: UInt8) -> Bool {
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "f"),
                UInt8(ascii: "A")...UInt8(ascii: "F"):
                true
            default: isSeparator(byte) || byte == UInt8(ascii: "/") || byte == UInt8(ascii: "-")
            }
        }
        func isSeparator(_ byte: UInt8) -> Bool { byte == UInt8(ascii: ".") || byte == UInt8(ascii: ":") }
        // A range of two IPv6 addresses has at most 79 characters.
        guard content.count <= 80, content.allSatisfy(isOfAddress), content.contains(where: isSeparator) else {
            return nil
        }
        return String(decoding: content, as: UTF8.self)
    }

    /// The range of a line without its comment and surrounding spaces.
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
