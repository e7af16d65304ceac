// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

@testable import Policy

/// The JSON Schema takes what the parser takes, and refuses what is wrong in structure.
@Suite struct SchemaTests {
    private static let root = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../..").path + "/"

    /// Reads YAML as editors do (a number is a number, and only `true` and `false` are truth values), and again with
    /// all scalars as text. Prints the files that a schema refuses, with the reason.
    private static let validator = """
        import json, re, sys, yaml, jsonschema
        class Core(yaml.SafeLoader): pass
        Core.yaml_implicit_resolvers = {}
        for tag, form, first in [
            ("bool", "true|false", "tf"), ("int", "[-+]?[0-9]+", list("-+0123456789")), ("null", "null|~|", "n~"),
            ("float", "[-+]?[0-9]+[.][0-9]+", list("-+0123456789"))]:
            Core.add_implicit_resolver("tag:yaml.org,2002:" + tag, re.compile("^(" + form + ")$"), list(first) + [""])
        Core.add_constructor("tag:yaml.org,2002:int", lambda l, n: int(l.construct_scalar(n)))
        class Text(yaml.BaseLoader): pass
        schema = json.load(open(sys.argv[1]))
        jsonschema.Draft202012Validator.check_schema(schema)
        validator = jsonschema.Draft202012Validator(schema)
        def nothing(value):
            if isinstance(value, dict): return {k: nothing(v) for k, v in value.items()}
            if isinstance(value, list): return [nothing(v) for v in value]
            return None if value == "" else value
        for path in sys.argv[2:]:
            found = []
            for loader in (Core, Text):
                try: value = yaml.load(open(path, encoding="utf-8-sig").read(), loader)
                except Exception as error: found.append("unread"); continue
                if loader is Text: value = nothing(value)
                error = jsonschema.exceptions.best_match(validator.iter_errors(value))
                if error: found.append((error.json_path + ": " + error.message).replace("\\n", " ")[:200])
            if found: print(path + "\\t" + found[0])
        """

    /// The files that the schema refuses, by path, with the reason.
    private static func refused(_ paths: [String]) throws -> [String: String] {
        let folder = FileManager.default.temporaryDirectory.appending(path: "bulkhead-schema-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let schema = folder.appending(path: "schema.json").path
        try PolicySchema.text.write(toFile: schema, atomically: false, encoding: .utf8)
        let result = try Shell.run(["python3", "-c", validator, schema] + paths, seconds: 60)
        try #require(result.status == 0, "\(result.errors)")
        let rows = result.output.split(separator: "\n").map { $0.split(separator: "\t", maxSplits: 1).map(String.init) }
        return Dictionary(rows.filter { $0.count == 2 }.map { ($0[0], $0[1]) }) { first, _ in first }
    }

    private static func policies(_ folder: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: root + folder).filter { $0.hasSuffix(".yaml") }.sorted()
            .map { root + folder + "/" + $0 }
    }

    /// Editors take the schema from beside the policy. A change of it is written there with
    /// `bulkhead schema >Examples/policy.schema.json`.
    @Test func everyExampleNamesIt() throws {
        let kept = try String(contentsOfFile: Self.root + "Examples/policy.schema.json", encoding: .utf8)
        #expect(kept == PolicySchema.text)
        for path in try Self.policies("Examples") {
            let text = try String(contentsOfFile: path, encoding: .utf8)
            #expect(text.hasPrefix("# yaml-language-server: $schema=policy.schema.json\n"), "\(path)")
        }
    }

    @Test func everyKeyHasAShape() { #expect(PolicySchema.keysWithoutShape == []) }

    @Test func everyExampleFits() throws {
        let paths = try Self.policies("Examples")
        #expect(paths.count >= 6)
        #expect(try Self.refused(paths) == [:])
    }

    @Test func everyPolicyThatTheParserTakesFits() throws {
        let paths = try Self.policies("Tests/PolicyTests/Fixtures/accept")
        #expect(try Self.refused(paths) == [:])
    }

    /// What a message says of a mistake in structure.
    private static let structural = [
        "unknown key", "must be a mapping", "must be a list", "has no \"name\"", "has no \"action\"",
        "has no \"expect\"", "expected accept", "expected drop", "expected one of", "found an empty list",
        "is not a rate", "has neither \"interface\" nor \"bridge\"", "has both \"interface\" and \"bridge\"",
        "a duration such as", "expected version 1", "is not a guard", "expected strict", "expected true or false",
        "expected on or off", "asks for nothing", "has an empty list",
    ]

    @Test func whatIsWrongInStructureIsRefused() throws {
        let folder = "Tests/PolicyTests/Fixtures/refuse"
        let wrong = try Self.policies(folder).filter { path in
            let name = URL(filePath: path).lastPathComponent
            let text = try String(contentsOfFile: path.dropLast(5) + ".expected", encoding: .utf8)
            // Of the file itself, and not of one that it includes; what is no YAML is not asked.
            return !name.hasPrefix("yaml-")
                && text.split(separator: "\n").contains { line in
                    line.hasPrefix(name) && line.contains(": error:") && Self.structural.contains { line.contains($0) }
                }
        }
        #expect(wrong.count >= 25)
        let refused = try Self.refused(wrong)
        #expect(wrong.filter { refused[$0] == nil }.map { URL(filePath: $0).lastPathComponent } == [])
    }
}
