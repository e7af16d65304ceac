// SPDX-License-Identifier: Apache-2.0
import Policy
import Rendering

/// What a command says on standard error besides its result.
enum Notices {
    /// - Parameter withNotes: Whether to show also what is only worth a look.
    static func show(_ diagnostics: [Diagnostic], withNotes: Bool = false) {
        for diagnostic in diagnostics where withNotes || diagnostic.severity != .note {
            StandardError.line("\(diagnostic)")
        }
    }

    static func warn(_ warnings: [String]) {
        for warning in warnings { StandardError.line("warning: \(warning)") }
    }
}
