// SPDX-License-Identifier: Apache-2.0
import Wire

/// Colour for terminals, or none.
package struct Palette: Sendable {
    package let isColoured: Bool

    package init(isColoured: Bool) { self.isColoured = isColoured }

    package static let plain = Palette(isColoured: false)

    package func red(_ words: Words) -> Words { paint(words, 31) }
    package func green(_ words: Words) -> Words { paint(words, 32) }
    package func yellow(_ words: Words) -> Words { paint(words, 33) }
    package func faint(_ words: Words) -> Words { paint(words, 2) }
    package func bold(_ words: Words) -> Words { paint(words, 1) }

    /// A verdict in capitals: green if it accepts, yellow if it logs, else red.
    package func verdict(_ verdict: Action) -> Words {
        let word: Words = "\(verdict.rawValue.uppercased())"
        return verdict == .accept ? green(word) : verdict == .log ? yellow(word) : red(word)
    }

    private func paint(_ words: Words, _ code: Int) -> Words {
        isColoured ? "\u{1b}[\(code)m\(words)\u{1b}[0m" : words
    }
}
