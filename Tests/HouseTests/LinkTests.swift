// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

/// What the documents link to is there: files, and headings in them.
@Suite struct LinkTests {
    private static func pages() throws -> [String] {
        ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"]
            + (try Checkout.files(under: "docs", suffix: ".md"))
    }

    /// The headings of a page, as its readers on the web are led to them.
    private static func anchors(of text: String) -> Set<String> {
        Set(
            text.split(separator: "\n").filter { $0.hasPrefix("#") }.map { heading in
                let words = heading.drop { $0 == "#" }.dropFirst().lowercased()
                return String(
                    words.filter { $0.isLetter || $0.isNumber || " -_".contains($0) }.map { $0 == " " ? "-" : $0 })
            })
    }

    @Test func everyLinkLeadsSomewhere() throws {
        for page in try Self.pages() {
            let folder = Checkout.root.appending(path: page).deletingLastPathComponent()
            let text = try Checkout.text(page)
            for link in text.matches(of: /\]\(([^)\s]+)\)/).map({ String($0.output.1) }) {
                if link.contains("://") { continue }
                let parts = link.split(separator: "#", maxSplits: 1, omittingEmptySubsequences: false)
                let target = parts[0].isEmpty ? nil : folder.appending(path: String(parts[0]))
                if let target {
                    #expect(FileManager.default.fileExists(atPath: target.path()), "\(page): \(link)")
                }
                guard parts.count == 2 else { continue }
                let linked = try target.map { try String(contentsOf: $0, encoding: .utf8) } ?? text
                #expect(Self.anchors(of: linked).contains(String(parts[1])), "\(page): \(link)")
            }
        }
    }

    /// The pages of decisions are all in their index, and each of their entries decides something.
    @Test func theIndexOfDecisionsIsWhole() throws {
        let index = try Checkout.text("docs/decisions/README.md")
        for page in try Checkout.files(under: "docs/decisions", suffix: ".md") where !page.hasSuffix("/README.md") {
            let name = page.split(separator: "/").last ?? ""
            #expect(index.contains("[\(name)](\(name))"), "\(page)")
            for entry in try Checkout.text(page).components(separatedBy: "\n## ").dropFirst() {
                #expect(entry.contains("**Decision.** "), "\(page): \(entry.prefix { $0 != "\n" })")
            }
        }
    }
}
