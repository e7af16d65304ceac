// SPDX-License-Identifier: Apache-2.0

/// What follows from a policy over all packets, in a form that a program can act upon.
public struct Finding: Sendable, Hashable {
    public enum Code: String, Sendable, Hashable, CaseIterable {
        /// The rule can never match: earlier rules match everything that it would.
        case shadowed
        /// The rule changes no verdict: without it every packet would get the same one.
        case redundant
        /// The rule can never match, and earlier rules do the opposite of what it asks for.
        case contradicts
        /// A name that nothing refers to, or a port at which no rule applies.
        case unused
        /// The rule accepts whatever comes in at some port.
        case openToAll = "open-to-all"
        /// A rule for IPv4 whose name suggests one for IPv6, which is not there.
        case noV6Twin = "no-v6-twin"
        /// An assertion does not hold, or could not be proved.
        case assertion
        /// The rule has matched no packet while it has been in force.
        case unhit
    }

    public var code: Code
    /// The names of the rules that are the cause.
    public var by: [String]
    /// A packet that shows it.
    public var example: PacketExample?

    public init(_ code: Code, by: [String] = [], example: PacketExample? = nil) {
        self.code = code
        self.by = by
        self.example = example
    }
}

/// One packet, in words.
public struct PacketExample: Sendable, Hashable {
    /// Addresses.
    public var from: String
    public var to: String
    /// As the policy language writes it.
    public var service: String
    /// Where it is judged; nil if the question is not about one port.
    public var port: String?
    public var direction: String?
    /// The source port of TCP, UDP or SCTP.
    public var sourcePort: UInt16?
    /// The outer VLAN tag; nil: untagged.
    public var vlan: UInt16?

    public init(
        from: String, to: String, service: String, port: String? = nil, direction: String? = nil,
        sourcePort: UInt16? = nil, vlan: UInt16? = nil
    ) {
        self.from = from
        self.to = to
        self.service = service
        self.port = port
        self.direction = direction
        self.sourcePort = sourcePort
        self.vlan = vlan
    }
}

extension PacketExample: CustomStringConvertible {
    /// `203.0.113.9 > 198.51.100.10 tcp/22`, and what is out of the ordinary.
    public var description: String {
        var words = "\(from) > \(to) \(service)"
        if let sourcePort { words += " from port \(sourcePort)" }
        if let vlan { words += " in VLAN \(vlan)" }
        return words
    }
}
