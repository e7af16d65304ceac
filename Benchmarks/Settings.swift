// SPDX-License-Identifier: Apache-2.0
import Foundation

/// What the command line asks for.
struct Settings {
    /// The executable that is measured.
    var bulkhead: String
    var short: Bool
    /// The folder of rule sets, where there is one.
    var corpora: String?
    var rounds: Int
    var burstMilliseconds: Double
    /// Seconds of each measurement of a connection.
    var stretch: Double

    private let start = ContinuousClock.now

    init(
        bulkhead: String, short: Bool, corpora: String?, rounds: Int, burstMilliseconds: Double, stretch: Double
    ) {
        self.bulkhead = bulkhead
        self.short = short
        self.corpora = corpora
        self.rounds = rounds
        self.burstMilliseconds = burstMilliseconds
        self.stretch = stretch
    }

    /// Tells people what is going on, and since when they wait.
    func say(_ words: String) {
        let seconds = Int((ContinuousClock.now - start) / .seconds(1))
        FileHandle.standardError.write(Data("[\(seconds) s] \(words)\n".utf8))
    }
}
