// SPDX-License-Identifier: Apache-2.0

/// How a command ends. What each status means for a command stands in ``CommandNotes``.
enum ExitStatus: Int32, Sendable, CaseIterable {
    /// Done. A stream that was interrupted, or whose reader closed the pipe, counts as done.
    case done = 0
    /// Refused or failed. Standard error says why and what to do.
    case failed = 1
    /// The result was given, and it differs: with `diff --exit-code` traffic changes, or `import` left something out.
    case different = 2
    /// The answer was given, and it is that not all is as the policy wants it.
    case notEnforced = 3
    /// The command line is wrong. The argument parser ends the process with the same number.
    case usage = 64
}
