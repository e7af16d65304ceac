// SPDX-License-Identifier: Apache-2.0
import Control
import Simulation
import Wire

extension Replay.Packet {
    /// - Parameter number: Of the packet in its capture, from 1.
    package func json(_ number: Int) -> JSON {
        [
            "packet": JSON(number), "direction": .string(direction.rawValue),
            "verdict": .string(outcome.verdict.rawValue), "reason": JSON(outcome.reason?.rawValue),
            "rule": JSON(outcome.ruleName),
        ]
    }

    package func words(_ number: Int) -> Words {
        let words = [
            "\(number)", direction.rawValue, outcome.verdict.rawValue, outcome.reason?.rawValue, outcome.ruleName,
        ]
        return "\(words.compactMap(\.self).joined(separator: " "))"
    }
}
