// SPDX-License-Identifier: Apache-2.0
import Policy
import Wire

extension AssertionProof {
    /// What is to be said of it; nil if it holds.
    public func diagnostic(_ ruleset: Ruleset) -> Diagnostic? {
        let what = "the assertion \"\(assertion.name)\""
        switch outcome {
        case .holds(isEmpty: false): return nil
        case .holds(isEmpty: true):
            return Diagnostic(
                .warning, at: assertion.location,
                "\(what) says nothing: no packet goes from there to there through a port", finding: Finding(.assertion))
        case .unproved:
            return Diagnostic(
                .warning, at: assertion.location,
                "\(what) was not proved: the policy is too large for the time that a proof may take; narrow what it "
                    + "speaks of", finding: Finding(.assertion))
        case .fails(let hops): return failure(what, hops, ruleset)
        }
    }

    private func failure(_ what: String, _ hops: [Hop], _ ruleset: Ruleset) -> Diagnostic {
        let last = hops[hops.count - 1]
        let packet = last.packet.example(port: nil)
        let verdict = last.verdict == .accept ? "passes" : "is refused"
        let way = hops.map { $0.words(ruleset) }.joined(separator: ", then ")
        var message = "\(what) does not hold: \(packet) \(verdict): \(way)"
        if hops.contains(where: \.isConditional) {
            message += "; what depends on limits, expiry and the members of dynamic groups may match or not"
        }
        let rules = hops.compactMap { $0.rule.map { ruleset.rules[$0].name } }.reduce(into: [String]()) {
            if !$0.contains($1) { $0.append($1) }
        }
        let example = last.packet.example(port: ruleset.entries[last.entry].name)
        return Diagnostic(
            .error, at: assertion.location, message,
            finding: Finding(.assertion, by: rules, example: example))
    }
}

extension AssertionProof.Hop {
    /// `in at db-1 accepted by rule "web" (policy.yaml:31)`
    func words(_ ruleset: Ruleset) -> String {
        let port = ruleset.entries[entry]
        let deed = verdict == .accept ? "accepted" : verdict == .drop ? "dropped" : "rejected"
        let start = "\(direction.rawValue) at \(port.name) \(deed) by "
        if let rule {
            let place = ruleset.rules[rule].location
            return start + "rule \"\(ruleset.rules[rule].name)\" (\(place.file):\(place.line))"
        }
        if let reason { return start + (reason == .vlan ? "the port's \"vlans\"" : reason.rawValue) }
        let place = direction == .in ? port.defaults.inLocation : port.defaults.outLocation
        return start + "the default (\(place.file):\(place.line))"
    }
}
