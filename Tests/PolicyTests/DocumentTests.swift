// SPDX-License-Identifier: Apache-2.0
import Foundation
import Policy
import TestSupport
import Testing

/// docs/policy.md must not describe a language that the loader does not read.
@Suite struct DocumentTests {
    @Test func examplesOfTheReferenceLoad() throws {
        let path = URL(filePath: #filePath).deletingLastPathComponent().path + "/../../docs/policy.md"
        let text = try String(contentsOfFile: path, encoding: .utf8)
        let blocks = text.components(separatedBy: "```yaml\n").dropFirst().map { $0.components(separatedBy: "```")[0] }
        let policy = try #require(blocks.first)
        let loaded = PolicyLoader(files: MemoryFiles(["policy.yaml": policy])).load(
            "policy.yaml", host: FixtureHost.inventory)
        #expect(loaded.diagnostics.map(\.description) == [])
        let groups = "version: 1\ngroups: { web: { addresses: 192.0.2.1 }, db: { addresses: 192.0.2.2 } }\n"
        for block in blocks.dropFirst() {
            let head = block.contains("groups:\n") ? "version: 1\n" : groups
            let policy = head + block.replacingOccurrences(of: "include:", with: "# ")
            let loaded = PolicyLoader(files: MemoryFiles(["policy.yaml": policy])).load(
                "policy.yaml", host: FixtureHost.inventory)
            let diagnostics = loaded.diagnostics.map(\.description).filter {
                // The blocks are parts of policies.
                !$0.hasSuffix("is defined and never used") && !$0.contains("has rules but no \"ports\"")
                    // Guests of the fixtures' host are others than the page's.
                    && !($0.contains(": warning: ") && $0.contains("workload"))
            }
            #expect(diagnostics == [], "\(block)")
        }
    }
}
