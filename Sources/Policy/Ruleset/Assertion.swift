// SPDX-License-Identifier: Apache-2.0

/// What must hold for every packet from some addresses to others, whatever the rules are.
public struct Assertion: Sendable {
    public enum Expectation: String, Sendable, Hashable, CaseIterable {
        /// Every port on the way accepts each packet.
        case accept
        /// Some port on the way refuses each packet.
        case drop
    }

    public var name: String
    public var location: SourceLocation
    /// As of a rule: all combinations of the alternatives of both ends.
    public var ends: [Rule.Ends]
    /// The alternatives; nil is any IP packet.
    public var services: [Service]?
    public var expect: Expectation
    public var comment: String?

    public init(
        name: String, location: SourceLocation, ends: [Rule.Ends] = [Rule.Ends(from: nil, to: nil)],
        services: [Service]? = nil, expect: Expectation, comment: String? = nil
    ) {
        self.name = name
        self.location = location
        self.ends = ends
        self.services = services
        self.expect = expect
        self.comment = comment
    }
}
