// SPDX-License-Identifier: Apache-2.0
import Compiler
import Network
import Policy
import Wire

/// What becomes of an ICMP error.
extension ReferenceFlows {
    /// An error about a packet of a flow, or about one that a rule accepts without a flow. It refreshes nothing. Empty:
    /// it is about neither.
    func outcomes(
        ofErrorAbout quotation: Packet?, _ packet: Packet, at place: Place, _ direction: Direction
    ) -> [Outcome] {
        guard let quotation, packet.destination == quotation.source else { return [] }
        let quoted: Direction = direction == .in ? .out : .in
        let key = Key(quotation, quoted, scope: place.scope, tags: packet)
        let records = quotation.isTracked ? live(key, of: quotation, quoted) : []
        var outcomes: [Outcome] = []
        // Where an error comes from tells nothing of what it is about.
        var nowhere = place
        nowhere.origin = nil
        for record in records {
            outcomes += self.outcomes(ofErrorAbout: quotation, quoted, record, records, key, at: nowhere)
            guard record.isUnlike(quotation, from: nil) else { continue }
            outcomes += self.outcomes(
                ofErrorAbout: quotation, quoted, record, records, key, at: nowhere, isSureToAsk: false)
        }
        if records.contains(where: { clock <= $0.surelyUntil }) { return outcomes }
        var model = self
        let judgement = model.ask(quotation, .ignored(from: 0), at: nowhere, quoted)
        guard passesUntracked(quotation, judgement, at: place) else { return outcomes }
        let related = Judgement(.accept, .related, rule: judgement.rule)
        return outcomes + [Outcome(judgement: related, after: model)]
    }

    /// An error about a packet of one of the flows that `key` may stand for; `isSureToAsk` as in ``admit``.
    private func outcomes(
        ofErrorAbout quotation: Packet, _ quoted: Direction, _ record: Record, _ records: [Record], _ key: Key,
        at nowhere: Place, isSureToAsk: Bool = true
    ) -> [Outcome] {
        var (model, renewed) = (self, record)
        let opening = quoted == record.direction ? quotation : quotation.reversed
        let renewal = model.renew(&renewed, by: opening, at: nowhere, isSureToAsk: isSureToAsk)
        var outcomes: [Outcome] = []
        if let denial = renewal.denial {
            outcomes.append(Outcome(judgement: denial, after: forgetting(renewed, among: records, of: key)))
        }
        if renewal.mayHold {
            if records.count == 1 { model.replace(records, of: key, by: [renewed]) }
            outcomes.append(Outcome(judgement: Judgement(.accept, .related), after: model))
        }
        return outcomes
    }

    /// Whether the flow that an error may be about may be gone as well.
    func isDoubtful(_ quotation: Packet?, _ packet: Packet, at place: Place, _ direction: Direction) -> Bool {
        guard let quotation, quotation.isTCP else { return false }
        let key = Key(quotation, direction == .in ? .out : .in, scope: place.scope, tags: packet)
        let records = live(key)
        return !records.isEmpty && !records.contains { clock <= $0.surelyUntil }
    }
}
