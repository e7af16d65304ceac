// SPDX-License-Identifier: Apache-2.0
import Compiler
import Network
import Policy
import TestSupport
import Testing
import Wire

/// One row of a packet table: a frame, and the outcome at every named port.
struct PacketRow: Sendable, CustomTestStringConvertible {
    /// The verdict that tc must give.
    struct Expectation: Sendable, Hashable, CustomStringConvertible {
        var verdict: Action
        var reason: Reason
        var rule: String?

        static func accept(by rule: String) -> Expectation { .init(verdict: .accept, reason: .rule, rule: rule) }
        static func drop(by rule: String) -> Expectation { .init(verdict: .drop, reason: .rule, rule: rule) }
        static func accept(_ reason: Reason) -> Expectation { .init(verdict: .accept, reason: reason) }
        static func drop(_ reason: Reason) -> Expectation { .init(verdict: .drop, reason: reason) }

        var description: String { "\(verdict) \(reason.rawValue)" + (rule.map { " by \($0)" } ?? "") }
    }

    /// What XDP at a host port must do before it.
    enum Early: Sendable {
        /// It drops for the same reason.
        case drops
        /// It leaves the packet to tc, which may know more.
        case leaves
        /// It does either; if it drops, for the same reason.
        case either
    }

    var testDescription: String
    var frame: Frame
    var expected: Expectation
    /// Ports of the table's policy, by name; each is tried in both directions, unless `direction` is set.
    var ports: [String]
    var direction: Direction?
    var early: Early
    /// The frame's length in bytes before it was cut short, if it was.
    var originalLength: Int?
    /// The number of wire packets of a super-packet.
    var segments: Int

    init(
        _ description: String, _ frame: Frame, _ expected: Expectation, at ports: [String],
        direction: Direction? = nil, early: Early = .either, originalLength: Int? = nil, segments: Int = 1
    ) {
        testDescription = description
        self.frame = frame
        self.expected = expected
        self.ports = ports
        self.direction = direction
        self.early = early
        self.originalLength = originalLength
        self.segments = segments
    }
}

/// The ends that the tables use: a client outside and a server, in both families.
enum Ends {
    static func client(_ family: AddressFamily) -> IPAddress { family == .v4 ? "198.51.100.7" : "2001:db8:7::7" }
    static func server(_ family: AddressFamily) -> IPAddress { family == .v4 ? "192.0.2.80" : "2001:db8:80::80" }

    static func datagram(
        _ family: AddressFamily, _ segment: Segment, _ change: (inout Datagram) -> Void = { _ in }
    ) -> Datagram { Datagram(client(family), server(family), segment, change) }

    static func frame(
        _ family: AddressFamily, _ segment: Segment, tags: [Frame.Tag] = [],
        _ change: (inout Datagram) -> Void = { _ in }
    ) -> Frame { Frame(datagram(family, segment, change), tags: tags) }
}

/// Rows of both families, side by side.
func bothFamilies(_ rows: (AddressFamily) -> [PacketRow]) -> [PacketRow] {
    AddressFamily.allCases.flatMap { family in
        rows(family).map { row in
            var row = row
            row.testDescription = "IP\(family): " + row.testDescription
            return row
        }
    }
}
