// SPDX-License-Identifier: Apache-2.0
import Policy
import Rendering

/// What a command says on standard error besides its result.
enum Notices {
    static func show(_ diagnostics: [Diagnostic]) {
        for diagnostic in diagnostics { StandardError.line("\(diagnostic)") }
    }

    static func warn(_ warnings: [String]) {
        for warning in warnings { StandardError.line("warning: \(warning)") }
    }
}
