// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

/// No line of code is wider than 120 columns. Prose in Markdown wraps where the reader's window does.
@Suite struct LineTests {
    private static let limit = 120

    /// A tab goes on to the next multiple of eight columns.
    private static func width(of line: Substring) -> Int {
        line.reduce(0) { column, character in character == "\t" ? (column / 8 + 1) * 8 : column + 1 }
    }

    private static func wideLines(of path: String) throws -> [String] {
        let lines = try Checkout.text(path).split(separator: "\n", omittingEmptySubsequences: false)
        return zip(1..., lines).filter { width(of: $1) > limit }.map { "\(path):\($0)" }
    }

    @Test(arguments: ["BPF", "Benchmarks", "Examples", "Plugins", "Sources", "Tests"])
    func areAtMost120ColumnsWide(folder: String) throws {
        for suffix in [".c", ".h", ".swift", ".yaml"] {
            for path in try Checkout.files(under: folder, suffix: suffix) where !path.contains("/Fixtures/") {
                #expect(try Self.wideLines(of: path) == [])
            }
        }
    }

    @Test func areAtMost120ColumnsWideInScripts() throws {
        for path in try Checkout.files(under: "Scripts", suffix: "") + ["Package.swift", ".ci/run"] {
            #expect(try Self.wideLines(of: path) == [])
        }
    }

    @Test func tabsGoOnToTheNextEighthColumn() {
        #expect(Self.width(of: "\tint x;") == 14)
        #expect(Self.width(of: "ab\tc") == 9)
    }
}
