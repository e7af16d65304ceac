// SPDX-License-Identifier: Apache-2.0
import Policy

/// A condition on the flags of TCP. Rules of a policy ask for the segments that open a connection, flows for the rest.
enum TCPFlags {
    enum Meaning: Sendable, Hashable {
        /// Every segment that opens a connection meets it: SYN without ACK, FIN and RST. `alsoOthers`: so do segments
        /// of ordinary connections.
        case openings(alsoOthers: Bool)
        /// None of them does; of the segments of ordinary connections these do.
        case others(Share)
        /// Some do: those with these flags.
        case asked(RuleMatch.TCPFlags)
        /// Some do, and it cannot be said which.
        case some(String)
    }

    /// How many of the segments that every connection has.
    enum Share: Sendable, Hashable { case none, some, all }

    /// What `--tcp-flags MASK SET` says of the segments that open a connection.
    static func meaning(mask: String, set: String, isNegated: Bool) -> Meaning {
        meaning(mask: flags(mask), set: flags(set), isNegated: isNegated)
    }

    static func meaning(mask: Set<String>, set: Set<String>, isNegated: Bool) -> Meaning {
        func meets(_ segment: Set<String>) -> Bool { (segment.intersection(mask) == set) != isNegated }
        let share: Share = ordinary.allSatisfy(meets) ? .all : ordinary.contains(where: meets) ? .some : .none
        return openings(mask, set, isNegated, share)
    }

    /// Flags of segments that every connection has.
    private static let ordinary: [Set<String>] = [
        ["ACK"], ["ACK", "PSH"], ["SYN", "ACK"], ["FIN", "ACK"], ["RST"], ["RST", "ACK"],
    ]

    private static func openings(
        _ mask: Set<String>, _ set: Set<String>, _ isNegated: Bool, _ share: Share
    ) -> Meaning {
        let isImpossible =
            (mask.contains("SYN") && !set.contains("SYN"))
            || ["ACK", "FIN", "RST"].contains { mask.contains($0) && set.contains($0) }
        let isSure = !isImpossible && mask.isDisjoint(with: ["PSH", "URG", "ECE", "CWR"])
        if isImpossible { return isNegated ? .openings(alsoOthers: share != .none) : .others(share) }
        if isSure {
            return isNegated ? .others(share) : .openings(alsoOthers: share != .none)
        }
        return isNegated ? .some("! --tcp-flags") : .asked(RuleMatch.TCPFlags(set: bits(set), of: bits(mask)))
    }

    private static func bits(_ flags: Set<String>) -> UInt8 {
        let names = ["FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"]
        return names.enumerated().reduce(0) { $0 | (flags.contains($1.element) ? 1 << UInt8($1.offset) : 0) }
    }

    private static func flags(_ text: String) -> Set<String> {
        switch text {
        case "ALL": ["SYN", "ACK", "FIN", "RST", "URG", "PSH"]
        case "NONE": []
        default: Set(text.split(separator: ",").map(String.init))
        }
    }
}

extension TCPFlags.Meaning {
    /// Rules ask for what opens a connection, and flows for the rest. So a condition on TCP flags is about the one or
    /// about the other, or cannot be said.
    func narrow(_ rule: inout FilterRule, within whole: Box) {
        switch self {
        case .openings(let alsoOthers):
            // A drop of others too may drop what open connections carry.
            let isDrop = [.drop, .reject].contains(rule.verdict)
            if !alsoOthers || !isDrop { rule.states.subtract([.established, .related]) }
        case .others(.none): rule.states.formIntersection(.invalid)
        case .others(.all):
            rule.states.subtract(rule.verdict == .accept ? .openings : .new)
        case .others(.some):
            // Of open connections it takes a part alone.
            rule.states.subtract(.new)
            if ![.drop, .reject].contains(rule.verdict) { rule.match = rule.match.unsaid("TCP flags") }
        case .some(let words): rule.match = rule.match.unsaid(words)
        case .asked(let asked):
            var fields = RuleMatch()
            fields.tcpFlags = asked
            rule.match = rule.match.and(Match([whole], fields: fields))
        }
    }
}
