// SPDX-License-Identifier: Apache-2.0
import Datapath

extension TrialReport {
    package var json: JSON {
        [
            "generation": JSON(optional: inForce), "trial": JSON(trial), "confirmed": .bool(inForce == trial),
            "trialUntil": nil,
        ]
    }

    package var words: Words {
        if inForce == trial { return "generation \(trial) is in force, and stays\n" }
        let now: Words = inForce.map { "generation \($0) is in force again" } ?? "no policy is in force, as before it"
        return "the trial of generation \(trial) \(hadEnded ? "had ended by itself" : "is ended"): \(now)\n"
    }
}
