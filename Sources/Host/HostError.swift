// SPDX-License-Identifier: Apache-2.0

/// Why the host could not be read, or one of its namespaces could not be entered.
package struct HostError: Error, Sendable {
    /// What went wrong, with its cause.
    package var message: String
    /// What to do about it, if that is known.
    package var advice: String?

    package init(_ message: String, advice: String? = nil) {
        self.message = message
        self.advice = advice
    }
}

/// A type of error that a ``HostError`` can become.
package protocol HostFailure: Error {
    init(_ error: HostError)
}

extension HostError: HostFailure {
    package init(_ error: HostError) { self = error }
}

extension HostFailure {
    /// Runs `body`; a ``HostError`` becomes an error of this type.
    package static func of<Result: ~Copyable>(_ body: () throws(HostError) -> Result) throws(Self) -> Result {
        do {
            return try body()
        } catch {
            throw Self(error)
        }
    }
}
