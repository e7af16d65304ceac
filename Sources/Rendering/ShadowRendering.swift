// SPDX-License-Identifier: Apache-2.0
import Control
import Datapath
import Policy
import Wire

extension ShadowVerdict {
    package var json: JSON {
        [
            "verdict": .string(verdict.rawValue), "reason": JSON(reason?.rawValue), "rule": JSON(rule?.name),
            "layer": JSON(rule?.layer), "source": JSON(source?.fileAndLine), "may": .bool(isDoubtful),
        ]
    }

    /// `rule NAME`, or the reason where no rule decides.
    fileprivate var cause: String {
        if let rule { return "rule \(rule.nameAndLayer)" }
        return reason?.rawValue ?? "no such port"
    }

    fileprivate var place: String { source?.fileAndLine ?? "-" }

    fileprivate var word: String { (isDoubtful ? "may " : "") + verdict.rawValue }
}

/// A packet that another policy would judge otherwise, for machines and for people.
package struct ShadowWords {
    private let event: ShadowEvent
    private let old: ShadowVerdict

    package init(_ event: ShadowEvent) {
        self.event = event
        let now = event.event
        old = ShadowVerdict(verdict: now.verdict, reason: now.reason, rule: now.rule, source: now.source)
    }

    /// The fields of `drops`, which say what the policy in force did, and what the other would do.
    package var json: JSON {
        guard case .object(var fields) = EventWords(event.event).json else { return nil }
        fields.append("shadow", event.shadow.json)
        return .object(fields)
    }

    /// `12:03:04.512 ACCEPT -> DROP in db-1(tap-db1) tcp 198.51.100.10:40000 > 198.51.100.20:22 S  rule ssh
    /// policy.yaml:31 -> default new.yaml:12`
    ///
    /// - Parameter now: Nanoseconds since 1970; an event of another day has its date too.
    package func line(_ palette: Palette, now: UInt64) -> Words {
        let packet = event.event
        let time = Timestamp(nanoseconds: packet.time).localClock(asOf: Timestamp(nanoseconds: now))
        let port = packet.port.map { "\($0.name)(\($0.device))" } ?? "?"
        let may: Words = event.shadow.isDoubtful ? "may " : ""
        let verdicts = palette.verdict(old.verdict) + " -> " + may + palette.verdict(event.shadow.verdict)
        let phrase = PacketWords(packet.packet).phrase
        let start: Words = "\(time) \(verdicts) \(packet.direction.rawValue) \(port) \(phrase)"
        let cause =
            palette.bold("\(old.cause)") + " " + palette.faint("\(old.place)") + " -> "
            + palette.bold("\(event.shadow.cause)") + " " + palette.faint("\(event.shadow.place)")
        return start + "  " + cause
    }
}

extension ShadowSummary {
    package var json: JSON {
        [
            "generation": JSON(generation), "compared": JSON(counts.compared), "changed": JSON(counts.changed),
            "emitted": JSON(counts.emitted), "lost": JSON(counts.lost), "suppressed": JSON(counts.suppressed),
            "totals": .array(totals.map(\.json)),
        ]
    }

    package var words: Words {
        let compared = counted(Int(clamping: counts.compared), "packet")
        var text: Words = "\(compared) compared with generation \(generation), "
        text += "\(counts.changed) would be judged otherwise"
        let unseen = counts.suppressed + counts.lost
        text += unseen > 0 ? ", of which \(unseen) were not shown\n" : "\n"
        if totals.isEmpty { return text }
        var table = Table([
            .init("PACKETS", .right), .init("BYTES", .right), .init("CHANGE"), .init("DIRECTION"), .init("NOW"),
            .init("THEN"),
        ])
        for total in totals {
            table.append([
                "\(total.packets)", "\(total.bytes)", "\(total.old.word) -> \(total.new.word)",
                total.direction.rawValue, total.old.causeAndPlace, total.new.causeAndPlace,
            ])
        }
        text += table.text
        if counts.unlisted > 0 { text += "and \(counts.unlisted) packets of other rules\n" }
        return text
    }
}

extension ShadowVerdict {
    fileprivate var causeAndPlace: String { source.map { "\(cause)  \($0.fileAndLine)" } ?? cause }
}

extension ShadowTotal {
    fileprivate var json: JSON {
        [
            "old": old.json, "new": new.json, "direction": .string(direction.rawValue), "packets": JSON(packets),
            "bytes": JSON(bytes),
        ]
    }
}
