// SPDX-License-Identifier: Apache-2.0
import Control
import Policy
import Simulation
import Wire

extension Replay.Packet {
    private var source: String? { outcome.source?.fileAndLine }

    /// - Parameters:
    ///   - number: Of the packet in its capture, from 1.
    ///   - time: Its stamp in the capture.
    package func json(_ number: Int, time: UInt64?) -> JSON {
        let packet = PacketWords(outcome.packet)
        return [
            "packet": JSON(number), "direction": .string(direction.rawValue),
            "verdict": .string(outcome.verdict.rawValue), "reason": JSON(outcome.reason?.rawValue),
            "rule": JSON(outcome.ruleName), "source": JSON(source),
            "time": JSON(time.map { Timestamp(nanoseconds: $0).utc }),
            "src": JSON(outcome.packet.source?.description), "dst": JSON(outcome.packet.destination?.description),
            "protocol": JSON(packet.protocolName), "sport": JSON(optional: packet.sourcePort),
            "dport": JSON(optional: packet.destinationPort),
        ]
    }

    /// `7 2026-01-02 12:03:04.512 DROP in tcp 203.0.113.9:40000 > 198.51.100.20:22 S  rule bad  policy.yaml:28`, with
    /// the date where it is not that of `now`.
    package func words(_ number: Int, time: UInt64?, now: UInt64, _ palette: Palette) -> Words {
        let today = Timestamp(nanoseconds: now)
        let clock = time.map { Timestamp(nanoseconds: $0).localClock(asOf: today) } ?? "-"
        let packet = PacketWords(outcome.packet).phrase
        let cause = outcome.ruleName.map { "rule \($0)" } ?? outcome.reason?.rawValue ?? "-"
        let start: Words = "\(number) \(clock) \(palette.verdict(outcome.verdict)) \(direction.rawValue) \(packet)"
        return "\(start)  \(palette.bold("\(cause)"))  \(palette.faint("\(source ?? "-")"))"
    }
}
