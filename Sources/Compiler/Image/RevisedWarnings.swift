// SPDX-License-Identifier: Apache-2.0
import Policy

extension ImageView {
    /// Whether a rule has expired by now. A policy that is read as a whole then has a warning of it.
    ///
    /// - Parameter now: nil if the time is unknown; then every rule with an end counts.
    package func hasExpired(_ now: Timestamp?) -> Bool {
        guard conditionCount > 0 else { return false }
        return rules.contains { rule in rule.expires.map { expires in now.map { expires <= $0 } ?? true } ?? false }
    }

    /// The rules that can never match, by their names and places in a revised text.
    package func covered(
        _ revision: PolicyRevision, file: String
    ) -> [(rule: NamedPlace, cover: NamedPlace?)] {
        let pairs = covered
        if pairs.isEmpty { return [] }
        let lines = ruleLines
        let names = Dictionary(revision.edits.map { ($0.line, $0.name) }) { first, _ in first }
        let asked = pairs.flatMap { [$0.rule, $0.cover].compactMap(\.self) }.filter { lines.indices.contains($0) }
        let places = revision.locations(ofLines: Set(asked.map { lines[$0].line }), file: file)
        func place(_ rule: Int) -> NamedPlace? {
            guard lines.indices.contains(rule), let location = places[lines[rule].line] else { return nil }
            return NamedPlace(name: names[lines[rule].line] ?? lines[rule].name, location: location)
        }
        return pairs.compactMap { pair in place(pair.rule).map { ($0, pair.cover.flatMap(place)) } }
    }
}
