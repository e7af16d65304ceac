// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

/// The part of `show --json` that has the hash.
private struct Shown: Decodable {
    var sha256: String
}

extension Integration {
    /// `policy.sha256` is what `sha256sum` says of the policy's text.
    @Suite(.serialized) struct PolicyHashTests {
        private static func sum(_ paths: String...) throws -> String {
            let words = ["sh", "-c", "cat \"$@\" | sha256sum", "sh"] + paths
            return String(try Shell.run(words).output.prefix(64))
        }

        /// A byte-order mark, and no line break at the end: nothing of the file is left out.
        @Test func itIsThatOfTheFile() throws {
            let site = try UplinkSite()
            let text = "version: 1\nports: { uplink: { interface: up0, protects: host } }\ndefaults: { in: accept }"
            for text in [text, "\u{feff}" + text, text + "\n"] {
                let path = try site.lab.file("policy.yaml", text)
                try site.bulkhead.apply(path)
                #expect(try site.bulkhead.status().policy.sha256 == Self.sum(path))
                #expect(try site.bulkhead.json(Shown.self, "show").sha256 == Self.sum(path))
            }
        }

        /// Neither the host's addresses nor another apply change it.
        @Test func itDoesNotChangeByItself() throws {
            let site = try UplinkSite()
            let path = try site.policy("  - { name: web, to: host, service: tcp/80, action: accept }")
            let hash = try Self.sum(path)
            try site.bulkhead.apply(path)
            #expect(try site.bulkhead.status().policy.sha256 == hash)
            try site.lab.address(site.host, "up0", "192.0.2.77/24")
            try site.bulkhead.apply(path)
            #expect(try site.bulkhead.run("quarantine", "uplink").status == 0)
            #expect(try site.bulkhead.status().policy.sha256 == hash)
        }

        @Test func ofSeveralFilesItIsThatOfAllInOrder() throws {
            let site = try UplinkSite()
            let last = try site.lab.file("b.yaml", "rules: [{ name: b, service: tcp/81, action: accept }]\n")
            let first = try site.lab.file("a.yaml", "rules: [{ name: a, service: tcp/80, action: accept }]\n")
            let policy = try site.policy("  - { name: own, action: drop }")
            let whole = try String(contentsOfFile: policy, encoding: .utf8)
            try (whole + "\ninclude: [b.yaml, a.yaml]\n").write(toFile: policy, atomically: true, encoding: .utf8)
            try site.bulkhead.apply(policy)
            #expect(try site.bulkhead.status().policy.sha256 == Self.sum(policy, last, first))
        }
    }
}
