// SPDX-License-Identifier: Apache-2.0
import Network
import Policy
import Wire

/// A rule of the policy in the making.
struct PlannedRule: Sendable {
    var box: Box
    var hook: Hook
    var action: Step.Action
    var isStateless = false
    var limit: RuleLimit?
    /// What else its packets must be.
    var fields = RuleMatch.any
    var tag: String?
    /// Whether a verdict is logged.
    var isLogged = false
    /// What the author of the original wrote beside it.
    var comment: String?
    /// The chains that led to it.
    var path: [String] = []
    /// Where it comes from.
    var origins: [Origin] = []
    /// What a reader should know of it.
    var remarks: [String] = []
    /// A name that it has whatever it says.
    var fixedName: String?
    /// Whether it is for what is addressed to the host itself, its broadcasts and multicast among that.
    var isToLocal = false

    /// Whether it decides.
    var isVerdict: Bool { action == .accept || action == .drop || action == .reject }
}

/// A line of the policy in the making.
enum PlannedItem: Sendable {
    case rule(PlannedRule)
    /// Something that could not be said, at its place.
    case note(ImportedPolicy.Note)
    /// A layer ends here, that of a chain.
    case layerEnd(String)
}

/// The policy in the making.
struct PolicyPlan: Sendable {
    var title: String
    var families: Set<AddressFamily>
    var devices: DeviceNames
    var ports: PortMap
    var sets: [NamedSet]
    var isRouter = false
    /// `drop`, `accept` or `reject`.
    var defaultIn = "drop"
    var defaultOut = "accept"
    var items: [PlannedItem] = []
    /// Lines about the whole, at the head of the policy.
    var remarks: [String] = []
    var notes: [ImportedPolicy.Note] = []
}
