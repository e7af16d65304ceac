// SPDX-License-Identifier: Apache-2.0
import Analysis
import Network
import Policy

/// What `reach` asks: who can send what to whom.
package struct ReachQuestion: Sendable {
    /// A group, a port, an address or prefix, `any` or `host`.
    package var to: String
    /// nil: any.
    package var from: String?
    /// As the policy writes it; nil: any.
    package var service: String?

    package init(to: String, from: String? = nil, service: String? = nil) {
        self.to = to
        self.from = from
        self.service = service
    }

    func answer(_ source: PolicySource) throws(Refusal) -> Reach {
        let ruleset = try source.required()
        let (from, to) = (try end(from ?? "any", ruleset), try end(to, ruleset))
        let services = try service.map { (word) throws(Refusal) in
            try ServiceNames { ruleset.services }.services([word])
        }
        let question = Reach.Question(
            from: from.set, isFromHost: from.isHost, to: to.set, isToHost: to.isHost, services: services)
        return Reach(
            question, ruleset, protects: ruleset.protects(source.loaded.bindings), now: source.host.now)
    }

    private func end(_ word: String, _ ruleset: Ruleset) throws(Refusal) -> (set: AddressSet?, isHost: Bool?) {
        switch word {
        case "any": return (nil, nil)
        case "host": return (nil, true)
        case "multicast": return (WellKnown.multicast, nil)
        case "broadcast": return (WellKnown.broadcast, nil)
        default: break
        }
        if let group = ruleset.groups.first(where: { $0.name == word }) {
            return (group.set.union(group.memberRange), nil)
        }
        if let entry = ruleset.entries.first(where: { $0.name == word }) {
            let set = AddressSet(entry.addresses + entry.sharedAddresses)
            guard !set.isEmpty else {
                throw Refusal("no address is bound to port '\(word)'", advice: "name a group or addresses")
            }
            return (set, nil)
        }
        if let address = IPAddress(word) { return (AddressSet([Prefix(address)]), nil) }
        if let prefix = try? Prefix(parsing: word) { return (AddressSet([prefix]), nil) }
        let names = ruleset.groups.map(\.name) + ruleset.entries.map(\.name)
        let nearest = NearestName.of(word, among: names.sorted())
        throw Refusal(
            "there is no group or port '\(word)'",
            advice: nearest.map { "did you mean '\($0)'?" } ?? "name a group, a port, an address, any or host")
    }
}
