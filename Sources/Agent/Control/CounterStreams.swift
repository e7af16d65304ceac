// SPDX-License-Identifier: Apache-2.0
import Control
import Glibc
import Rendering
import Requests
import Server

extension ControlPages {
    /// The counters now and every second, as long as there is a client.
    func watchCounters(
        _ look: Presentation, _ isCommand: Bool, _ request: ServerRequest
    ) throws -> ServerAnswer {
        guard let place = watches.take(request.peer?.user ?? .max) else {
            return .refused(
                503, "\(StreamPlaces.ofCounters) watch counters through the agent already, or 2 of this user",
                advice: "end one of them first, or watch them as root")
        }
        // What is wrong is found before the answer begins.
        _ = try controller.counters()
        let controller = controller
        return .lines(isCommand) { stream in
            defer { withExtendedLifetime(place) {} }
            var tale = CounterTale(controller: controller, stream: stream, look: look, isCommand: isCommand)
            Self.finish(stream, isCommand) { try tale.tell() }
        }
    }
}

/// Writes the counters to one client, page after page.
private struct CounterTale {
    let controller: Controller
    let stream: ServerStream
    let look: Presentation
    let isCommand: Bool
    var screen = CounterScreen()
    var told: [String] = []

    /// Between two readings.
    private static let interval = Duration.seconds(1)

    mutating func tell() throws {
        while !stream.isClosed {
            let counters = try controller.counters()
            if look.isJSON {
                try put(.output("\(counters.json)\n"))
            } else {
                let lines = screen.lines(counters, fitting: look.page)
                try put(.output(lines.map(\.text).joined(separator: "\n")))
                try tellWarnings()
            }
            pause()
        }
    }

    private mutating func tellWarnings() throws(Gone) {
        let warnings = (try? controller.warnings()) ?? []
        // On a terminal a page takes the place of what was said before.
        for warning in warnings where look.page != nil || !told.contains(warning) {
            try put(.notice("warning: \(warning)"))
        }
        told = warnings
    }

    private func put(_ piece: Piece) throws(Gone) {
        guard stream.write(isCommand ? piece.line : piece.plain) else { throw Gone() }
    }

    /// Waits for the next reading. The place of a client that is gone is free soon: a terminal that got another size
    /// asks anew.
    private func pause() {
        let end = ContinuousClock.now + Self.interval
        while !stream.isClosed, ContinuousClock.now < end { usleep(50_000) }
    }
}

extension Presentation {
    /// What a page may have; nil: as much as it wants.
    fileprivate var page: (width: Int, height: Int)? {
        guard let width, let height else { return nil }
        return (width, height)
    }
}
