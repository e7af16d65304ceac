// SPDX-License-Identifier: Apache-2.0
import Control
import FoundationEssentials
import Policy

/// What is on trial at a moment, for who waits for the end of it.
package struct TrialNow: Sendable, Hashable {
    /// nil: no policy is.
    package var inForce: UInt32?
    /// The generation on trial; nil: none is.
    package var generation: UInt32?
    /// Until the trial ends by itself.
    package var left: Duration

    package init(of controller: Controller) throws {
        let trial = try controller.trial()
        inForce = try controller.generationInForce()
        generation = trial?.generation
        left = .nanoseconds(trial?.left ?? 0)
    }

    private struct Status: Decodable {
        struct Trial: Decodable {
            var generation: UInt32
            var until: String
        }
        var generation: UInt32?
        var trial: Trial?
    }

    /// - Parameter status: The document of a status.
    /// - Returns: nil if it is something else.
    init?(status: [UInt8]) {
        guard let read = try? JSONDecoder().decode(Status.self, from: Data(status)) else { return nil }
        inForce = read.generation
        generation = read.trial?.generation
        left = .zero
        guard let trial = read.trial else { return }
        guard let until = Timestamp(trial.until)?.nanoseconds else { return nil }
        let now = WallClock.now
        left = .nanoseconds(until > now ? until - now : 0)
    }
}

extension ControlSocket {
    /// - Parameter isEnded: Whether the answer is not wanted any more; asked when a signal comes.
    package func trialNow(until isEnded: @autoclosure () -> Bool) throws -> TrialNow {
        var text = ""
        let question = Question.status(checks: false)
        try ask("GET", question.target, Presentation(isJSON: true), until: isEnded()) { piece in
            if case .output(let part) = piece { text += part }
        }
        guard let now = TrialNow(status: Array(text.utf8)) else { throw Self.strange }
        return now
    }
}
