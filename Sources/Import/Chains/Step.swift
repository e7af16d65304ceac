// SPDX-License-Identifier: Apache-2.0

/// A rule where it takes effect: with the conditions of all jumps that lead to it.
struct Step: Sendable {
    enum Action: Sendable, Hashable {
        case accept
        case drop
        case reject
        /// Nothing is decided; `leftOut` is lost.
        case none(leftOut: String)
    }

    var action: Action
    /// Of an accept: packets that are surely accepted. Of anything else: packets that may be dropped.
    var boxes: BoxList
    var states: States
    var limit: RateLimit?
    /// What of the conditions could not be said.
    var unsaid: [String]
    var comment: String?
    /// The rules that it stands for, more than one where neighbours were joined.
    var origins: [Origin]
    /// The chains that lead to it, from the hook on.
    var path: [String]
}
