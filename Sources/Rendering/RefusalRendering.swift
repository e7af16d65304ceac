// SPDX-License-Identifier: Apache-2.0
import Control
import Datapath
import Policy

extension Words {
    /// What is wrong, then what to do, for an error of a call of Control; nil for other errors.
    package init?(failure error: any Error) {
        switch error {
        case let refusal as Refusal: self.init(refusal)
        case let error as DatapathError: self.init(error)
        default: return nil
        }
    }

    /// What is wrong, then what to do.
    package init(_ refusal: Refusal) { self.init(cause: refusal.cause, advice: refusal.advice) }

    /// If the verifier refused a program, the end of its log follows; the whole log may have thousands of lines.
    package init(_ error: DatapathError) {
        let log = (error.bpf?.log ?? "").split(separator: "\n").suffix(20)
        let lines = log.map { "  \($0)" as Words }.joined(separator: "\n")
        let tail: Words = log.isEmpty ? "" : "\nThe verifier's last words:\n\(lines)"
        self = "\(error.message)\(tail)" + (error.advice.map { "\n  \($0)" } ?? "")
    }

    private init(cause: String, advice: String?) { self = "\(cause)" + (advice.map { "\n  \($0)" } ?? "") }
}

/// A failure in parts, for whoever does not show it at once.
package struct FailureParts: Sendable, Hashable {
    package let message: Words
    package let advice: Words?
    /// What is to be shown before it.
    package let notices: [Words]

    package init(_ error: any Error) {
        switch error {
        case let refusal as Refusal:
            message = "\(refusal.cause)"
            advice = refusal.advice.map { "\($0)" }
            notices = refusal.diagnostics.filter { $0.severity != .note }.map { "\("\($0)")" }
        case let error as DatapathError:
            message = "\(error.message)"
            advice = error.advice.map { "\($0)" }
            notices = []
        default:
            message = "\("\(error)")"
            advice = nil
            notices = []
        }
    }
}
