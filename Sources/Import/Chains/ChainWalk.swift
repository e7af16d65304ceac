// SPDX-License-Identifier: Apache-2.0

/// Follows jumps, gotos and returns, and writes down the rules in the order in which they take effect.
///
/// An accept is narrowed and a drop is widened where a condition cannot be said. So the steps never accept what the
/// chains drop: whatever an accepting step takes, the chains accept there too unless they dropped it before, and all
/// that they may have dropped before, an earlier step drops.
struct ChainWalk {
    /// The most steps of a rule set, and the deepest nesting of jumps.
    static let mostSteps = 300_000
    static let deepest = 64

    private let chains: [String: FilterChain]
    private var steps: [Step] = []
    /// Visits of chains, which may be many without a single step.
    private var visits = 0
    /// What an earlier chain of the same table has accepted: the rest of the table does not see it.
    private var passed: [Exclusion] = []

    /// What does not reach later rules.
    private struct Exclusion {
        var match: Match
        var states: States
    }

    /// Where the walk is.
    private struct Way {
        var match: Match
        var states: States
        var isLast: Bool
        var path: [String]
        /// What returned from a chain on the way, or does not come back from a goto.
        var excluded: [Exclusion] = []
        var comment: String?
    }

    private init(_ chains: [String: FilterChain]) { self.chains = chains }

    /// The steps of a hook. The last of its chains decides; in the ones before, an accept only ends that chain.
    static func steps(_ system: FilterSystem, _ hook: Hook, within box: Box) throws(ImportError) -> [Step] {
        var walk = ChainWalk(system.chains)
        let bases = system.bases[hook] ?? []
        for (index, name) in bases.enumerated() {
            let isLast = index == bases.count - 1
            walk.passed = []
            var way = Way(match: Match([box]), states: .all, isLast: isLast, path: [name])
            try walk.enter(name, &way)
            guard let policy = system.chains[name]?.policy, isLast || policy != .accept else { continue }
            let origin = Origin(file: "", line: 0, text: "the policy of \(name.split(separator: " ").last ?? "")")
            let rule = FilterRule(origin: origin, match: Match([box]), verdict: policy)
            way.excluded = []
            try walk.add(policy == .accept ? .accept : .drop, rule, Match([box]), way)
        }
        return walk.steps
    }

    /// Walks a chain. What did not return from it is in `way.excluded` afterwards, for the rules that follow in it.
    private mutating func enter(_ name: String, _ way: inout Way) throws(ImportError) {
        visits += 1
        guard way.path.count <= ChainWalk.deepest else {
            throw ImportError("chains jump into each other more than \(ChainWalk.deepest) deep, at \"\(name)\"")
        }
        guard visits <= ChainWalk.mostSteps else { throw ChainWalk.tooMany }
        for rule in chains[name]?.rules ?? [] {
            try take(rule, &way)
        }
    }

    private static let tooMany = ImportError(
        "the chains jump into each other in more than \(mostSteps) ways; that cannot be written as a list of rules")

    private mutating func take(_ rule: FilterRule, _ way: inout Way) throws(ImportError) {
        let states = way.states.intersection(rule.states)
        var match = way.match.and(rule.match)
        guard !match.over.isEmpty, !states.isEmpty else { return }
        if rule.limit != nil, rule.verdict != .accept { match = match.unsaid("limit") }
        switch rule.verdict {
        case .accept:
            if way.isLast {
                try add(.accept, rule, match, way)
            } else {
                passed.append(Exclusion(match: match, states: states))
            }
        case .drop: try add(.drop, rule, match, way)
        case .reject: try add(.reject, rule, match, way)
        case .unknown(let words): try add(.drop, rule, match.unsaid(words), way)
        case .return: way.excluded.append(Exclusion(match: match, states: states))
        case .jump(let name): try follow(name, rule, match, states, way)
        case .goto(let name):
            try follow(name, rule, match, states, way)
            way.excluded.append(Exclusion(match: match, states: states))
        case .goesOn(let leftOut):
            if let leftOut { try add(.none(leftOut: leftOut), rule, match, way) }
        }
    }

    private mutating func follow(
        _ name: String, _ rule: FilterRule, _ match: Match, _ states: States, _ way: Way
    ) throws(ImportError) {
        var next = way
        next.match = match
        next.states = states
        next.path.append(name)
        next.comment = rule.comment ?? way.comment
        try enter(name, &next)
    }

    private mutating func add(
        _ action: Step.Action, _ rule: FilterRule, _ match: Match, _ way: Way
    ) throws(ImportError) {
        guard steps.count < ChainWalk.mostSteps else { throw ChainWalk.tooMany }
        let states = way.states.intersection(rule.states)
        var step = Step(
            action: action, boxes: action == .accept ? match.under : match.over, states: states,
            limit: action == .accept ? rule.limit : nil, unsaid: match.unsaid,
            comment: rule.comment ?? way.comment, origins: [rule.origin], path: way.path)
        for exclusion in way.excluded + passed where !exclusion.states.intersection(states).isEmpty {
            ChainWalk.exclude(exclusion, from: &step)
        }
        // What cannot be reached is not worth a word.
        if step.boxes.isEmpty, step.unsaid.isEmpty { return }
        steps.append(step)
    }

    private static func exclude(_ exclusion: Exclusion, from step: inout Step) {
        let isWhole = step.states.isSubset(of: exclusion.states)
        let cut = step.action == .accept ? exclusion.match.over : isWhole ? exclusion.match.under : .none
        if let rest = step.boxes.subtracting(cut) {
            step.boxes = rest.merged
        } else if step.action == .accept {
            step.boxes = .none
            step.unsaid.append("too many combinations of what returned before")
        }
        let isPartial = !exclusion.match.isExact || !isWhole
        if isPartial, exclusion.match.over.boxes.contains(where: step.boxes.intersects) {
            step.unsaid +=
                exclusion.match.unsaid.isEmpty ? ["the state of what returned before"] : exclusion.match.unsaid
        }
    }
}
