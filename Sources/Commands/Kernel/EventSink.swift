// SPDX-License-Identifier: Apache-2.0
import Capture
import Control
import Datapath
import Rendering

/// Where `drops` puts events: lines or JSON on standard output, and packets in a capture.
struct EventSink: ~Copyable {
    private var capture: CaptureWriter?
    private let capturePath: String
    private let showsEvents: Bool
    private let isJSON: Bool

    /// - Parameter pcap: the capture's file, or `-` for standard output, which then takes nothing else.
    init(pcap: String?, isJSON: Bool) throws {
        self.isJSON = isJSON
        capturePath = pcap == "-" ? "standard output" : pcap ?? ""
        showsEvents = pcap != "-"
        do {
            switch pcap {
            case nil: capture = nil
            case "-": capture = try CaptureWriter(.standardOutput)
            case let path?: capture = try CaptureWriter(path: path)
            }
        } catch {
            throw EventSink.failure(error, capturePath)
        }
    }

    mutating func put(_ event: Event) throws {
        if capture != nil {
            do {
                try capture?.write(event.frame)
            } catch {
                throw EventSink.failure(error, capturePath)
            }
        }
        guard showsEvents else { return }
        let words = EventWords(event)
        if isJSON {
            try StandardOutput.line(words.json)
        } else {
            try StandardOutput.line(words.line(Palette.standardOutput))
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

extension Event {
    /// The packet as a capture has it: the first bytes, with the tag that the kernel keeps beside the frame put back in
    /// its place.
    var frame: CapturedFrame {
        var bytes = header
        let inFrame = Event.tagsInFrame(header)
        if packet.vlanTags > inFrame, bytes.count >= 12 {
            // Where the tag in the frame is the outer one, that beside it is of VLAN 0.
            let tag = inFrame > 0 && !packet.hasInnerTag ? 0 : packet.outerVLAN
            bytes.insert(contentsOf: [0x81, 0, UInt8(tag >> 8), UInt8(tag & 255)], at: 12)
        }
        return CapturedFrame(bytes: bytes, originalLength: packet.length, time: time)
    }

    private static func tagsInFrame(_ bytes: [UInt8]) -> Int {
        var count = 0
        var offset = 12
        while offset + 1 < bytes.count, [0x8100, 0x88a8].contains(Int(bytes[offset]) << 8 | Int(bytes[offset + 1])) {
            count += 1
            offset += 4
        }
        return count
    }
}
