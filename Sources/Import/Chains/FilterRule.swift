// SPDX-License-Identifier: Apache-2.0
import Policy

/// What connection tracking says of a packet.
struct States: OptionSet, Sendable, Hashable {
    let rawValue: UInt8

    static let new = States(rawValue: 1)
    static let established = States(rawValue: 2)
    static let related = States(rawValue: 4)
    static let invalid = States(rawValue: 8)
    static let untracked = States(rawValue: 16)
    static let all = States(rawValue: 31)
    /// Those of packets that no flow of Bulkhead's covers.
    static let openings: States = [.new, .invalid, .untracked]
}

/// A rule of a chain, in terms that iptables and nftables have in common.
struct FilterRule: Sendable {
    enum Verdict: Sendable, Hashable {
        case accept
        case drop
        case reject
        case jump(String)
        case goto(String)
        case `return`
        /// The packet is logged, and goes on with the next rule.
        case log
        /// The packet goes on with the next rule. `leftOut` says what is lost, nil where nothing is.
        case goesOn(leftOut: String?)
        /// Something decides that cannot be said. It may drop, so it is taken for a drop.
        case unknown(String)
    }

    /// Where the rule is written, and its text.
    var origin: Origin
    /// What its author wrote beside it.
    var comment: String?
    var match: Match
    var states = States.all
    var limit: RuleLimit?
    var verdict: Verdict
    /// What its log calls it.
    var tag: String?
    /// Whether a verdict is logged.
    var isLogged = false
}

/// A line of what is imported.
struct Origin: Sendable, Hashable {
    var file: String
    var line: Int
    var text: String

    /// The text as a note quotes it.
    var shown: String { OneLine.text(text, most: 240) }
}

/// A chain of rules.
struct FilterChain: Sendable {
    var rules: [FilterRule] = []
    /// Of a chain that the kernel calls by itself: what happens to a packet that no rule decided.
    var policy: FilterRule.Verdict?
}

/// The hooks that packets pass.
enum Hook: Sendable, Hashable, CaseIterable {
    case input
    case forward
    case output
}

/// A rule set: its chains, and which of them the kernel calls, in which order.
struct FilterSystem: Sendable {
    var devices: DeviceNames
    /// By name; names of different tables differ.
    var chains: [String: FilterChain] = [:]
    /// The chains of each hook. A packet passes if all of them accept it.
    var bases: [Hook: [Base]] = [:]

    /// A chain that the kernel calls by itself.
    struct Base: Sendable, Hashable {
        var name: String
        /// The packets for which it is called; nil: all.
        var within: Box?
    }
    /// Packets that are not tracked.
    var untracked: [Match] = []
    /// Rules that change addresses.
    var translations: [Translation] = []
    /// Named sets, for the names of groups.
    var sets: [NamedSet] = []

    /// A rule of NAT.
    struct Translation: Sendable {
        enum Kind: Sendable { case source, destination }
        var origin: Origin
        var kind: Kind
        var match: Match
    }
}
