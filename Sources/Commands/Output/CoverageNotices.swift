// SPDX-License-Identifier: Apache-2.0
import Control

/// Says on standard error what passes unjudged although the policy means it. Counters and drops alone would look as if
/// all were well.
final class CoverageNotices {
    private let controller: Controller
    private let repeats: Bool
    private var told: Set<String> = []
    private var next: ContinuousClock.Instant?

    /// How often a stream looks for what is new.
    private static let interval = Duration.seconds(5)

    /// - Parameter repeats: whether each look says all of it, because a screen is cleared in between.
    init(_ controller: Controller, repeats: Bool = false) {
        self.controller = controller
        self.repeats = repeats
    }

    /// Looks now.
    func tell() {
        // Where it cannot be read, the command itself fails, and says why.
        guard let warnings = try? controller.warnings() else { return }
        Notices.warn(repeats ? warnings : warnings.filter { !told.contains($0) })
        told = Set(warnings)
    }

    /// Looks where it is time to; for loops. Always false.
    func tellNowAndThen() -> Bool {
        let now = ContinuousClock.now
        if let next, now < next { return false }
        next = now + CoverageNotices.interval
        tell()
        return false
    }
}
