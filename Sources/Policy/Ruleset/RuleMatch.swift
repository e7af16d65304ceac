// SPDX-License-Identifier: Apache-2.0
import Network

/// What a rule asks of a packet's own fields, besides its ends and its service; nil is any.
public struct RuleMatch: Sendable, Hashable {
    /// Flags of a TCP segment: of those in `of`, exactly those in `set` are set. FIN 1, SYN 2, RST 4, PSH 8, ACK 16,
    /// URG 32, ECE 64, CWR 128.
    public struct TCPFlags: Sendable, Hashable {
        public var set: UInt8
        public var of: UInt8

        public init(set: UInt8, of: UInt8) {
            self.set = set
            self.of = of
        }
    }

    public var tcpFlags: TCPFlags?
    public var hopLimit: ClosedRange<UInt8>?
    /// Bytes of the IP packet; of a super-packet as a whole.
    public var length: ClosedRange<UInt32>?
    /// Code points.
    public var dscp: Set<UInt8>?
    /// Priorities in the outermost tag; a packet without a tag has none.
    public var pcp: Set<UInt8>?
    /// Whether it is a fragment.
    public var fragment: Bool?
    public var sourceMACs: [MACAddress]?
    public var destinationMACs: [MACAddress]?

    public init() {}

    /// Matches every packet.
    public static let any = RuleMatch()
    /// The most MAC addresses of either end.
    public static let mostMACs = 16
}

extension RuleMatch: CustomStringConvertible {
    public var description: String {
        var parts: [String] = []
        if let tcpFlags { parts.append("tcpFlags \(tcpFlags)") }
        if let hopLimit { parts.append("hopLimit \(RuleMatch.words(hopLimit))") }
        if let length { parts.append("length \(RuleMatch.words(length))") }
        if let dscp { parts.append("dscp " + dscp.sorted().map(String.init).joined(separator: ",")) }
        if let pcp { parts.append("pcp " + pcp.sorted().map(String.init).joined(separator: ",")) }
        if let fragment { parts.append("fragment \(fragment)") }
        if let sourceMACs { parts.append("fromMac " + sourceMACs.map(\.description).joined(separator: ",")) }
        if let destinationMACs { parts.append("toMac " + destinationMACs.map(\.description).joined(separator: ",")) }
        return parts.joined(separator: " ")
    }

    private static func words<Bound>(_ range: ClosedRange<Bound>) -> String {
        range.lowerBound == range.upperBound ? "\(range.lowerBound)" : "\(range.lowerBound)-\(range.upperBound)"
    }
}

extension RuleMatch.TCPFlags: CustomStringConvertible {
    static let letters = Array("FSRPAUEC")

    public var description: String { "\(Self.words(set))/\(Self.words(of))" }

    private static func words(_ flags: UInt8) -> String {
        String(letters.enumerated().filter { flags >> UInt8($0.offset) & 1 == 1 }.map(\.element))
    }
}
