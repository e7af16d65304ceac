// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Commands
@testable import Control
@testable import Rendering

@Suite struct WordsTests {
    @Test(arguments: [
        ("plain, größe 🙂 日本", "plain, größe 🙂 日本"),
        ("a\\n", "a\\n"),
        ("\u{1b}[2J", "\\x1b[2J"),
        ("\u{7}\u{8}\u{7f}\u{0}", "\\x07\\x08\\x7f\\x00"),
        ("one\ntwo\r\nthree\t", "one\\ntwo\\r\\nthree\\t"),
        ("\u{9b}31m\u{85}", "\\u{9b}31m\\u{85}"),
        ("\u{202e}drop\u{202c}\u{2066}\u{200f}\u{61c}", "\\u{202e}drop\\u{202c}\\u{2066}\\u{200f}\\u{61c}"),
        ("\u{2028}\u{2029}\u{feff}\u{200b}\u{e0041}", "\\u{2028}\\u{2029}\\u{feff}\\u{200b}\\u{e0041}"),
        ("e\u{301}\u{1b}", "e\u{301}\\x1b"),
    ])
    func writesOutWhatATerminalActsUpon(text: String, written: String) {
        #expect("\(text)" as Words == Words(lines: written))
        #expect(Words.escaped(text) == written)
    }

    @Test func keepsItsOwnWords() {
        let inner: Words = "a\n\(Palette(isColoured: true).red("\("x\ny")"))"
        #expect("\(inner) \(1) \("\u{1b}")" as Words == "a\n\u{1b}[31mx\\ny\u{1b}[0m 1 \\x1b")
        #expect((["a", "b\n", "c"] as [Words]).joined(separator: ", ").text == "a, b\n, c")
    }

    @Test func keepsLinesAndTabsOfTextOfSeveral() {
        #expect(Words(lines: "a:\tb\r\n\u{1b}[0mc\n").text == "a:\tb\\r\n\\x1b[0mc\n")
    }

    @Test func cellsOfATableAreOneLine() {
        var table = Table([.init("RULE"), .init("N", .right)])
        table.append(["a\n\u{1b}b", "1"])
        #expect(table.text == "RULE      N\na\\n\\x1bb  1\n")
    }

    @Test func refusalsCarryOthersWordsWrittenOut() {
        let name = "x\nError: y\u{1b}"
        #expect(
            Words(Refusal("no '\(name)'", advice: "see \(name)")).text
                == "no 'x\\nError: y\\x1b'\n  see x\\nError: y\\x1b")
    }
}
