// SPDX-License-Identifier: Apache-2.0
import Network

/// A list of addresses as a file: one address or prefix a line, `#` and `;` start comments.
public enum AddressFile {
    /// Bytes of one file.
    public static let sizeLimit = 256 << 20

    /// What a line should not have.
    public struct BadLine: Error, Sendable, Hashable {
        public var line: Int
        /// Of its content.
        public var column: Int
        /// What it says, where that looks like an address with a mistake in it; nil for anything else. Root reads the
        /// file, and whoever may write to its folder can make it a link to a file that only root may read: nothing of
        /// that may be shown to those who see the messages.
        public var text: String?
    }

    /// Reads them one by one: `take` gets each address with its line, from 1, and `refuse` each line that is none.
    /// Returns how many lines there are.
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

    /// The text where it has the letters of an address alone and could be one. A key in hexadecimal could not.
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
        // The longest range of two IPv6 addresses has 79.
        guard content.count <= 80, content.allSatisfy(isOfAddress), content.contains(where: isSeparator) else {
            return nil
        }
        return String(decoding: content, as: UTF8.self)
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
