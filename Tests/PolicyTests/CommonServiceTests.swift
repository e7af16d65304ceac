// SPDX-License-Identifier: Apache-2.0
import Foundation
import Network
import Policy
import Testing

/// The table of common services in docs/policy.md is what the reader takes.
@Suite struct CommonServiceTests {
    /// The rows of the table: name, and services as a policy writes them.
    private static func rows() throws -> [(name: String, services: [String])] {
        let path = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../docs/policy.md")
        let text = try String(contentsOf: path, encoding: .utf8)
        let section = try #require(text.components(separatedBy: "### Common services\n").last)
        let lines = section.split(separator: "\n").drop { !$0.hasPrefix("| `") }.prefix { $0.hasPrefix("| `") }
        return lines.map { line in
            let words = line.split(separator: "`").enumerated().filter { $0.offset % 2 == 1 }.map { String($0.element) }
            return (words[0], Array(words.dropFirst()))
        }
    }

    @Test func thePageListsThemAll() throws {
        #expect(try Self.rows().map(\.name) == CommonService.names)
    }

    @Test func thePageSaysWhatTheyAre() throws {
        for row in try Self.rows() {
            let written = try row.services.map { try ServiceText.parse($0) }
            #expect(CommonService.services(row.name) == written, "\(row.name)")
        }
    }
}
