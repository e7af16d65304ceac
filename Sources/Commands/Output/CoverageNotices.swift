// SPDX-License-Identifier: Apache-2.0
import Control
import Synchronization

/// Says on standard error what passes unjudged although the policy means it. Counters and drops alone would look as if
/// all were well.
final class CoverageNotices: Sendable {
    private let controller: Controller
    private let repeats: Bool
    private let told = Mutex(CoverageWarnings())

    /// - Parameter repeats: whether each look says all of it, because a screen is cleared in between.
    init(_ controller: Controller, repeats: Bool = false) {
        self.controller = controller
        self.repeats = repeats
    }

    /// Looks now.
    func tell() {
        // Where it cannot be read, the command itself fails, and says why.
        guard let warnings = try? controller.warnings() else { return }
        let new = told.withLock { $0.new(among: warnings) }
        Notices.warn(repeats ? warnings : new)
    }
}
