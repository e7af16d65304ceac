// SPDX-License-Identifier: Apache-2.0
import Policy

/// A rule where it takes effect: with the conditions of all jumps that lead to it.
struct Step: Sendable {
    enum Action: Sendable, Hashable {
        case accept
        case drop
        case reject
        /// The packet is logged and goes on.
        case log
        /// The rest up to the next end of a layer is left out.
        case pass
        /// A layer ends here: what passed goes on behind it. The name is the chain's.
        case layerEnd(String)
        /// Nothing is decided; `leftOut` is lost.
        case none(leftOut: String)
    }

    var action: Action
    /// Of an accept: packets that are surely accepted. Of anything else: packets that may be dropped.
    var boxes: BoxList
    /// The same where steps that pass stand before it: they take away what returned from its chain.
    var unpassed: BoxList
    /// What could not be said of that.
    var unpassedUnsaid: [String]
    var states: States
    /// What else its packets must be.
    var fields = RuleMatch.any
    var limit: RuleLimit?
    var tag: String?
    var isLogged = false
    /// What of the conditions could not be said.
    var unsaid: [String]
    var comment: String?
    /// The rules that it stands for, more than one where neighbours were joined.
    var origins: [Origin]
    /// The chains that lead to it, from the hook on.
    var path: [String]

    var isDrop: Bool { action == .drop || action == .reject }
    /// Whether it decides of all of its packets.
    var isVerdict: Bool { action == .accept || isDrop }
    /// Whether it matches some of its packets alone.
    var isConditional: Bool { limit != nil || !fields.isAny }
}
