// SPDX-License-Identifier: Apache-2.0
import Foundation
import Policy
import TestSupport
import Testing

/// The policies in `Fixtures/`, each with a file of its expected outcome. With `RECORD_FIXTURES=1` in the environment
/// the outcomes are written instead of compared; read them before committing.
@Suite struct FixtureTests {
    @Test(arguments: Fixture.all("accept")) func accepts(fixture: Fixture) throws {
        let loaded = fixture.load()
        let errors = loaded.diagnostics.filter { $0.severity == .error }
        #expect(errors.isEmpty, "\(errors.map(\.description).joined(separator: "\n"))")
        let ruleset = try #require(loaded.ruleset)
        let text = ruleset.description + fixture.bindings(loaded) + fixture.diagnostics(loaded)
        #expect(try fixture.expectation(of: text) == text)
    }

    @Test(arguments: Fixture.all("refuse")) func refuses(fixture: Fixture) throws {
        let loaded = fixture.load()
        #expect(!loaded.isValid)
        #expect(loaded.diagnostics.contains { $0.severity == .error })
        let text = fixture.diagnostics(loaded)
        #expect(try fixture.expectation(of: text) == text)
    }

    /// Without this, an empty or missing directory would make the tests above pass without checking anything.
    @Test func fixturesAreThere() {
        #expect(Fixture.all("accept").count >= 10)
        #expect(Fixture.all("refuse").count >= 110)
    }
}

/// A policy file and the file of its expected outcome.
struct Fixture: Sendable, CustomTestStringConvertible {
    var directory: String
    var name: String

    static let root = URL(filePath: #filePath).deletingLastPathComponent().path + "/Fixtures"

    var testDescription: String { name }

    static func all(_ directory: String) -> [Fixture] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "\(root)/\(directory)")) ?? []
        return names.filter { $0.hasSuffix(".yaml") }.sorted()
            .map { Fixture(directory: "\(root)/\(directory)", name: String($0.dropLast(5))) }
    }

    func load() -> LoadedPolicy {
        PolicyLoader().load("\(directory)/\(name).yaml", host: FixtureHost.inventory)
    }

    /// The outcome, with file names relative to the fixture's folder.
    func diagnostics(_ loaded: LoadedPolicy) -> String {
        loaded.diagnostics.map { diagnostic in
            let rule = diagnostic.rule.map { " [\($0)]" } ?? ""
            return "\(diagnostic)\(rule)\n".replacingOccurrences(of: directory + "/", with: "")
        }.joined()
    }

    func bindings(_ loaded: LoadedPolicy) -> String { loaded.bindings.map { "\($0)\n" }.joined() }

    func expectation(of text: String) throws -> String {
        let path = "\(directory)/\(name).expected"
        if ProcessInfo.processInfo.environment["RECORD_FIXTURES"] != nil {
            try text.write(toFile: path, atomically: true, encoding: .utf8)
        }
        return try String(contentsOfFile: path, encoding: .utf8)
    }
}
