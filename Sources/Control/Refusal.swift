// SPDX-License-Identifier: Apache-2.0
import Policy

/// Why a request was not carried out, and what to do next.
package struct Refusal: Error, Sendable, Hashable {
    /// What is wrong, and where.
    package var cause: String
    /// What to do about it.
    package var advice: String?
    /// The problems of a policy that led to it, to be shown before it.
    package var diagnostics: [Diagnostic]

    package init(_ cause: String, advice: String? = nil, diagnostics: [Diagnostic] = []) {
        self.cause = cause
        self.advice = advice
        self.diagnostics = diagnostics
    }
}
