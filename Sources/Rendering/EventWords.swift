// SPDX-License-Identifier: Apache-2.0
import Compiler
import Datapath
import Policy

/// One event of the stream, for machines and for people.
package struct EventWords {
    package let event: Event

    package init(_ event: Event) { self.event = event }

    /// `file:line` of what decided.
    private var source: String? { event.source?.fileAndLine }

    /// `rule NAME`, or the reason where no rule decided.
    private var cause: String { event.rule.map { "rule \($0.nameAndLayer)" } ?? event.reason.rawValue }

    /// `db-1(tap-db1)`; `?` if the generation that knew the names is gone.
    private var place: String {
        event.port.map { "\($0.name)(\($0.device))" } ?? "?"
    }

    package var json: JSON {
        let packet = PacketWords(event.packet)
        return [
            "time": .string(Timestamp(nanoseconds: event.time).utc), "port": JSON(event.port?.name),
            "interface": JSON(event.port?.interface), "netns": JSON(event.port?.namespace),
            "direction": .string(event.direction.rawValue), "verdict": .string(event.verdict.rawValue),
            "reason": .string(event.reason.rawValue), "rule": JSON(event.rule?.name), "layer": JSON(event.rule?.layer),
            "tag": JSON(event.rule?.note?.tag), "source": JSON(source),
            "generation": JSON(event.generation),
            "srcMac": JSON(packet.sourceMAC), "dstMac": JSON(packet.destinationMAC),
            "etherType": JSON(optional: packet.etherType), "vlan": JSON(optional: packet.vlan),
            "src": JSON(event.packet.source?.description), "dst": JSON(event.packet.destination?.description),
            "protocol": JSON(packet.protocolName), "sport": JSON(optional: packet.sourcePort),
            "dport": JSON(optional: packet.destinationPort), "tcpFlags": JSON(packet.tcpFlags),
            "icmpType": JSON(optional: packet.icmpType), "icmpCode": JSON(optional: packet.icmpCode),
            "length": JSON(event.packet.length), "comment": JSON(event.rule?.note?.comment),
            "meta": event.rule?.note?.metaJSON ?? nil,
        ]
    }

    /// `12:03:04.512 DROP in db-1(tap-db1) tcp 198.51.100.10:40000 > 198.51.100.20:22 S  default  policy.yaml:31`
    ///
    /// - Parameter now: Nanoseconds since 1970; an event of another day has its date too.
    package func line(_ palette: Palette, now: UInt64) -> Words {
        let painted = palette.verdict(event.verdict)
        let time = Timestamp(nanoseconds: event.time).localClock(asOf: Timestamp(nanoseconds: now))
        let packet = PacketWords(event.packet).phrase
        let cause = palette.bold("\(self.cause)")
        let note = event.rule?.note.map { palette.faint("  # \($0.words)") } ?? ""
        let place = palette.faint("\(source ?? "-")")
        return "\(time) \(painted) \(event.direction.rawValue) \(self.place) \(packet)  \(cause)  \(place)\(note)"
    }
}

extension EventWords {
    /// What a capture says of the packet, with the names of the contract: `drop in at db-1: reason rule, rule
    /// bad-networks, policy.yaml:28, generation 3`.
    package var comment: Words {
        let place = event.port?.name ?? "a port that is gone"
        let rule = event.rule.map { ", rule \($0.name)" } ?? ""
        let line = source.map { ", \($0)" } ?? ""
        let start = "\(event.verdict.rawValue) \(event.direction.rawValue) at \(place): reason \(event.reason.rawValue)"
        return "\(start)\(rule)\(line), generation \(event.generation)"
    }
}
