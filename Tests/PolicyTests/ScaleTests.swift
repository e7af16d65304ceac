// SPDX-License-Identifier: Apache-2.0
import Foundation
import Policy
import TestSupport
import Testing

/// Every step of the loader must be linear, except for sorting. 10,000 rules load in about a second in a debug build;
/// with a quadratic step the policies here would take minutes.
@Suite struct ScaleTests {
    @Test(.timeLimit(.minutes(1))) func manyRules() {
        let rules = (0..<10_000).map { index in
            let net = "198.\(18 + index & 1).\(index >> 8 & 255).\(index & 255)"
            return "  - { name: r\(index), from: \(net), to: g\(index % 500), service: tcp/\(index), action: accept }\n"
        }
        let groups = (0..<500).map { "  g\($0): { addresses: [203.0.113.\($0 % 256), \"2001:db8:\($0)::/48\"] }\n" }
        let loaded = load("groups:\n\(groups.joined())rules:\n\(rules.joined())")
        #expect(loaded.diagnostics.allSatisfy { $0.message.contains("no \"ports\"") })
        #expect(loaded.ruleset?.rules.count == 10_000)
    }

    @Test(.timeLimit(.minutes(1))) func manyMistakes() {
        let rules = (0..<5_000).map { "  - { name: r\($0), form: nobody\($0), service: htps\($0), action: acept }\n" }
        #expect(load("rules:\n" + rules.joined()).diagnostics.count == 15_000)
    }

    @Test(.timeLimit(.minutes(1))) func longChains() {
        let groups =
            (0..<5_000).map { "  g\($0): { groups: g\($0 + 1) }\n" }.joined() + "  g5000: { addresses: 192.0.2.1 }\n"
        let services = (0..<5_000).map { "  s\($0): [s\($0 + 1), s\($0 + 1)]\n" }.joined() + "  s5000: tcp/80\n"
        let rules = "  - { name: r, from: g0, service: s0, action: accept }\n"
        let loaded = load("groups:\n\(groups)services:\n\(services)rules:\n\(rules)")
        #expect(loaded.ruleset?.rules.first?.services?.count == 1)
        #expect(loaded.ruleset?.rules.first?.ends.first?.from?.prefixes.count == 1)
    }

    @Test(.timeLimit(.minutes(1))) func largeFeed() {
        let lines = (0..<50_000).map { "198.\(18 + $0 >> 16).\($0 >> 8 & 255).\($0 & 255)\n" }.joined()
        let policy = "version: 1\ngroups: { bad: { files: bad.txt } }\nrules: [{ name: a, from: bad, action: drop }]\n"
        let loaded = PolicyLoader(files: MemoryFiles(["policy.yaml": policy, "bad.txt": lines])).load("policy.yaml") {
            _ in .empty
        }
        #expect(loaded.ruleset?.groups.first?.set.description == "198.18.0.0-198.18.195.79")
    }

    @Test(.timeLimit(.minutes(1))) func manyPorts() {
        let ports = (0..<2_000).map { index in
            "  p\(index): { interface: tap\(index), mac: 52:54:00:00:\(hex(index >> 8)):\(hex(index & 255)), "
                + "addresses: 198.18.\(index >> 8).\(index & 255) }\n"
        }
        let loaded = load("ports:\n" + ports.joined())
        #expect(loaded.bindings.count == 2_000)
        #expect(loaded.isValid)
    }

    private func hex(_ byte: Int) -> String { (byte < 16 ? "0" : "") + String(byte, radix: 16) }

    private func load(_ text: String) -> LoadedPolicy {
        PolicyLoader(files: MemoryFiles(["policy.yaml": "version: 1\n" + text])).load("policy.yaml") { _ in .empty }
    }
}
