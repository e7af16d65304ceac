// SPDX-License-Identifier: Apache-2.0
import Control
import Synchronization

/// Says on standard error what passes unjudged although the policy means it. Counters and drops alone would look as if
/// all were well.
final class CoverageNotices: Sendable {
    private let controller: Controller
    private let repeats: Bool
    private let told = Mutex<Set<String>>([])

    /// - Parameter repeats: whether each look says all of it, because a screen is cleared in between.
    init(_ controller: Controller, repeats: Bool = false) {
        self.controller = controller
        self.repeats = repeats
    }

    /// Looks now.
    func tell() {
        // Where it cannot be read, the command itself fails, and says why.
        guard let warnings = try? controller.warnings() else { return }
        let known = told.withLock { told in
            defer { told = Set(warnings) }
            return told
        }
        Notices.warn(repeats ? warnings : warnings.filter { !known.contains($0) })
    }
}
