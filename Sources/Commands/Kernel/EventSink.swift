// SPDX-License-Identifier: Apache-2.0
import Capture
import Control
import Rendering

/// Where `drops` puts events: lines or JSON on standard output, and packets in a capture.
struct EventSink: ~Copyable {
    private var capture: CaptureWriter?
    private let capturePath: String
    private let showsEvents: Bool
    private let isJSON: Bool

    private static let application = "bulkhead \(Version.current)"

    /// - Parameter pcap: the capture's file, or `-` for standard output, which then takes nothing else.
    init(pcap: String?, isJSON: Bool) throws {
        self.isJSON = isJSON
        capturePath = pcap == "-" ? "standard output" : pcap ?? ""
        showsEvents = pcap != "-"
        do {
            switch pcap {
            case nil: capture = nil
            case "-": capture = try CaptureWriter(.standardOutput, application: EventSink.application)
            case let path?: capture = try CaptureWriter(path: path, application: EventSink.application)
            }
        } catch {
            throw EventSink.failure(error, capturePath)
        }
    }

    mutating func put(_ words: EventWords) throws {
        if capture != nil {
            do {
                let event = words.event
                try capture?.write(
                    event.frame, on: event.captureInterface, direction: event.captureDirection,
                    comment: words.comment.text)
            } catch {
                throw EventSink.failure(error, capturePath)
            }
        }
        guard showsEvents else { return }
        if isJSON {
            try StandardOutput.line(words.json)
        } else {
            try StandardOutput.line(words.line(Palette.standardOutput, now: WallClock.now))
        }
    }

    private static func failure(_ error: CaptureError, _ path: String) -> any Error {
        switch error.cause {
        case .system(_, .brokenPipe): ClosedPipe()
        case .system(_, .noSpace), .system(_, .diskQuotaExceeded):
            Refusal(
                "\(path) cannot be written: no space left on the device",
                advice: "what was written until now is whole; free some space, or write elsewhere")
        case .system(_, let number):
            Refusal("\(path) cannot be written: \(number)", advice: "write to another file")
        default: Refusal("\(path) cannot be written: \(error)")
        }
    }
}
