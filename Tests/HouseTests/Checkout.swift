// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

/// The checkout that these tests were built from.
enum Checkout {
    static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    static func text(_ path: String) throws -> String {
        try String(contentsOf: root.appending(path: path), encoding: .utf8)
    }

    /// The files under a folder, by their path from the root.
    static func files(under folder: String, suffix: String) throws -> [String] {
        let base = root.appending(path: folder)
        let found = try #require(FileManager.default.enumerator(atPath: base.path()))
        return found.compactMap { $0 as? String }.filter { $0.hasSuffix(suffix) }.sorted().map { "\(folder)/\($0)" }
    }

    /// The modules that a Swift file imports.
    static func imports(of path: String) throws -> [String] {
        try text(path).split(separator: "\n").compactMap { line in
            let words = line.split(separator: " ")
            guard let place = words.firstIndex(of: "import"), place <= 1, place + 1 < words.count, !line.hasPrefix(" ")
            else { return nil }
            return String(words[place + 1])
        }
    }
}
