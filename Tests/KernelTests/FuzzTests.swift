// SPDX-License-Identifier: Apache-2.0
import Foundation
import Fuzzing
import TestSupport
import Testing

extension PacketTables {
    /// Mutants of captured frames, or of synthetic ones if there are no captures, through the kernel's programs and the
    /// references. They take about a minute; `Scripts/fuzz` judges more.
    @Suite struct FuzzTests {
        @Test func theKernelAgreesWithTheReferences() throws {
            let seed = Seed.first()
            let count = Seed.count("BULKHEAD_MUTANTS", usual: 400_000)
            let corpus = try Corpora.folder.map { try Corpus(capturesIn: "\($0)/pcaps") } ?? Corpus(madeUpFrom: seed)
            print("fuzz test: BULKHEAD_SEED=\(seed), \(count) mutants of \(corpus.count) frames")
            var fuzzer = try Fuzzer(corpus, seed: seed, offloads: true)
            if let difference = try fuzzer.run(count) {
                Issue.record("seed \(seed), packet \(difference.number): they differ \(difference)")
                return
            }
            #expect(fuzzer.counts.values.reduce(0, +) == count)
            guard count >= 50_000 else { return }
            let met: Set = [
                "accept rule", "accept default", "accept established", "accept related", "accept fragment",
                "accept essential", "accept control", "drop rule", "drop default", "drop malformed", "drop fragment",
                "drop extension-header", "drop vlan", "drop non-ip", "drop invalid-state",
                "reject rule", "reject default",
            ]
            #expect(Set(fuzzer.counts.keys).isSuperset(of: met))
            #expect(fuzzer.droppedEarly > 100)
            #expect(fuzzer.sent > 1000 && fuzzer.arrived > 100)
        }
    }
}
