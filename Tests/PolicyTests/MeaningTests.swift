// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

/// docs/meaning.md names a test for each line of the language's meaning and for each trap, docs/threats.md one for each
/// attack. The tests that they name must exist.
@Suite struct MeaningTests {
    private static let root = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../..")

    private static func text(_ page: String) throws -> String {
        try String(contentsOf: root.appending(path: "docs/\(page)"), encoding: .utf8)
    }

    /// The rows of a section's table, as cells.
    private static func rows(of section: String, in page: String = "meaning.md") throws -> [[String]] {
        let parts = try text(page).components(separatedBy: "\n## ")
        let part = try #require(parts.first { $0.hasPrefix(section + "\n") }, "\(page) has no section \(section)")
        return part.split(separator: "\n").filter { $0.hasPrefix("| ") }.dropFirst(2).map { row in
            row.dropFirst(2).dropLast(2).components(separatedBy: " | ")
        }
    }

    /// The tests that a text names: target, file, function, and rows of its table.
    private static func tests(in text: String) -> [(file: String, function: String, rows: [String])] {
        text.matches(of: /`(\w+)\/(\w+)\.(\w+)`([^`]*)/).map { match in
            let rows = match.output.4.matches(of: /"([^"]+)"/).map { String($0.output.1) }
            return ("Tests/\(match.output.1)/\(match.output.2).swift", String(match.output.3), rows)
        }
    }

    private static func expectAll(_ tests: [(file: String, function: String, rows: [String])]) {
        for test in tests {
            let source = try? String(contentsOf: root.appending(path: test.file), encoding: .utf8)
            #expect(source?.contains("func \(test.function)(") == true, "\(test.file) has no \(test.function)")
            let texts = test.rows.isEmpty ? [] : extensions(of: test.file) + [source ?? ""]
            for name in test.rows {
                #expect(texts.contains { $0.contains("\(name)\"") }, "\(test.file) has no row '\(name)'")
            }
        }
    }

    /// The rows of a suite's tables may be in other files of the target, in extensions of the suite.
    private static func extensions(of file: String) -> [String] {
        let path = root.appending(path: file)
        let folder = path.deletingLastPathComponent()
        let suite = path.deletingPathExtension().lastPathComponent
        let files = (try? FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)) ?? []
        return files.filter { $0.pathExtension == "swift" }
            .compactMap { try? String(contentsOf: $0, encoding: .utf8) }
            .filter { $0.contains(".\(suite) {") }
    }

    @Test func everyLineIsThere() throws {
        let rows = try Self.rows(of: "Meaning")
        var lines = rows.map { $0[0] }
        #expect(rows.allSatisfy { $0.count == 3 })
        for (index, line) in lines.enumerated().reversed() where index > 0 && lines[index - 1] == line {
            lines.remove(at: index)
        }
        #expect(lines == (1...13).map(String.init))
    }

    @Test(arguments: ["Meaning", "Traps"]) func everyTestIsThere(section: String) throws {
        for row in try Self.rows(of: section) {
            let tests = Self.tests(in: row[row.count - 1])
            #expect(!tests.isEmpty, "\(row[0]): no test")
            Self.expectAll(tests)
        }
    }

    @Test(arguments: ["A guest", "The network", "A user of the host", "The careless administrator"])
    func everyThreatHasATest(section: String) throws {
        let rows = try Self.rows(of: section, in: "threats.md")
        #expect(rows.count >= 5)
        for row in rows {
            #expect(row.count == 3, "\(row[0])")
            let tests = Self.tests(in: row[row.count - 1])
            #expect(!tests.isEmpty, "\(row[0]): no test")
            Self.expectAll(tests)
        }
    }

    /// A threat that is out of scope needs no test, but the tests that its row names must exist.
    @Test func whatIsOutOfReachIsSaid() throws {
        #expect(try Self.rows(of: "Out of reach", in: "threats.md").count >= 5)
        let tests = Self.tests(in: try Self.text("threats.md"))
        #expect(tests.contains { $0.file.hasSuffix("SightTests.swift") })
        Self.expectAll(tests)
    }
}
