// SPDX-License-Identifier: Apache-2.0
import Foundation

/// Tells on standard error, twice a minute, how far a long series of runs has come. A short series says nothing.
public struct Progress {
    private let title: String
    private let runs: Int
    private let start = ContinuousClock.now
    private var next: ContinuousClock.Instant
    private var done = 0

    private static let pause = Duration.seconds(30)
    private static let many = 100

    public init(_ title: String, runs: Int) {
        self.title = title
        self.runs = runs
        next = start + Self.pause
    }

    /// One more run is done. `note` says more about it.
    public mutating func advance(_ note: @autoclosure () -> String) {
        done += 1
        guard runs >= Self.many, ContinuousClock.now >= next else { return }
        next = ContinuousClock.now + Self.pause
        let seconds = (ContinuousClock.now - start).components.seconds
        FileHandle.standardError.write(Data("\(title): \(done) of \(runs) in \(seconds) s, \(note())\n".utf8))
    }
}
