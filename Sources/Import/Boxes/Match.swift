// SPDX-License-Identifier: Apache-2.0
import Policy

/// The packets that a condition takes, from above and from below: those that it may take, and those that it surely
/// takes. They are the same where all of the condition can be said.
struct Match: Sendable, Hashable {
    private(set) var over: BoxList
    private(set) var under: BoxList
    /// The conditions that cannot be said, as they are written.
    private(set) var unsaid: [String]
    /// What else the packets must be. A rule can ask for it, but no box can.
    private(set) var fields = RuleMatch.any

    init(_ boxes: [Box]) {
        over = BoxList(boxes: boxes.filter { !$0.isEmpty })
        under = over
        unsaid = []
    }

    /// A condition that only some of the packets in `box` meet, and that cannot be said.
    init(someOf box: Box, unsaid: String) {
        over = BoxList(boxes: [box])
        under = .none
        self.unsaid = [unsaid]
    }

    /// A condition known from both sides.
    init(over: [Box], under: [Box], unsaid: [String]) {
        self.over = BoxList(boxes: over.filter { !$0.isEmpty })
        self.under = BoxList(boxes: under.filter { !$0.isEmpty })
        self.unsaid = unsaid
    }

    /// A condition on a packet's own fields.
    init(_ boxes: [Box], fields: RuleMatch) {
        self.init(boxes)
        self.fields = fields
    }

    /// Whether its boxes are just those of the condition, but for the fields.
    var isExact: Bool { unsaid.isEmpty }
    /// Whether its boxes are just the condition.
    var isWhole: Bool { isExact && fields.isAny }
    /// The boxes of packets that surely meet it if they have the fields.
    var sure: BoxList { isExact ? over : under }

    /// What meets both conditions.
    func and(_ other: Match) -> Match {
        var result = self
        result.unsaid += other.unsaid
        guard let fields = fields.meeting(other.fields) else { return Match([]) }
        result.fields = fields
        if let over = over.intersection(other.over) {
            result.over = over
            result.under = isExact && other.isExact ? over : sure.intersection(other.sure) ?? .none
        } else {
            result.under = .none
            result.unsaid.append("too many combinations")
        }
        return result
    }

    func and(_ box: Box) -> Match { and(Match([box])) }

    /// The condition's opposite within `box`.
    func not(within box: Box) -> Match {
        let whole = BoxList(boxes: [box])
        guard fields.isAny else { return Match(someOf: box, unsaid: "the opposite of \(fields)") }
        guard let under = whole.subtracting(over), let over = whole.subtracting(self.under) else {
            return Match(someOf: box, unsaid: "too many combinations")
        }
        return Match(over: over.boxes, under: under.boxes, unsaid: unsaid)
    }

    /// The same condition, with one more that cannot be said.
    func unsaid(_ words: String) -> Match {
        var match = Match(over: over.boxes, under: [], unsaid: unsaid + [words])
        match.fields = fields
        return match
    }
}
