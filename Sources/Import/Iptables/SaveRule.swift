// SPDX-License-Identifier: Apache-2.0
import Network
import Policy

/// Reads one rule of a saved rule set, from behind its chain's name.
struct SaveRule {
    /// What a rule's words refer to.
    struct Context {
        var family: AddressFamily
        var origin: Origin
        var table: String
        var prefix: String
        var devices: DeviceNames
        var sets: IPSets
        /// Whether some rule changes hop limits or code points.
        var changesFields = false
        /// Names of limits that several rules share.
        var sharedLimits: Set<String> = []
    }

    let context: Context
    var words: SaveWords
    /// Every packet of the family.
    let whole: Box
    var match: Match
    /// The protocol that the ports are of.
    var protocols = Box.allProtocols
    var states = States.all
    /// The states of a rule that may take packets of others too, and what it may take these for.
    var surely: (states: States, unsaid: String)?
    var flags: TCPFlags.Meaning?
    var limit = SaveLimit()
    var comment: String?
    var target: (word: String, isGoto: Bool)?
    /// Whether the options that follow are those of a module that is not known here.
    private var isStrange = false
    /// The options of the target, which decide nothing here.
    var targetWords: [String] = []

    init(_ words: SaveWords, _ context: Context) {
        self.words = words
        self.context = context
        whole = Box(.all(context.family))
        match = Match([whole])
    }

    private static let mostOptions = 1000

    /// Modules that restrict nothing by themselves.
    private static let plainModules: Set<String> = [
        "tcp", "udp", "udplite", "sctp", "dccp", "icmp", "icmp6", "icmpv6", "state", "conntrack", "comment",
        "multiport", "limit", "iprange", "set", "addrtype", "hashlimit",
    ]

    /// The rule; two where it accepts packets of some states, and others that cannot be told.
    mutating func rules(chains: [String: FilterChain]) throws(ImportError) -> [FilterRule] {
        var count = 0
        while !words.isAtEnd {
            count += 1
            guard count <= SaveRule.mostOptions else {
                throw fault("a rule with more than \(SaveRule.mostOptions) options")
            }
            let isNegated = words.negation()
            guard let option = words.take() else { break }
            let isNegatedAfter = words.negation()
            try take(option.text, isNegated: isNegated || isNegatedAfter)
        }
        let verdict = verdict(chains)
        guard let surely else { return [made(verdict, match, states)] }
        let rest = made(verdict, match.unsaid(surely.unsaid), states)
        return verdict == .accept ? [made(verdict, match, states.intersection(surely.states)), rest] : [rest]
    }

    private func made(_ verdict: FilterRule.Verdict, _ match: Match, _ states: States) -> FilterRule {
        var rule = FilterRule(origin: context.origin, comment: comment, match: match, verdict: verdict)
        rule.states = states
        if rule.verdict == .log { rule.tag = tag }
        flags?.narrow(&rule, within: whole)
        applyLimit(&rule)
        return rule
    }

    func fault(_ words: String) -> ImportError { ImportError(context.origin.file, context.origin.line, words) }

    mutating func needed(_ option: String) throws(ImportError) -> String {
        guard let value = words.value() else { throw fault("\(option) has no value") }
        return value
    }

    /// Adds a condition, or its opposite.
    mutating func add(_ condition: Match, isNegated: Bool) {
        match = match.and(isNegated ? condition.not(within: whole) : condition)
    }

    mutating func add(_ box: Box, isNegated: Bool) { add(Match([box]), isNegated: isNegated) }

    mutating func addUnsaid(_ option: String, isNegated: Bool) {
        let values = words.values().map { " " + $0 }.joined()
        if !isStrange { match = match.unsaid((isNegated ? "! " : "") + option + values) }
    }

    /// Whether the options are still those of conditions: those of a target such as LOG come after it.
    private var isVerdictOpen: Bool { target == nil || ["ACCEPT", "DROP", "RETURN"].contains(target?.word) }

    private mutating func take(_ option: String, isNegated: Bool) throws(ImportError) {
        switch option {
        case "-m", "--match":
            let name = try needed(option)
            isStrange = !SaveRule.plainModules.contains(name) && !SaveRule.fieldModules.contains(name)
            if isStrange { match = match.unsaid("-m \(name)") }
        case "-j", "--jump": target = (try needed(option), false)
        case "-g", "--goto": target = (try needed(option), true)
        case "--comment":
            let text = try needed(option)
            comment = comment ?? text
        case "-4", "--ipv4", "-6", "--ipv6": break
        default:
            if isVerdictOpen {
                limit.note(before: option)
                if try takeCondition(option, isNegated: isNegated) { return }
                if try takeField(option, isNegated: isNegated) { return }
            }
            if target != nil, !["ACCEPT", "DROP", "RETURN"].contains(target?.word) {
                targetWords += [option] + words.values()
            } else {
                addUnsaid(option, isNegated: isNegated)
            }
        }
    }

    // MARK: What the target does

    /// Targets after which the packet goes on, and what is lost with them; nil: nothing that a filter decides.
    private static let goingOn: [String: String?] = [
        "TRACE": "traces", "AUDIT": "audits", "MARK": nil,
        "CONNMARK": nil, "CONNSECMARK": nil, "SECMARK": nil, "CLASSIFY": nil, "TCPMSS": nil, "TCPOPTSTRIP": nil,
        "TOS": nil, "DSCP": nil, "TTL": nil, "HL": nil, "ECN": nil, "CHECKSUM": nil, "RATEEST": nil, "IDLETIMER": nil,
        "LED": nil, "HMARK": nil, "ACCOUNT": nil, "SET": "changes a set", "TEE": "copies", "NOTRACK": "NOTRACK",
    ]

    private func verdict(_ chains: [String: FilterChain]) -> FilterRule.Verdict {
        guard let target else {
            // A rule without a target counts, or has a condition with an effect of its own.
            return .goesOn(
                leftOut: match.unsaid.isEmpty ? nil : "does nothing but \(match.unsaid.joined(separator: ", "))")
        }
        let chain = context.prefix + target.word
        if chains[chain] != nil { return target.isGoto ? .goto(chain) : .jump(chain) }
        switch target.word {
        case "ACCEPT": return .accept
        case "DROP": return .drop
        case "REJECT", "TARPIT": return .reject
        case "RETURN": return .return
        case "LOG", "NFLOG", "ULOG": return context.table == "nat" ? .goesOn(leftOut: "logs") : .log
        case "CT": return .goesOn(leftOut: targetWords.contains("--notrack") ? "NOTRACK" : nil)
        default: break
        }
        if let known = SaveRule.goingOn[target.word] { return .goesOn(leftOut: known) }
        if context.table == "nat" { return .goesOn(leftOut: target.word) }
        return .unknown("-j \(target.word)")
    }

    // MARK: What cannot be told from a packet alone

    private func applyLimit(_ rule: inout FilterRule) {
        guard limit.isAsked else { return }
        let mayLimit: Bool =
            switch rule.verdict {
            case .accept, .drop, .reject, .return, .log: true
            default: false
            }
        if mayLimit, let known = limit.limit(context.family, shared: context.sharedLimits) {
            rule.limit = known
        } else {
            rule.match = rule.match.unsaid(limit.words)
        }
    }

    /// What a log's lines begin with, as a word.
    private var tag: String? {
        for option in ["--log-prefix", "--nflog-prefix", "--ulog-prefix"] {
            guard let place = targetWords.firstIndex(of: option), place + 1 < targetWords.count else { continue }
            return RuleNames.slug(targetWords[place + 1])
        }
        return nil
    }
}
