// SPDX-License-Identifier: Apache-2.0
import Control
import Rendering
import Requests
import Server
import Synchronization

/// How many answers that go on there are at a time, in all and for one user.
final class StreamPlaces: Sendable {
    /// The kernel has places for four readers of events. One of them is always left for root's own command.
    static let ofDrops = 3
    /// Who watches counters has them read every second.
    static let ofCounters = 3

    private let all: Int
    private let ofUser: Int

    init(all: Int, ofUser: Int) {
        self.all = all
        self.ofUser = ofUser
    }

    private let taken = Mutex<[UInt32: Int]>([:])

    /// One that is taken, until it is let go of.
    final class Place: Sendable {
        private let places: StreamPlaces
        private let user: UInt32

        fileprivate init(_ places: StreamPlaces, _ user: UInt32) {
            self.places = places
            self.user = user
        }

        deinit {
            places.taken.withLock { taken in
                let left = taken[user, default: 1] - 1
                taken[user] = left > 0 ? left : nil
            }
        }
    }

    /// - Returns: nil if there is none for this user.
    func take(_ user: UInt32) -> Place? {
        taken.withLock { taken in
            guard taken.values.reduce(0, +) < all, user == 0 || taken[user, default: 0] < ofUser else {
                return nil
            }
            taken[user, default: 0] += 1
            return Place(self, user)
        }
    }
}

/// A stream of the kernel's that is handed to the thread that reads it.
private final class HandedStream: @unchecked Sendable {
    let stream: EventStream
    private let place: StreamPlaces.Place

    init(_ stream: EventStream, _ place: StreamPlaces.Place) {
        self.stream = stream
        self.place = place
    }
}

extension ControlPages {
    func drops(
        _ question: EventQuestion, _ look: Presentation, _ isCommand: Bool, _ request: ServerRequest
    ) throws -> ServerAnswer {
        guard let place = streams.take(request.peer?.user ?? .max) else {
            return .refused(
                503, "\(StreamPlaces.ofDrops) streams of drops are read through the agent already, or 2 by this user",
                advice: "end one of them first, or read them as root")
        }
        let events = HandedStream(try controller.events(question), place)
        let controller = controller
        return .lines(isCommand) { stream in
            let tale = DropTale(controller: controller, stream: stream, look: look, isCommand: isCommand)
            Self.finish(stream, isCommand) { try tale.tell(events.stream) }
        }
    }
}

/// Writes a stream of drops to one client.
private final class DropTale {
    let controller: Controller
    let stream: ServerStream
    let look: Presentation
    let isCommand: Bool
    private var told = CoverageWarnings()
    private var lost: UInt64?
    private var lookedAt: ContinuousClock.Instant?
    private var isLate = false

    /// Between two looks at what passes unjudged, and at what was lost.
    private static let interval = Duration.seconds(5)
    /// Who takes longer for a piece has the kernel's ring fill up meanwhile.
    private static let slowness = Duration.milliseconds(100)

    init(controller: Controller, stream: ServerStream, look: Presentation, isCommand: Bool) {
        self.controller = controller
        self.stream = stream
        self.look = look
        self.isCommand = isCommand
    }

    func tell(_ events: EventStream) throws {
        lost = try? controller.counters().events.lost
        try tellWarnings()
        try events.read(until: isOver()) { [self] event in
            let words = EventWords(event)
            let text = look.isJSON ? "\(words.json)\n" : (words.line(look.palette, now: event.time) + "\n").text
            let start = ContinuousClock.now
            try write(isCommand ? Piece.output(text).line : text)
            if ContinuousClock.now - start > Self.slowness { isLate = true }
        }
    }

    /// Asked every 50 ms.
    private func isOver() -> Bool {
        if stream.isClosed { return true }
        if isLate {
            isLate = false
            tellLost()
        }
        if let lookedAt, ContinuousClock.now - lookedAt > Self.interval { try? tellWarnings() }
        return false
    }

    private func write(_ text: String) throws(Gone) {
        guard stream.write(text) else { throw Gone() }
    }

    /// What passes unjudged has no drops.
    private func tellWarnings() throws {
        lookedAt = .now
        guard isCommand, let warnings = try? controller.warnings() else { return }
        for warning in told.new(among: warnings) { try write(Piece.notice("warning: \(warning)").line) }
    }

    private func tellLost() {
        guard let now = try? controller.counters().events.lost, let before = lost, now > before else { return }
        lost = now
        let count = now - before
        let words: Words = "warning: \(count) events had no room in a reader's ring: some of them may be missing here"
        try? write(isCommand ? Piece.notice(words).line : "\(["lost": .counter(count)] as JSON)\n")
    }
}
