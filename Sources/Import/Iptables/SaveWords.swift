// SPDX-License-Identifier: Apache-2.0

/// The words of one line of a saved rule set. A quoted word is never an option.
struct SaveWords {
    struct Word: Sendable, Hashable {
        var text: String
        var isQuoted: Bool

        /// Whether it starts an option, or is the mark of a negation.
        var isOption: Bool { !isQuoted && (text == "!" || (text.hasPrefix("-") && text.utf8.count > 1)) }
    }

    private(set) var words: [Word]
    private var next = 0

    /// Splits a line at spaces. Double quotes hold a word together; a backslash in them keeps the next character.
    init(_ line: some StringProtocol) {
        var words: [Word] = []
        var text = ""
        var (isQuoted, isInQuotes, isEscaped) = (false, false, false)
        for scalar in line.unicodeScalars {
            if isEscaped {
                text.unicodeScalars.append(scalar)
                isEscaped = false
            } else if isInQuotes, scalar == "\\" {
                isEscaped = true
            } else if scalar == "\"" {
                isInQuotes.toggle()
                isQuoted = true
            } else if !isInQuotes, scalar == " " || scalar == "\t" || scalar == "\r" {
                if !text.isEmpty || isQuoted { words.append(Word(text: text, isQuoted: isQuoted)) }
                text = ""
                isQuoted = false
            } else {
                text.unicodeScalars.append(scalar)
            }
        }
        if !text.isEmpty || isQuoted { words.append(Word(text: text, isQuoted: isQuoted)) }
        self.words = words
    }

    var isAtEnd: Bool { next >= words.count }
    var peek: Word? { isAtEnd ? nil : words[next] }

    mutating func take() -> Word? {
        guard let word = peek else { return nil }
        next += 1
        return word
    }

    /// The value of an option; nil if another option follows, or nothing.
    mutating func value() -> String? {
        guard let word = peek, !word.isOption else { return nil }
        next += 1
        return word.text
    }

    /// Takes a `!`, if it comes next.
    mutating func negation() -> Bool {
        guard let word = peek, word.text == "!", !word.isQuoted else { return false }
        next += 1
        return true
    }

    /// Everything up to the next option.
    mutating func values() -> [String] {
        var all: [String] = []
        while let text = value() { all.append(text) }
        return all
    }
}
