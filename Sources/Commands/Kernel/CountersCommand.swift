// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Control
import Rendering
import Requests

struct CountersCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "counters",
        abstract: "Show the kernel's counters by port, reason and rule.",
        discussion: """
            Packets and bytes are counted as on the wire, since the instance was first applied. A rule keeps its \
            counts over a new policy that has a rule of that name. Each dropped packet is counted once more: as \
            emitted (a reader got it), lost (a reader wanted it, but had no room) or suppressed (all others). The \
            three add up to the drops. Standard error names ports whose packets are not counted, because they pass \
            unjudged.

            With --watch there are rates too, each over the last second. On a terminal the page fits it: columns that \
            matter less are left out, and of many ports and rules those are shown that do most.

            Example:
              bulkhead counters
              bulkhead counters --watch
              bulkhead counters --watch --json | jq -c '[.time, .events.emitted]'
            """)

    @OptionGroup var instance: InstanceOptions
    @OptionGroup var output: OutputOptions
    @Flag(help: "Show the counters and their rates every second until interrupted.")
    var watch = false

    func run() throws {
        guard watch else { return try instance.show(.counters, output) }
        try instance.requireKernel(for: "counters --watch")
        let controller = try instance.controller
        Interruption.catchSignals()
        let notices = CoverageNotices(controller, repeats: StandardOutput.isTerminal && !output.isJSON)
        var screen = CounterScreen()
        try controller.followCounters(every: .seconds(1), until: Interruption.isRequested) { counters in
            guard !output.isJSON else { return try StandardOutput.line(counters.json) }
            try Screen.show(screen.lines(counters, fitting: Screen.size))
            notices.tell()
        }
        if !output.isJSON { try Screen.end() }
    }
}
