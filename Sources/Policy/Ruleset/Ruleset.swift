// SPDX-License-Identifier: Apache-2.0
import Network
import Wire

/// What a port protects.
public enum Protects: String, Sendable, Hashable, CaseIterable {
    case host
    case workload
}

/// Which VLAN tags a port accepts.
public enum VLANAdmission: Sendable, Hashable {
    /// Untagged frames, and tag 0.
    case none
    /// These outer tags, where 0 stands for untagged; no inner tags.
    case list(Set<UInt16>)
    case any
}

/// A policy with names resolved, sets computed and defaults filled in: the compiler's input.
public struct Ruleset: Sendable {
    /// The policy's own file, then the included files in order.
    public var files: [SourceFile]
    /// In the policy's order, then parts of some; names are unique.
    public var entries: [PortEntry]
    public var groups: [AddressGroup]
    /// The groups whose members change by command.
    public var dynamicGroups: [DynamicGroup]
    /// By rank; the first match that decides.
    public var rules: [Rule]
    /// The names of the layers, in order; none if the policy names none. See ``Rule/layer``.
    public var layers: [String] = []
    /// How long after a port is attached connections from before are adopted, in seconds; 0: never.
    public var adopt: Int
    /// The policy's named services, each as a list of alternatives. For `explain`; rules hold their services
    /// themselves.
    public var services: [String: [Service]]
    /// The bytes of the policy's own file that hold its rules, one on each line; nil if rules may stand elsewhere too,
    /// or if more depends on them than they say themselves: another file, or a warning other than of ``covered``.
    public var rulesText: Range<Int>?
    /// The rules that can never match.
    public var covered: [CoveredRule] = []
    /// What must hold whatever the rules are; in the policy's order.
    public var assertions: [Assertion]

    public init(
        files: [SourceFile], entries: [PortEntry], groups: [AddressGroup], rules: [Rule], adopt: Int = 0,
        services: [String: [Service]] = [:], dynamicGroups: [DynamicGroup] = [], assertions: [Assertion] = []
    ) {
        self.files = files
        self.entries = entries
        self.groups = groups
        self.dynamicGroups = dynamicGroups
        self.rules = rules
        self.adopt = adopt
        self.services = services
        self.assertions = assertions
    }
}

/// A rule that can never match.
public struct CoveredRule: Sendable, Hashable {
    public var rule: Int
    /// The earlier rule that matches everything that this one would; nil: a group that it names is empty.
    public var cover: Int?

    public init(rule: Int, cover: Int?) {
        self.rule = rule
        self.cover = cover
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

/// One entry of `ports`: one or more devices that are treated the same.
public struct PortEntry: Sendable {
    /// How the entry selects its devices.
    public enum Selector: Sendable, Hashable {
        /// Devices by name or glob.
        case interfaces([String])
        /// The member ports of the bridges that match a name or glob.
        case bridge(String)
    }

    /// What holds a new port of a bridge shut until it is enforced.
    public enum Gate: String, Sendable, Hashable, CaseIterable {
        /// Whichever this host has.
        case auto
        /// The bridge filters VLANs, and the port gets its own last.
        case vlan
        /// A table of nftables drops what no admitted port sent or receives.
        case nft
        case none
    }

    public enum Mode: String, Sendable, Hashable, CaseIterable {
        case auto
        case xdp
        case tc
    }

    /// What to do with a segment of a TCP flow outside the connection's windows.
    public enum TCPWindows: String, Sendable, Hashable, CaseIterable {
        /// The segment passes, but the flow's state does not change.
        case liberal
        case strict
    }

    /// What applies if no rule matches.
    public struct Defaults: Sendable, Hashable {
        public var `in`: Action
        public var out: Action
        public var essentials: Bool
        /// The locations of `in` and `out`: the port's, else those of the policy's `defaults`, else the entry's.
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
    /// Of some of an entry's devices: which. All else is the entry's.
    public var part: PortPart?
    public var selector: Selector
    /// How the policy names the workloads whose devices these are; none if it names the devices.
    public var workloads: [WorkloadSelector] = []
    /// Their devices, of a part those that are its.
    public var guests: [WorkloadPort] = []
    /// A named network namespace; nil is the controller's own.
    public var namespace: String?
    /// As written; if nil, it depends on identity and device, see ``PortBinding``.
    public var protects: Protects?
    public var macs: [MACAddress]
    public var addresses: [Prefix]
    /// Whether `addresses` is an empty list: the port may claim only shared addresses.
    public var hasNoAddresses = false
    /// MAC addresses and prefixes that other ports may claim too.
    public var sharedMACs: [MACAddress]
    public var sharedAddresses: [Prefix]
    /// As written; nil is `strict` for a workload, `off` for a host.
    public var guards: GuardChoice?
    /// As written; nil is `none` for a workload, `any` for a host.
    public var vlans: VLANAdmission?
    public var defaults: Defaults
    public var mode: Mode
    /// The most flows of one port, or of one host entry; nil is a quarter of the table.
    public var maxFlows: Int?
    public var tcp: TCPWindows
    /// On a bridge entry: whether the policy judges member ports that no other entry names. If false, all their traffic
    /// is dropped.
    public var judgesUnknown: Bool
    /// Where `unknown` is written.
    public var unknownLocation: SourceLocation?
    /// On a bridge entry, as written.
    public var gate: Gate?

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

    /// What holds a new port: where nothing is written, only ports that would be dropped anyway are held.
    public var effectiveGate: Gate { gate ?? (judgesUnknown ? .none : .auto) }

    /// The size of the flow table, shared by all ports.
    public static let flowTableSize = 262_144

    /// The VLAN tags accepted on a port of this entry.
    public func vlanAdmission(_ protects: Protects) -> VLANAdmission {
        vlans ?? (protects == .workload ? .none : .any)
    }
}

/// A named set of addresses. For `explain` and messages; rules hold their sets themselves.
public struct AddressGroup: Sendable {
    public var name: String
    public var location: SourceLocation
    /// The addresses that are in the group whoever is in the dynamic groups.
    public var set: AddressSet
    /// The whole group in words, dynamic parts included.
    public var words: String
    /// Of a dynamic group: the addresses that are in it if they are members. `except` has taken away all others.
    public var memberRange: AddressSet

    /// - Parameter number: Of a dynamic group.
    init(name: String, location: SourceLocation, set: DynamicSet, number: Int? = nil) {
        self.name = name
        self.location = location
        self.set = set.fixed
        words = set.description
        memberRange = number.map(set.range(ofMembers:)) ?? .empty
    }
}

/// One alternative of a rule's `service`.
public enum Service: Sendable, Hashable {
    /// TCP (6), UDP (17) or SCTP (132), by destination and source ports. Any port is 0...65535; the lists are never
    /// empty.
    case ports(protocol: UInt8, destination: [ClosedRange<UInt16>], source: [ClosedRange<UInt16>])
    /// ICMP over IPv4, or ICMPv6 over IPv6; nil is any type or code.
    case icmp(AddressFamily, type: UInt8?, code: UInt8?)
    /// Any IP packet of this protocol, in both families.
    case `protocol`(UInt8)
    /// A non-IP frame by EtherType; nil is LLC.
    case ethertype(UInt16?)
}

public struct Rule: Sendable {
    /// One alternative for the two ends of a packet. Each end must be in the address set (nil is any address) and have
    /// the membership.
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

        /// Whether it matters who is in a dynamic group.
        public var asksMembers: Bool { source.asksGroups || destination.asksGroups }

        /// Whether it matters which addresses the host has.
        public var asksHost: Bool { source.isHost != nil || destination.isHost != nil }

        /// Whether only the addresses matter.
        public var asksNothing: Bool { source.isAny && destination.isAny }
    }

    /// Where a packet must have come from that the host sends on, or out of itself.
    public struct Via: Sendable, Hashable {
        /// Indices of port entries at which the kernel received it last.
        public var entries: Set<Int>
        /// Whether the host itself may be its sender.
        public var host: Bool

        public init(entries: Set<Int>, host: Bool = false) {
            self.entries = entries
            self.host = host
        }
    }

    public var name: String
    public var location: SourceLocation
    /// The alternatives: `within` gives one per group, `from` and `to` one, or several if dynamic groups are involved.
    /// If empty, the rule never matches.
    public var ends: [Ends]
    /// The alternatives; nil is any IP packet.
    public var services: [Service]?
    /// Outer tags, where 0 stands for untagged; nil is any.
    public var vlans: Set<UInt16>?
    public var directions: Directions
    /// Indices of port entries; nil is all.
    public var entries: Set<Int>?
    /// It matches only where the host sends: `out` at a port that protects the host, `in` at a workload's.
    public var via: Via?
    public var action: Action
    /// The index of its layer; the rules of a layer stand together, in the order of the layers.
    public var layer = 0
    public var isStateless: Bool
    /// What it asks of the packet's own fields.
    public var match = RuleMatch.any
    /// The rule does not match over this limit, or only over it.
    public var limit: RuleLimit?
    /// The rule does not match while as many of its flows are open.
    public var connections: RuleConnections?
    /// The rule does not match before this time.
    public var starts: Timestamp?
    /// The rule does not match from this time on.
    public var expires: Timestamp?
    /// The rule matches at these times alone.
    public var times: RuleTimes?
    /// A match puts an end of the packet into a dynamic group.
    public var addition: RuleAddition?
    /// A word that its events carry.
    public var tag: String?
    /// Whether matches are streamed as events, with the default filled in.
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
        self.log = log ?? Rule.logs(action)
        self.comment = comment
        self.meta = meta
    }

    /// Whether matches of an action are streamed if the rule does not say.
    static func logs(_ action: Action) -> Bool { action != .accept && action != .pass }

    /// Whether the rule may leave the decision on a packet that has everything the rule asks for to later rules.
    public var isConditional: Bool {
        asksOthers || asksMembers || match != .any || !action.isVerdict || addition != nil
    }

    /// Whether what the rule says of a packet depends on more than its place, its ends and its service.
    public var asksMore: Bool { isConditional || via != nil }

    /// Whether the rule asks for more than the packet and dynamic groups: for what only the moment tells.
    public var asksOthers: Bool {
        limit != nil || connections != nil || starts != nil || expires != nil || times != nil
    }

    /// Whether it matters who is in a dynamic group.
    public var asksMembers: Bool { ends.contains(where: \.asksMembers) }

    /// Whether it matters which addresses the host has.
    public var asksHost: Bool { ends.contains(where: \.asksHost) }
}
