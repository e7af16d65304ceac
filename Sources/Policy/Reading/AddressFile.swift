// SPDX-License-Identifier: Apache-2.0
import Network

/// A list of addresses as a file: one address, prefix or range on each line. `#`, `;` and `//` start comments. Of
/// columns the first counts; a second address on a line is refused, so that none is overlooked. Bits beyond a prefix's
/// length are taken for zero.
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

    /// What a file has.
    public struct Summary: Sendable, Hashable {
        public var lines = 0
        /// Lines with bits set beyond a prefix's length, and the first of them, from 1.
        public var maskedLines = 0
        public var firstMaskedLine = 0
    }

    /// Reads them one by one: `take` gets each prefix with its line, from 1, and `refuse` each line that has none.
    @discardableResult
    public static func read(
        _ bytes: [UInt8], take: (Prefix, Int) -> Void, refuse: (BadLine) -> Void
    ) -> Summary {
        var summary = Summary()
        var number = 0
        var start = bytes.starts(with: [0xef, 0xbb, 0xbf]) ? 3 : 0
        while start < bytes.count {
            var end = start
            while end < bytes.count, bytes[end] != UInt8(ascii: "\n") { end += 1 }
            number += 1
            let content = content(bytes, start..<end)
            let column = content.lowerBound - start + 1
            let rest = content.upperBound..<end
            start = end + 1
            if content.isEmpty { continue }
            if hasAddress(bytes, rest) {
                refuse(BadLine(line: number, column: column, text: nil))
                continue
            }
            do throws(Prefix.ParseError) {
                take(try Prefix(parsing: bytes.span.extracting(content)), number)
            } catch .hostBits(let prefix) {
                if summary.maskedLines == 0 { summary.firstMaskedLine = number }
                summary.maskedLines += 1
                take(prefix, number)
            } catch {
                if let range = try? AddressRange(parsing: bytes.span.extracting(content)) {
                    for prefix in range.prefixes { take(prefix, number) }
                } else {
                    refuse(BadLine(line: number, column: column, text: quotable(bytes[content])))
                }
            }
        }
        summary.lines = number
        return summary
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

    /// A line's first column, without comments and the space around.
    private static func content(_ bytes: [UInt8], _ line: Range<Int>) -> Range<Int> {
        var first = line.lowerBound
        while first < line.upperBound, isSpace(bytes[first]) { first += 1 }
        var last = first
        while last < line.upperBound, !endsColumn(bytes, last, line.upperBound) { last += 1 }
        return first..<last
    }

    /// Whether the next column is an address, prefix or range as well.
    private static func hasAddress(_ bytes: [UInt8], _ rest: Range<Int>) -> Bool {
        var first = rest.lowerBound
        while first < rest.upperBound, isSpace(bytes[first]) || bytes[first] == UInt8(ascii: ",") { first += 1 }
        guard first < rest.upperBound, !endsColumn(bytes, first, rest.upperBound) else { return false }
        let next = bytes.span.extracting(content(bytes, first..<rest.upperBound))
        do throws(Prefix.ParseError) {
            _ = try Prefix(parsing: next)
            return true
        } catch {
            return error != .notAnAddress || (try? AddressRange(parsing: next)) != nil
        }
    }

    private static func endsColumn(_ bytes: [UInt8], _ place: Int, _ end: Int) -> Bool {
        switch bytes[place] {
        case UInt8(ascii: "#"), UInt8(ascii: ";"), UInt8(ascii: ","): true
        case UInt8(ascii: "/"): place + 1 < end && bytes[place + 1] == UInt8(ascii: "/")
        default: isSpace(bytes[place])
        }
    }

    private static func isSpace(_ byte: UInt8) -> Bool { byte == 32 || (9...13).contains(byte) }
}
