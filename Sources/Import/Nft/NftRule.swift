// SPDX-License-Identifier: Apache-2.0
import Network
import Policy

/// A set or map of nft.
struct NftSet: Sendable {
    var elements: [JSONValue]
    /// Why it may have other members than those that are listed; nil if it has not.
    var unsaid: String?
}

/// Reads one rule of nft, for one family. It becomes several where its verdict comes out of a map.
struct NftRule {
    /// What a rule refers to.
    struct Context {
        var family: AddressFamily
        /// Before the names of chains and sets, which are its table's.
        var prefix: String
        var devices: DeviceNames
        var sets: [String: NftSet]
        var changesFields: Bool
        /// Whether the chain is called where a packet leaves: its hop limit was lowered.
        var isLeaving: Bool
    }

    let context: Context
    let origin: Origin
    let whole: Box
    var match: Match
    var states = States.all
    var flags: TCPFlags.Meaning?
    var limit: RuleLimit?
    private let comment: String?
    private var tag: String?
    private var isLogged = false
    private(set) var rules: [FilterRule] = []
    private(set) var translations: [FilterSystem.Translation] = []
    private(set) var untracked: [Match] = []

    static func read(_ expressions: [JSONValue], _ comment: String?, _ origin: Origin, _ context: Context) -> NftRule {
        var rule = NftRule(comment, origin, context)
        for expression in expressions {
            // A log takes what has come to it, and what follows may leave some of it out.
            if rule.match.over.isEmpty { break }
            rule.take(expression)
        }
        return rule
    }

    private init(_ comment: String?, _ origin: Origin, _ context: Context) {
        self.comment = comment
        self.origin = origin
        self.context = context
        whole = Box(.all(context.family))
        match = Match([whole])
    }

    mutating func unsaid(_ words: String) { match = match.unsaid(words) }

    // MARK: Statements

    private mutating func take(_ expression: JSONValue) {
        guard let (key, body) = expression.single else { return decide(.unknown(NftWords.text(expression))) }
        switch key {
        case "match":
            settleLog()
            noteLimit(NftWords.statement(expression))
            add(body)
        case "limit": addLimit(body, NftWords.statement(expression))
        case "ct count", "quota", "connlimit":
            settleLog()
            unsaid(NftWords.statement(expression))
        case "log": addLog(body)
        case "vmap":
            settleLog()
            addMap(body)
        case "accept": decide(.accept)
        case "drop": decide(.drop)
        case "reject": decide(.reject)
        case "return": decide(.return)
        case "jump": decide(.jump(context.prefix + (body["target"]?.string ?? "")))
        case "goto": decide(.goto(context.prefix + (body["target"]?.string ?? "")))
        case "snat", "masquerade": addTranslation(.source)
        case "dnat", "redirect": addTranslation(.destination)
        case "notrack":
            untracked.append(match)
            rules.append(made(.goesOn(leftOut: "NOTRACK")))
        case "set", "map", "dynset", "meter":
            rules.append(made(.goesOn(leftOut: "changes a set: \(NftWords.statement(expression))")))
            // It may have a condition of its own.
            if body["stmt"] != nil || key == "meter" { unsaid(NftWords.statement(expression)) }
        case "counter", "mangle", "continue", "comment", "last", "ct helper", "ct timeout", "ct expectation", "flow",
            "secmark":
            break
        case "dup": rules.append(made(.goesOn(leftOut: "copies")))
        case "xt": unsaid("an extension of iptables; import this table with iptables-save")
        default: decide(.unknown(NftWords.statement(expression)))
        }
    }

    private func made(_ verdict: FilterRule.Verdict, _ match: Match? = nil, _ states: States? = nil) -> FilterRule {
        var rule = FilterRule(origin: origin, comment: comment, match: match ?? self.match, verdict: verdict)
        rule.states = states ?? self.states
        switch verdict {
        case .accept, .drop, .reject, .return, .log: rule.limit = limit
        default: if limit != nil { rule.match = rule.match.unsaid("limit") }
        }
        flags?.narrow(&rule, within: whole)
        if verdict == .log || isLogged { rule.tag = tag }
        rule.isLogged = isLogged && verdict == .accept
        return rule
    }

    /// What a statement that is no verdict decides after all: it may drop.
    private mutating func decide(_ verdict: FilterRule.Verdict) {
        switch verdict {
        case .accept, .drop, .reject: break
        default: settleLog()
        }
        rules.append(made(verdict))
        match = Match([])
    }

    private mutating func addTranslation(_ kind: FilterSystem.Translation.Kind) {
        translations.append(.init(origin: origin, kind: kind, match: match))
        match = Match([])
    }

    // MARK: Logs and limits

    private mutating func addLog(_ body: JSONValue) {
        settleLog()
        tag = body["prefix"]?.string.flatMap(RuleNames.slug)
        isLogged = true
    }

    /// A log whose rule asks for more after it is a rule of its own.
    private mutating func settleLog() {
        guard isLogged else { return }
        isLogged = false
        rules.append(made(.log))
        tag = nil
    }

    /// At the end, what is logged and not decided.
    mutating func finish() -> [FilterRule] {
        if !match.over.isEmpty {
            settleLog()
            // An extension that is not known may be the verdict.
            if match.unsaid.contains(where: { $0.hasPrefix("an extension") }) {
                rules.append(made(.unknown("an extension of iptables")))
            }
        }
        return rules
    }

    /// A limit takes what comes to it: where other conditions are asked after it, it takes more than the rule does.
    private mutating func noteLimit(_ words: String) {
        guard limit != nil else { return }
        limit = nil
        unsaid("a limit before \(words)")
    }

    private mutating func addLimit(_ body: JSONValue, _ words: String) {
        settleLog()
        noteLimit(words)
        let period = RateWords.period(body["per"]?.string ?? "second")
        guard let rate = body["rate"]?.int else { return unsaid(words) }
        let sizes = ["bytes": 1, "kbytes": 1 << 10, "mbytes": 1 << 20]
        var read: RuleLimit?
        if let unit = body["rate_unit"]?.string, unit != "packets" {
            // The kernel has room for what comes in one unit of time, besides the burst.
            let burst = (body["burst"]?.int ?? 0) * (sizes[body["burst_unit"]?.string ?? "bytes"] ?? 0)
            if let size = sizes[unit], rate < 1 << 30, burst < 1 << 40 {
                read = RateWords.limit(rate * size, per: period, burst: rate * size + burst, unit: .bytes)
            }
        } else {
            let burst = body["burst"]?.int ?? 5
            read = RateWords.limit(rate, per: period, burst: burst == 0 ? 5 : burst)
        }
        guard var read else { return unsaid(words) }
        read.isOver = body["inv"]?.isTrue == true
        limit = read
    }

    // MARK: Maps of verdicts

    private mutating func addMap(_ body: JSONValue) {
        let words = NftWords.statement(JSONValue(content: .object([("vmap", body)]), line: 0))
        noteLimit(words)
        guard let key = body["key"], let data = body["data"], let selector = NftSelector(key),
            let set = elements(data)
        else { return decideUnsaid(words) }
        if set.unsaid != nil { return decideUnsaid(words) }
        let before = match
        var rest = before
        for element in set.elements.filter({ NftRule.key(of: $0)?.string != "*" })
            + set.elements.filter({ NftRule.key(of: $0)?.string == "*" })
        {
            guard let pair = element.array, pair.count == 2, let value = NftRule.key(of: element),
                let verdict = verdict(pair[1])
            else { return decideUnsaid(words) }
            match = before
            let states = states
            if case .states = selector {
                guard let asked = NftRule.states(value) else { return decideUnsaid(words) }
                self.states.formIntersection(asked)
                if value.string == "*" { self.states = states }
            } else {
                guard selector.hasBoxes, let boxes = selector.boxes(value, within: whole, context.devices) else {
                    return decideUnsaid(words)
                }
                match = (value.string == "*" ? rest : before).and(Match(boxes))
                rest = rest.and(Match(boxes).not(within: whole))
            }
            if let verdict { rules.append(made(verdict)) }
            self.states = states
        }
        match = before
    }

    /// It may drop whatever comes to it.
    private mutating func decideUnsaid(_ words: String) {
        rules.append(made(.unknown(words)))
    }

    /// What an element of a map is looked up by.
    private static func key(of element: JSONValue) -> JSONValue? {
        guard let first = element.array?.first else { return nil }
        if let (key, body) = first.single, key == "elem" { return body["val"] }
        return first
    }

    /// nil: it is none; `.some(nil)`: the packet goes on.
    private func verdict(_ value: JSONValue) -> FilterRule.Verdict?? {
        guard let (key, body) = value.single else { return nil }
        switch key {
        case "accept": return .accept
        case "drop": return .drop
        case "return": return .return
        case "continue": return .some(nil)
        case "jump": return .jump(context.prefix + (body["target"]?.string ?? ""))
        case "goto": return .goto(context.prefix + (body["target"]?.string ?? ""))
        default: return nil
        }
    }

    /// The members of a set that is named, or written in place.
    func elements(_ value: JSONValue) -> NftSet? {
        if let name = value.string, name.hasPrefix("@") { return context.sets[context.prefix + name.dropFirst()] }
        if let (key, body) = value.single, key == "set" { return NftSet(elements: body.items, unsaid: nil) }
        return nil
    }

    static func states(_ value: JSONValue) -> States? {
        var states: States = []
        for item in value.items {
            switch item.string {
            case "new": states.insert(.new)
            case "established": states.insert(.established)
            case "related": states.insert(.related)
            case "invalid": states.insert(.invalid)
            case "untracked": states.insert(.untracked)
            default: return nil
            }
        }
        return states
    }
}
