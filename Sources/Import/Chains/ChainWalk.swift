// SPDX-License-Identifier: Apache-2.0
import Policy

/// Follows jumps, gotos and returns, and writes down the rules in the order in which they take effect.
///
/// An accept is narrowed and a drop is widened where a condition cannot be said. So the steps never accept what the
/// chains drop: whatever an accepting step takes, the chains accept there too unless they dropped it before, and all
/// that they may have dropped before, an earlier step drops.
///
/// What returns from a chain is taken away from the steps that follow in it. The same is said by a step that passes,
/// and by the end of a layer where the chain ends; the steps keep both forms.
struct ChainWalk {
    /// The most steps of a rule set.
    static let mostSteps = 300_000

    private let chains: [String: FilterChain]
    private let returning: ReturningChains
    private var steps: [Step] = []
    /// Visits of chains, which may be many without a single step.
    private var visits = 0
    /// What an earlier chain of the same hook has accepted: the rest of that chain does not see it.
    private var passed: [Exclusion] = []

    /// What does not reach later rules.
    private struct Exclusion {
        var match: Match
        var states: States
        /// A step that passes says the same.
        var isPassed = false
        /// The limit that decides.
        var isLimited = false
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
        /// Whether the chain ends where it was called, and no goto leads out of it.
        var isJumped = true
        /// Whether a step passes what returns from the chain.
        var passes = false
    }

    private init(_ chains: [String: FilterChain]) {
        self.chains = chains
        returning = ReturningChains(chains)
    }

    /// The steps of a hook. The last of its chains decides; in the ones before, an accept only ends that chain.
    static func steps(_ system: FilterSystem, _ hook: Hook, within box: Box) throws(ImportError) -> [Step] {
        var walk = ChainWalk(system.chains)
        let bases = system.bases[hook] ?? []
        if bases.isEmpty {
            // Without a chain, all passes.
            let origin = Origin(file: "", line: 0, text: "no chain")
            let rule = FilterRule(origin: origin, match: Match([box]), verdict: .accept)
            try walk.add(.accept, rule, rule.match, Way(match: rule.match, states: .all, isLast: true, path: []))
        }
        for (index, base) in bases.enumerated() {
            let isLast = index == bases.count - 1
            walk.passed = []
            guard let within = base.within.map({ box.intersection($0) }) ?? box else { continue }
            var way = Way(match: Match([within]), states: .all, isLast: isLast, path: [base.name])
            try walk.enter(base.name, &way)
            guard let policy = system.chains[base.name]?.policy, isLast || policy != .accept else { continue }
            let words = "the policy of \(base.name.split(separator: " ").last ?? "")"
            let rule = FilterRule(
                origin: Origin(file: "", line: 0, text: words), match: Match([within]), verdict: policy)
            way.excluded = []
            try walk.add(policy == .accept ? .accept : .drop, rule, Match([within]), way)
        }
        return walk.steps
    }

    /// Walks a chain. What did not return from it is in `way.excluded` afterwards, for the rules that follow in it.
    private mutating func enter(_ name: String, _ way: inout Way) throws(ImportError) {
        visits += 1
        guard way.path.count <= ChainDepth.most else {
            throw ImportError("chains jump into each other more than \(ChainDepth.most) deep, at \"\(name)\"")
        }
        guard visits <= ChainWalk.mostSteps else { throw ChainWalk.tooMany }
        let rules = chains[name]?.rules ?? []
        let lastEnd = returning.lastEnd(in: name)
        for (index, rule) in rules.enumerated() {
            // What passes goes on at the next end of a layer, which must be that of this chain.
            try take(rule, &way, mayPass: way.isJumped && index > lastEnd && index < rules.count - 1)
        }
        guard way.passes, let last = way.path.last else { return }
        var end = way
        end.passes = false
        try add(.layerEnd(String(last.split(separator: " ").last ?? "")), nil, Match([]), end)
    }

    private static let tooMany = ImportError(
        "the chains jump into each other in more than \(mostSteps) ways; that cannot be written as a list of rules")

    private mutating func take(_ rule: FilterRule, _ way: inout Way, mayPass: Bool) throws(ImportError) {
        let states = way.states.intersection(rule.states)
        var match = way.match.and(rule.match)
        guard !match.over.isEmpty, !states.isEmpty else { return }
        switch verdict(rule) {
        case .accept:
            if way.isLast {
                try add(.accept, rule, match, way)
            } else {
                if rule.limit != nil { match = match.unsaid("limit") }
                passed.append(Exclusion(match: match, states: states))
            }
        case .drop: try add(.drop, rule, match, way)
        case .reject: try add(.reject, rule, match, way)
        case .log: try add(.log, rule, match, way)
        case .unknown(let words): try add(.drop, rule, match.unsaid(words), way)
        case .return: try leave(rule, match, states, &way, mayPass: mayPass)
        case .jump(let name):
            if rule.limit != nil { match = match.unsaid("limit") }
            try follow(name, rule, match, states, way, isJump: true)
        case .goto(let name):
            if rule.limit != nil { match = match.unsaid("limit") }
            try follow(name, rule, match, states, way, isJump: false)
            way.excluded.append(Exclusion(match: match, states: states))
        case .goesOn(let leftOut):
            if let leftOut { try add(.none(leftOut: leftOut), rule, match, way) }
        }
    }

    /// What a rule does. What a chain does that is not in the file is not known.
    private func verdict(_ rule: FilterRule) -> FilterRule.Verdict {
        switch rule.verdict {
        case .jump(let name), .goto(let name):
            chains[name] == nil
                ? .unknown("the chain \(name.split(separator: " ").last ?? ""), which is not here") : rule.verdict
        default: rule.verdict
        }
    }

    /// What returns does not see the rest of the chain.
    private mutating func leave(
        _ rule: FilterRule, _ match: Match, _ states: States, _ way: inout Way, mayPass: Bool
    ) throws(ImportError) {
        let isPassed = mayPass && match.isExact && states == way.states && !states.isDisjoint(with: .openings)
        if isPassed {
            try add(.pass, rule, match, way)
            way.passes = true
        }
        way.excluded.append(
            Exclusion(match: match, states: states, isPassed: isPassed, isLimited: rule.limit != nil))
    }

    private mutating func follow(
        _ name: String, _ rule: FilterRule, _ match: Match, _ states: States, _ way: Way, isJump: Bool
    ) throws(ImportError) {
        var next = way
        next.match = match
        next.states = states
        next.path.append(name)
        next.comment = rule.comment ?? way.comment
        next.isJumped = isJump
        next.passes = false
        try enter(name, &next)
    }

    private mutating func add(
        _ action: Step.Action, _ rule: FilterRule?, _ match: Match, _ way: Way
    ) throws(ImportError) {
        guard steps.count < ChainWalk.mostSteps else { throw ChainWalk.tooMany }
        let states = way.states.intersection(rule?.states ?? .all)
        let boxes = action == .accept ? match.sure : match.over
        var step = Step(
            action: action, boxes: boxes, unpassed: boxes, unpassedUnsaid: match.unsaid, states: states,
            fields: match.fields, limit: rule?.limit, tag: rule?.tag, isLogged: rule?.isLogged ?? false,
            unsaid: match.unsaid, comment: rule?.comment ?? way.comment, origins: rule.map { [$0.origin] } ?? [],
            path: way.path)
        if case .layerEnd = action {
            steps.append(step)
            return
        }
        for exclusion in way.excluded + passed where !exclusion.states.isDisjoint(with: states) {
            ChainWalk.exclude(exclusion, from: &step, \.boxes, \.unsaid)
            // An accept rests on what is taken away; where a limit or a field decides, that is not known.
            let mayKeep = exclusion.match.isWhole && !exclusion.isLimited || step.action != .accept
            if exclusion.isPassed, mayKeep { continue }
            ChainWalk.exclude(exclusion, from: &step, \.unpassed, \.unpassedUnsaid)
        }
        // What cannot be reached is not worth a word.
        if step.boxes.isEmpty, step.unsaid.isEmpty { return }
        steps.append(step)
    }

    private static func exclude(
        _ exclusion: Exclusion, from step: inout Step, _ boxes: WritableKeyPath<Step, BoxList>,
        _ unsaid: WritableKeyPath<Step, [String]>
    ) {
        let isWhole = step.states.isSubset(of: exclusion.states)
        let isSure = exclusion.match.fields.isAny && !exclusion.isLimited
        let cut = step.action == .accept ? exclusion.match.over : isWhole && isSure ? exclusion.match.under : .none
        if let rest = step[keyPath: boxes].subtracting(cut) {
            step[keyPath: boxes] = rest.merged
        } else if step.action == .accept {
            step[keyPath: boxes] = .none
            step[keyPath: unsaid].append("too many combinations of what returned before")
        }
        let isPartial = !exclusion.match.isExact || !isWhole || !isSure
        guard isPartial, exclusion.match.over.boxes.contains(where: step[keyPath: boxes].intersects) else { return }
        let reasons =
            !exclusion.match.unsaid.isEmpty
            ? exclusion.match.unsaid
            : !isWhole ? ["the state of what returned before"] : ["a limit or field of what returned before"]
        step[keyPath: unsaid] += reasons
    }
}
