// SPDX-License-Identifier: Apache-2.0
import Simulation
import TestSupport

/// What a shadow costs a packet of which both policies say the same: with one that stands behind the programs, and
/// without.
struct Shadows: Section {
    static let name = "shadow"

    let settings: Settings
    let lab: Lab

    func run(_ report: inout Report) throws {
        settings.say("shadow: each packet is judged once more")
        let (off, on) = (try TestRuns(), try TestRuns())
        let shadow = try SimulatedShadow(on.simulator, image: on.image)
        try shadow.stand(behind: .tcIngress)
        shadow.isOn = true
        let compared = try shadow.counts().compared
        try report.compare("A shadow, by test runs", rounds: settings.rounds, [("off", off), ("on", on)])
        guard try shadow.counts().compared > compared else { throw Failure("the shadow compared nothing") }
        shadow.isOn = false
    }
}
