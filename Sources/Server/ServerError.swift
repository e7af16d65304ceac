// SPDX-License-Identifier: Apache-2.0

/// Why a server cannot be started.
package struct ServerError: Error, Hashable {
    package let cause: String
    /// What to do about it.
    package let advice: String

    init(_ cause: String, advice: String) {
        self.cause = cause
        self.advice = advice
    }
}
