// SPDX-License-Identifier: Apache-2.0

/// The words of a Swift file and the braces around them; comments and the text of strings are left out, what is
/// interpolated into a string is not.
struct SwiftWords {
    struct Word: Hashable {
        var text: String
        /// How many brackets of any kind are open around it.
        var depth: Int
        /// It names a member of what stands before it.
        var isMember: Bool
    }

    private(set) var words: [Word] = []
    private let source: [Character]
    private var position = 0
    private var depth = 0

    init(_ text: String) {
        source = Array(text)
        while position < source.count { step() }
    }

    private mutating func step() {
        let character = source[position]
        if skips("//") {
            skip { $0 == "\n" }
        } else if skips("/*") {
            skipComment()
        } else if character == "\"" || isRawString {
            readString()
        } else if SwiftWords.isWord(character) {
            readWord()
        } else {
            if "([{".contains(character) { depth += 1 }
            if ")]}".contains(character) { depth -= 1 }
            position += 1
        }
    }

    private static func isWord(_ character: Character) -> Bool {
        character.isLetter || character.isNumber || character == "_"
    }

    private mutating func readWord() {
        let start = position
        skip { !SwiftWords.isWord($0) }
        let isMember = start > 0 && source[start - 1] == "." && !(start > 1 && source[start - 2] == ".")
        words.append(Word(text: String(source[start..<position]), depth: depth, isMember: isMember))
    }

    // MARK: Comments and strings

    /// The rest of a block comment, which may hold others.
    private mutating func skipComment() {
        var open = 1
        while open > 0, position < source.count {
            if skips("/*") {
                open += 1
            } else if skips("*/") {
                open -= 1
            } else {
                position += 1
            }
        }
    }

    /// Whether a string with `#` around its quotes begins here.
    private var isRawString: Bool {
        var end = position
        while end < source.count, source[end] == "#" { end += 1 }
        return end > position && end < source.count && source[end] == "\""
    }

    private mutating func readString() {
        let start = position
        skip { $0 != "#" }
        let marks = String(repeating: "#", count: position - start)
        let quote = startsWith("\"\"\"") ? "\"\"\"" : "\""
        position += quote.count
        while position < source.count, !skips(quote + marks) {
            if skips("\\\(marks)(") {
                readInterpolation()
            } else if !skips("\\\(marks)\\"), !skips("\\\(marks)\"") {
                position += 1
            }
        }
    }

    private mutating func readInterpolation() {
        let outside = depth
        depth += 1
        while depth > outside, position < source.count { step() }
    }

    // MARK: Moving on

    private func startsWith(_ text: String) -> Bool { source[position...].starts(with: text) }

    private mutating func skips(_ text: String) -> Bool {
        guard startsWith(text) else { return false }
        position += text.count
        return true
    }

    private mutating func skip(until isEnd: (Character) -> Bool) {
        while position < source.count, !isEnd(source[position]) { position += 1 }
    }
}
