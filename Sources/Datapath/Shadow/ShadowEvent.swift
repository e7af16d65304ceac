// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import Compiler
import Policy
import Wire

/// A packet that another policy would judge otherwise.
public struct ShadowEvent: Sendable, Hashable {
    /// The packet, and what the policy in force did with it.
    public var event: Event
    /// What the shadow's policy would do.
    public var shadow: ShadowVerdict
}

/// What one of two policies says of a packet, and which rule and line of it.
public struct ShadowVerdict: Sendable, Hashable {
    public var verdict: Action
    /// nil: the policy has no such port, so the packet would pass unjudged.
    public var reason: Reason?
    /// The rule that decides, or that let the packet's flow begin; nil: none.
    public var rule: ImageView.RuleRecord?
    /// The rule's line, the default's, or else the port's; column 0.
    public var source: SourceLocation?
    /// Whether it may be otherwise, because of a limit that nobody knows the use of.
    public var isDoubtful = false

    public init(
        verdict: Action, reason: Reason? = nil, rule: ImageView.RuleRecord? = nil, source: SourceLocation? = nil,
        isDoubtful: Bool = false
    ) {
        self.verdict = verdict
        self.reason = reason
        self.rule = rule
        self.source = source
        self.isDoubtful = isDoubtful
    }
}

/// Packets of which two policies say the same two things.
public struct ShadowTotal: Sendable, Hashable {
    public var old: ShadowVerdict
    public var new: ShadowVerdict
    public var direction: Direction
    public var packets: UInt64
    public var bytes: UInt64
}

/// The names of the rules of both policies.
struct ShadowNames {
    let live: LiveImage
    let view: ImageView
    /// First ranks of the rules in force, by the slot of their counter.
    private let ranks: [UInt32: UInt32]

    init(_ live: LiveImage, _ view: ImageView) {
        self.live = live
        self.view = view
        ranks = Dictionary(zip(live.view.ruleCounters.map(\.slot), live.view.firstRanks)) { first, _ in first }
    }

    /// The judgement in force with its rule. The front, and flows, know a rule by its counter alone.
    func completed(_ judgement: bh_judgement) -> bh_judgement {
        var judgement = judgement
        if judgement.rule == BH_NONE, judgement.counter != BH_NONE {
            judgement.rule = ranks[judgement.counter] ?? BH_NONE
        }
        return judgement
    }

    func verdict(_ judgement: bh_judgement, mayBe: Bool) -> ShadowVerdict? {
        guard let verdict = Action(judgement.verdict) else { return nil }
        guard judgement.generation != 0 else { return ShadowVerdict(verdict: verdict) }
        let place = view.source(of: judgement)
        return ShadowVerdict(
            verdict: verdict, reason: Reason(judgement.reason), rule: place.rule, source: place.location,
            isDoubtful: mayBe)
    }

    /// nil for a key that makes no sense.
    func total(_ pair: bh_shadow_pair, _ count: bh_shadow_total) -> ShadowTotal? {
        guard let was = Action(UInt32(pair.old_verdict)), let would = Action(UInt32(pair.verdict)) else { return nil }
        let old = ranks[pair.counter].flatMap { live.view.rule(Int($0)) }
        let new = pair.rule == BH_NONE ? nil : view.rule(Int(pair.rule))
        return ShadowTotal(
            old: ShadowVerdict(
                verdict: was, reason: Reason(UInt32(pair.old_reason)), rule: old, source: old?.location),
            new: ShadowVerdict(
                verdict: would, reason: pair.reason == 0 ? nil : Reason(UInt32(pair.reason)), rule: new,
                source: new?.location, isDoubtful: pair.may != 0),
            direction: UInt32(pair.direction) == BH_IN.rawValue ? .in : .out, packets: count.packets,
            bytes: count.bytes)
    }
}
