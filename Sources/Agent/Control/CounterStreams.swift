// SPDX-License-Identifier: Apache-2.0
import Control
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
    private var screen = CounterScreen()
    private var told = CoverageWarnings()

    init(controller: Controller, stream: ServerStream, look: Presentation, isCommand: Bool) {
        (self.controller, self.stream, self.look, self.isCommand) = (controller, stream, look, isCommand)
    }

    mutating func tell() throws {
        try controller.followCounters(every: .seconds(1), until: stream.isClosed) { counters in
            if look.isJSON { return try put(.output("\(counters.json)\n")) }
            let lines = screen.lines(counters, fitting: look.page)
            try put(.output(lines.map(\.text).joined(separator: "\n")))
            try tellWarnings()
        }
    }

    private mutating func tellWarnings() throws(Gone) {
        guard let warnings = try? controller.warnings() else { return }
        let new = told.new(among: warnings)
        // On a terminal a page takes the place of what was said before.
        for warning in look.page == nil ? new : warnings { try put(.notice("warning: \(warning)")) }
    }

    private func put(_ piece: Piece) throws(Gone) {
        guard stream.write(isCommand ? piece.line : piece.plain) else { throw Gone() }
    }
}

extension Presentation {
    /// What a page may have; nil: as much as it wants.
    fileprivate var page: (width: Int, height: Int)? {
        guard let width, let height else { return nil }
        return (width, height)
    }
}
