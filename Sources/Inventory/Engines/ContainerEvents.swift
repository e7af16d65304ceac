// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials

/// What some events say.
struct ContainerNews: Sendable {
    /// Containers that are to be asked for, and those that are gone.
    var containers: Set<String> = []
    var gone: Set<String> = []
    /// Whether any container may be another now.
    var isAboutAll = false

    private static let changes: Set<String> = ["start", "restart", "rename", "update", "unpause"]
    /// An engine that is about to remove a container may not be able to say how it is.
    private static let ends: Set<String> = ["die", "died", "destroy", "remove", "cleanup"]

    init(_ events: [ContainerEvent]) {
        for event in events {
            switch event.kind {
            case "network": isAboutAll = true
            case "container":
                guard let action = event.action, let id = event.id else { continue }
                // The last of them holds.
                if Self.changes.contains(action) {
                    gone.remove(id)
                    containers.insert(id)
                } else if Self.ends.contains(action) {
                    containers.remove(id)
                    gone.insert(id)
                }
            default: break
            }
        }
    }
}

/// A line of the stream of events.
struct ContainerEvent: Decodable, Sendable {
    private struct Actor: Decodable {
        var id: String?

        enum CodingKeys: String, CodingKey { case id = "ID" }
    }

    var kind: String?
    var action: String?
    var id: String?

    private enum CodingKeys: String, CodingKey {
        case kind = "Type"
        case action = "Action"
        case actor = "Actor"
    }

    init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        kind = try values.decodeIfPresent(String.self, forKey: .kind)
        action = try values.decodeIfPresent(String.self, forKey: .action)
        id = try values.decodeIfPresent(Actor.self, forKey: .actor)?.id
    }
}

/// The events of a stream, line by line.
struct EventLines: ~Copyable {
    private static let mostOfLine = 1 << 20

    private var answer: HTTPAnswer
    private var line: [UInt8] = []

    init(_ answer: consuming HTTPAnswer) { self.answer = answer }

    /// The events that came, at least one unless the time is over.
    mutating func next(until end: ContinuousClock.Instant) throws(EngineError) -> [ContainerEvent] {
        while true {
            guard case .bytes(let bytes) = try part(until: end) else { return [] }
            var events: [ContainerEvent] = []
            line += bytes
            while let newline = line.firstIndex(of: UInt8(ascii: "\n")) {
                let text = line[..<newline]
                if text.contains(where: { $0 > 0x20 }) { events.append(try EventLines.event(text)) }
                line.removeSubrange(...newline)
            }
            guard line.count <= EventLines.mostOfLine else { throw EngineError("an event has no end") }
            if !events.isEmpty { return events }
        }
    }

    private mutating func part(until end: ContinuousClock.Instant) throws(EngineError) -> HTTPAnswer.Part {
        guard try answer.readHead(until: end) else { return .quiet }
        guard answer.status == 200 else { throw EngineError("the server answers /events with \(answer.status)") }
        let part = try answer.next(until: end)
        if case .ended = part { throw EngineError("the server ended the stream of events") }
        return part
    }

    private static func event(_ text: ArraySlice<UInt8>) throws(EngineError) -> ContainerEvent {
        guard let event = try? JSONDecoder().decode(ContainerEvent.self, from: Data(text)) else {
            throw EngineError("an event is not what the engine's documentation says")
        }
        return event
    }
}
