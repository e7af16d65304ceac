// SPDX-License-Identifier: Apache-2.0
import Foundation
import Policy
import TestSupport
import Testing

/// No text may crash the loader. Fixtures are damaged at random; each must still give a ruleset, or an error whose
/// location is inside its file.
@Suite struct MutationTests {
    @Test func damagedPoliciesAreAnswered() throws {
        let seed = Seed.first()
        var random = Seeded(state: seed)
        let texts = try (Fixture.all("accept") + Fixture.all("refuse"))
            .filter { !$0.name.hasPrefix("yaml-") }
            .map { try [UInt8](Data(contentsOf: URL(filePath: "\($0.directory)/\($0.name).yaml"))) }
        // The line breaks that libyaml knows.
        let breaks: Set<Character> = ["\n", "\r", "\r\n", "\u{85}", "\u{2028}", "\u{2029}"]
        for _ in 0..<2_000 {
            guard var text = texts.randomElement(using: &random), let other = texts.randomElement(using: &random) else {
                continue
            }
            for _ in 0..<Int.random(in: 1...4, using: &random) { damage(&text, from: other, &random) }
            let loaded = PolicyLoader(files: MemoryFiles(["p": text])).load("p", host: FixtureHost.inventory)
            let hasError = loaded.diagnostics.contains { $0.severity == .error }
            #expect(loaded.isValid != hasError, "seed \(seed)")
            let lines = String(decoding: text, as: UTF8.self).count { breaks.contains($0) } + 1
            let isPlaced = loaded.diagnostics.allSatisfy {
                (1...lines).contains($0.location.line) && $0.location.column >= 1
            }
            #expect(
                isPlaced,
                "seed \(seed): \(loaded.diagnostics) in \(String(decoding: text, as: UTF8.self).debugDescription)")
        }
    }

    private func damage(_ text: inout [UInt8], from other: [UInt8], _ random: inout Seeded) {
        guard !text.isEmpty, !other.isEmpty else { return }
        let place = Int.random(in: 0..<text.count, using: &random)
        switch Int.random(in: 0..<5, using: &random) {
        case 0: text[place] = UInt8.random(in: 0...255, using: &random)
        case 1: text.remove(at: place)
        case 2:
            text.insert(
                contentsOf: Array("{}[]:,-*&!?\"'#|>%@ \n\t/0".utf8).shuffled(using: &random).prefix(2), at: place)
        case 3: text.removeSubrange(place..<min(place + Int.random(in: 1...20, using: &random), text.count))
        default:
            let start = Int.random(in: 0..<other.count, using: &random)
            text.insert(contentsOf: other[start..<min(start + 30, other.count)], at: place)
        }
    }

    /// SplitMix64: the same seed gives the same run.
    private struct Seeded: RandomNumberGenerator {
        var state: UInt64

        mutating func next() -> UInt64 {
            state &+= 0x9e37_79b9_7f4a_7c15
            var mixed = (state ^ (state >> 30)) &* 0xbf58_476d_1ce4_e5b9
            mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
            return mixed ^ (mixed >> 31)
        }
    }
}
