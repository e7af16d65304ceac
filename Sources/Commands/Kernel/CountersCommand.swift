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
        guard watch else { return try instance.show(.counters(watches: false), output) }
        Interruption.catchSignals()
        if let socket = instance.socket { return try follow(socket) }
        let controller = try instance.controller
        let notices = CoverageNotices(controller, repeats: StandardOutput.isTerminal && !output.isJSON)
        var screen = CounterScreen()
        try controller.followCounters(every: .seconds(1), until: Interruption.isRequested) { counters in
            guard !output.isJSON else { return try StandardOutput.line(counters.json) }
            try Screen.show(screen.lines(counters, fitting: Screen.size))
            notices.tell()
        }
        if !output.isJSON { try Screen.end() }
    }

    /// Has the agent say page after page. A terminal that gets another size is asked for anew.
    private func follow(_ socket: ControlSocket) throws {
        var isResized = false
        repeat {
            let size = Screen.size
            var isFirst = true
            isResized = false
            var look = output.look
            (look.width, look.height) = (size?.width, size?.height)
            try socket.show(Question.counters(watches: true).target, look, until: isResized) { piece in
                guard case .output(let page) = piece, !output.isJSON else { return try piece.show() }
                let lines = page.split(separator: "\n", omittingEmptySubsequences: false)
                try Screen.show(lines.map { Words(verbatim: String($0)) })
                // The agent is asked once a second at most, while a window is dragged.
                defer { isFirst = false }
                let now = Screen.size
                isResized = !isFirst && (now?.width != size?.width || now?.height != size?.height)
            }
        } while isResized
        if !output.isJSON { try Screen.end() }
    }
}
