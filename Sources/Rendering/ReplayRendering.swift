// SPDX-License-Identifier: Apache-2.0
import Compiler
import Control
import Policy
import Simulation
import Wire

extension Replay.Packet {
    private var source: String? { outcome.source?.fileAndLine }

    /// The rules that log and that the packet met on its way, in order.
    private var logged: [LoggedMatch] { outcome.tried.filter { $0.why == .logged }.map { LoggedMatch(rule: $0.rule) } }

    /// - Parameters:
    ///   - number: Of the packet in its capture, from 1.
    ///   - time: Its stamp in the capture.
    package func json(_ number: Int, time: UInt64?) -> JSON {
        let packet = PacketWords(outcome.packet)
        return [
            "packet": JSON(number), "direction": .string(direction.rawValue),
            "verdict": .string(outcome.verdict.rawValue), "reason": JSON(outcome.reason?.rawValue),
            "rule": JSON(outcome.ruleName), "layer": JSON(outcome.decided?.layer), "source": JSON(source),
            "time": JSON(time.map { Timestamp(nanoseconds: $0).utc }),
            "src": JSON(outcome.packet.source?.description), "dst": JSON(outcome.packet.destination?.description),
            "protocol": JSON(packet.protocolName), "sport": JSON(optional: packet.sourcePort),
            "dport": JSON(optional: packet.destinationPort), "logged": .array(logged.map(\.json)),
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
        let logged = logged.map { "  log \($0.rule.nameAndLayer)" }.joined()
        return "\(start)  \(palette.bold("\(cause)"))  \(palette.faint("\(source ?? "-")"))\(logged)"
    }
}

/// A match of a rule that logs.
private struct LoggedMatch {
    var rule: ImageView.RuleRecord

    var json: JSON {
        ["rule": .string(rule.name), "layer": JSON(rule.layer), "tag": JSON(rule.note?.tag)]
    }
}
