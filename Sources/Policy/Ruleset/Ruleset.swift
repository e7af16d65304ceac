// SPDX-License-Identifier: Apache-2.0
import Network
import Wire

/// What a port stands in front of.
public enum Protects: String, Sendable, Hashable, CaseIterable {
    case host
    case workload
}

/// Which VLAN tags a port lets pass.
public enum VLANAdmission: Sendable, Hashable {
    /// Untagged, or tag 0.
    case none
    /// These outer tags, 0 being untagged; never an inner tag.
    case list(Set<UInt16>)
    case any
}

/// A policy with every name resolved, every set computed and every default filled in: what the compiler reads.
public struct Ruleset: Sendable {
    /// The policy's own file first, then what it includes, in order.
    public var files: [SourceFile]
    /// By the policy's order; names are unique.
    public var entries: [PortEntry]
    public var groups: [AddressGroup]
    /// Those whose members commands change.
    public var dynamicGroups: [DynamicGroup]
    /// By rank: the first match decides.
    public var rules: [Rule]
    /// Seconds after a port is attached in which connections that were there before are adopted; 0: none is.
    public var adopt: Int
    /// The policy's named services, each resolved to its alternatives, for `explain`; rules hold their services themselves.
    public var services: [String: [Service]]

    public init(
        files: [SourceFile], entries: [PortEntry], groups: [AddressGroup], rules: [Rule], adopt: Int = 0,
        services: [String: [Service]] = [:], dynamicGroups: [DynamicGroup] = []
    ) {
        self.files = files
        self.entries = entries
        self.groups = groups
        self.dynamicGroups = dynamicGroups
        self.rules = rules
        self.adopt = adopt
        self.services = services
    }
}

/// The text of one file of a policy.
public struct SourceFile: Sendable, Hashable {
    public var name: String
    public var text: String

    public init(name: String, text: String) {
        self.name = name
        self.text = text
    }
}

/// One entry of `ports`: one or more devices that are treated alike.
public struct PortEntry: Sendable {
    /// How the entry finds its devices.
    public enum Selector: Sendable, Hashable {
        /// Names and globs.
        case interfaces([String])
        /// The member ports of bridges of this name or glob.
        case bridge(String)
    }

    public enum Mode: String, Sendable, Hashable, CaseIterable {
        case auto
        case xdp
        case tc
    }

    /// What becomes of a TCP segment of a flow that lies outside the windows of its connection.
    public enum TCPWindows: String, Sendable, Hashable, CaseIterable {
        /// It passes, but changes nothing of what is known of the connection.
        case liberal
        case strict
    }

    /// What holds where no rule matches.
    public struct Defaults: Sendable, Hashable {
        public var `in`: Action
        public var out: Action
        public var essentials: Bool
        /// Where `in` and `out` are written: the port's, else the policy's `defaults`, else the entry's own line.
        public var inLocation: SourceLocation
        public var outLocation: SourceLocation

        public init(
            in: Action, out: Action, essentials: Bool, inLocation: SourceLocation,
            outLocation: SourceLocation
        ) {
            self.in = `in`
            self.out = out
            self.essentials = essentials
            self.inLocation = inLocation
            self.outLocation = outLocation
        }
    }

    public var name: String
    public var location: SourceLocation
    public var selector: Selector
    /// A named network namespace, or nil for the controller's own.
    public var namespace: String?
    /// As written; nil: by identity and device, see ``PortBinding``.
    public var protects: Protects?
    public var macs: [MACAddress]
    public var addresses: [Prefix]
    /// Whether `addresses` is written and empty: the port has none, and may claim none but what it shares.
    public var hasNoAddresses = false
    /// What several ports may claim.
    public var sharedMACs: [MACAddress]
    public var sharedAddresses: [Prefix]
    /// As written; nil: `strict` for a workload, `off` for a host.
    public var guards: GuardChoice?
    /// As written; nil: `none` for a workload, `any` for a host.
    public var vlans: VLANAdmission?
    public var defaults: Defaults
    public var mode: Mode
    /// Flows that one port, or one host entry, may have at a time; nil: a quarter of the table.
    public var maxFlows: Int?
    public var tcp: TCPWindows
    /// On a bridge entry: whether ports that no other entry names are judged (false: all is dropped).
    public var judgesUnknown: Bool

    public init(
        name: String, location: SourceLocation, selector: Selector, namespace: String? = nil,
        protects: Protects? = nil, macs: [MACAddress] = [], addresses: [Prefix] = [],
        sharedMACs: [MACAddress] = [], sharedAddresses: [Prefix] = [], guards: GuardChoice? = nil,
        vlans: VLANAdmission? = nil, defaults: Defaults, mode: Mode = .auto, maxFlows: Int? = nil,
        tcp: TCPWindows = .liberal, judgesUnknown: Bool = true
    ) {
        self.name = name
        self.location = location
        self.selector = selector
        self.namespace = namespace
        self.protects = protects
        self.macs = macs
        self.addresses = addresses
        self.sharedMACs = sharedMACs
        self.sharedAddresses = sharedAddresses
        self.guards = guards
        self.vlans = vlans
        self.defaults = defaults
        self.mode = mode
        self.maxFlows = maxFlows
        self.tcp = tcp
        self.judgesUnknown = judgesUnknown
    }

    /// Flows that the flow table holds, all ports together.
    public static let flowTableSize = 262_144

    /// The VLAN admission in force, seen as `protects`.
    public func vlanAdmission(_ protects: Protects) -> VLANAdmission {
        vlans ?? (protects == .workload ? .none : .any)
    }
}

/// A named set of addresses, for `explain` and messages; rules hold their sets themselves.
public struct AddressGroup: Sendable {
    public var name: String
    public var location: SourceLocation
    /// What is in it whoever is in dynamic groups.
    public var set: AddressSet
    /// All of it, in words.
    public var words: String

    init(name: String, location: SourceLocation, set: DynamicSet) {
        self.name = name
        self.location = location
        self.set = set.fixed
        words = set.description
    }
}

/// One alternative of what a rule's `service` may be.
public enum Service: Sendable, Hashable {
    /// TCP (6), UDP (17) or SCTP (132), by destination and source ports; any port is 0...65535, never an empty list.
    case ports(protocol: UInt8, destination: [ClosedRange<UInt16>], source: [ClosedRange<UInt16>])
    /// ICMP over IPv4 or ICMPv6 over IPv6; nil: any type, any code.
    case icmp(AddressFamily, type: UInt8?, code: UInt8?)
    /// Any IP packet of this protocol, of both families.
    case `protocol`(UInt8)
    /// A non-IP frame; nil: LLC.
    case ethertype(UInt16?)
}

public struct Rule: Sendable {
    /// Ends of a rule: the addresses, nil being any, that are what is asked of them in dynamic groups too.
    public struct Ends: Sendable, Hashable {
        public var from: AddressSet?
        public var to: AddressSet?
        public var source: Membership
        public var destination: Membership

        public init(
            from: AddressSet?, to: AddressSet?, source: Membership = .any, destination: Membership = .any
        ) {
            self.from = from
            self.to = to
            self.source = source
            self.destination = destination
        }

        /// Whether who is in a dynamic group matters.
        public var asksMembers: Bool { source.asksGroups || destination.asksGroups }

        /// Whether it matters which addresses the host has.
        public var asksHost: Bool { source.isHost != nil || destination.isHost != nil }

        /// Whether the addresses alone tell.
        public var asksNothing: Bool { source.isAny && destination.isAny }
    }

    public var name: String
    public var location: SourceLocation
    /// The rule matches where one of these does: one a group for `within`, else one for `from` and `to`, or several where dynamic groups have a
    /// say in these. Empty: never.
    public var ends: [Ends]
    /// nil: any IP packet.
    public var services: [Service]?
    /// Outer tags, 0 being untagged; nil: any.
    public var vlans: Set<UInt16>?
    public var directions: Directions
    /// Indices of port entries; nil: all.
    public var entries: Set<Int>?
    public var action: Action
    public var isStateless: Bool
    /// Over it the rule does not match.
    public var limit: RuleLimit?
    /// From then on the rule does not match.
    public var expires: Timestamp?
    /// Whether a match is streamed, the default filled in.
    public var log: Bool
    public var comment: String?
    public var meta: [(key: String, value: String)]

    public init(
        name: String, location: SourceLocation, ends: [Ends] = [Ends(from: nil, to: nil)],
        services: [Service]? = nil, vlans: Set<UInt16>? = nil,
        directions: Directions = .both, entries: Set<Int>? = nil, action: Action,
        isStateless: Bool = false, limit: RuleLimit? = nil, expires: Timestamp? = nil, log: Bool? = nil,
        comment: String? = nil, meta: [(key: String, value: String)] = []
    ) {
        self.name = name
        self.location = location
        self.ends = ends
        self.services = services
        self.vlans = vlans
        self.directions = directions
        self.entries = entries
        self.action = action
        self.isStateless = isStateless
        self.limit = limit
        self.expires = expires
        self.log = log ?? (action != .accept)
        self.comment = comment
        self.meta = meta
    }

    /// Whether a packet that has all that the rule asks for may yet not match it.
    public var isConditional: Bool { isLimitedOrExpires || asksMembers }

    public var isLimitedOrExpires: Bool { limit != nil || expires != nil }

    /// Whether who is in a dynamic group matters.
    public var asksMembers: Bool { ends.contains(where: \.asksMembers) }

    /// Whether it matters which addresses the host has.
    public var asksHost: Bool { ends.contains(where: \.asksHost) }
}
