// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Fuzzing

@main
struct FuzzCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "fuzz",
        abstract: "Judge mutated frames by the kernel's programs and by the references, until they differ.")

    @Option(help: "What the mutants are drawn from: the same seed gives the same.")
    var seed: UInt64 = 1
    @Option(help: "How many to judge.")
    var count = 1_000_000
    @Option(help: ArgumentHelp("Captures to mutate; frames are made up where left out.", valueName: "folder"))
    var captures: String?

    @Flag(help: "Send some of them by a tap, with vnet headers: partial checksums and types of super-packets.")
    var offloads = false

    func run() throws {
        let corpus = try captures.map { try Corpus(capturesIn: $0) } ?? Corpus(madeUpFrom: seed)
        var fuzzer = try Fuzzer(corpus, seed: seed, offloads: offloads)
        let clock = ContinuousClock()
        let start = clock.now
        let difference = try fuzzer.run(count)
        let seconds = (clock.now - start) / .seconds(1)
        for (said, number) in fuzzer.counts.sorted(by: { $0.value > $1.value }) { print("\(number)\t\(said)") }
        print("\(fuzzer.droppedEarly)\tdropped by XDP as well")
        print("\(fuzzer.sent)\tsent by a tap; \(fuzzer.arrived) frames came of them")
        if let difference {
            print("seed \(seed), packet \(difference.number): they differ \(difference.description)")
            throw ExitCode.failure
        }
        print(
            "seed \(seed): \(count) mutants of \(corpus.count) frames, no difference, \(Int(seconds)) s")
    }
}
