// SPDX-License-Identifier: Apache-2.0
import Network
import Policy
import TestSupport

/// Rules, and frames that they drop.
struct RuleSet {
    var name: String
    var rules: [Rule]
    /// None is accepted; not all are named by a rule.
    var dropped: [Frame]
    /// All are accepted by a rule, and are no TCP segments.
    var accepted: [Frame] = []
    /// TCP segments within connections, each of another one; a rule accepts all of them.
    var segments: [Frame] = []
}

extension RuleSet {
    /// A ClassBench set of the corpora; frames are those of its probes that it drops.
    init(classBench name: String, from folder: String) throws {
        let set = try ClassBench(name, from: folder)
        let dropped = set.probes.filter { probe in probe.firstMatch.map { $0 % 3 == 0 } ?? true }
        self.init(name: name, rules: set.ruleset.rules, dropped: dropped.map(\.frame))
    }

    /// A set made up like ClassBench's, the first seed's; frames are those of its probes that it drops: TCP's and
    /// UDP's, in IPv6, where TCP's are too long for a trace, UDP's alone.
    init(like kind: FilterGenerator.Kind, count: Int, inIPv6: Bool = false) {
        let set = FilterGenerator.filters(kind, count: count, seed: 1)
        let protocols: Set<UInt8> = inIPv6 ? [17] : [6, 17]
        let probes = set.probes(RuleSet.probes, seed: 1).filter { probe in
            protocols.contains(probe.ipProtocol)
                && probe.firstMatch.map { FilterSet.action(ofRank: $0) == .drop } ?? true
        }
        self.init(
            name: "\(kind.rawValue)-\(count)" + (inIPv6 ? " IPv6" : ""),
            rules: (inIPv6 ? set.inIPv6 : set).ruleset.rules,
            dropped: probes.map { (inIPv6 ? $0.inIPv6 : $0).frame })
    }

    /// Of a made-up set: a plain search finds what takes each first.
    private static let probes = 24_576

    /// A made-up set: each rule accepts a range of ports between two prefixes of the benchmark range, no two rules have
    /// a packet in common, and so sets with intervals can say the same. The frames go between pairs that rules name, to
    /// ports that none does.
    static func synthetic(_ count: Int) -> RuleSet {
        precondition((1...1 << 18).contains(count), "there are 262,144 pairs of prefixes")
        let pairs = (0..<count).map(Pair.init)
        let frames = (0..<max(Trace.length, min(count, 2 * Trace.length))).map { number in
            pairs[number % count].frame(number / count)
        }
        let accepted = (0..<Trace.length).map { number in
            // Every other rule is one for UDP.
            let pair = pairs[(2 * number + 1) % count]
            return pair.frame(number / count, to: pair.firstPort)
        }
        let segments = (0..<Trace.length).map { number in
            let pair = pairs[2 * number % count]
            return pair.segment(number / count, to: pair.firstPort)
        }
        return RuleSet(
            name: "synthetic", rules: pairs.map(\.rule), dropped: frames, accepted: accepted, segments: segments)
    }

    /// Frames to whom such a set names, for a generator that gives each a source of its own; no rule names their port.
    static func unrepeated(_ count: Int) -> [Frame] {
        (0..<min(count, Trace.length)).map { number in
            Frame(Datagram("198.18.0.0", Pair(number).to.address, .udp(0, 80)))
        }
    }
}

/// Two prefixes of 198.18.0.0/15, and a range of ports.
private struct Pair {
    let number: Int
    let from: Prefix
    let to: Prefix

    init(_ number: Int) {
        self.number = number
        // Odd factors go through all pairs of the 512 and 512 prefixes.
        let pair = UInt32(truncatingIfNeeded: number &* 40_503 &+ 77) & 0x3ffff
        from = Prefix(IPAddress(v4: 0xc612_0000 + (pair >> 9) << 8), length: 24 + number % 5)
        to = Prefix(IPAddress(v4: 0xc612_0000 + (pair & 511) << 8), length: 24 + number / 5 % 5)
    }

    private var isTCP: Bool { number % 2 == 0 }
    var firstPort: UInt16 { UInt16(1024 + number &* 7919 % 32_768) }

    var rule: Rule {
        Rule(
            name: "r\(number)", location: SourceLocation(file: "synthetic", line: 1, column: 1),
            ends: [Rule.Ends(from: AddressSet([from]), to: AddressSet([to]))],
            services: [
                .ports(
                    protocol: isTCP ? 6 : 17, destination: [firstPort...firstPort + UInt16(number % 64)],
                    source: [0...UInt16.max])
            ], action: .accept)
    }

    /// One of the frames from somewhere in `from` to somewhere in `to`, by default to a port that no rule names.
    func frame(_ index: Int, to destination: UInt16 = 80) -> Frame {
        let port = UInt16(40_000 + (number + index) % 1000)
        return Frame(Datagram(Pair.address(from, index), Pair.address(to, index), .udp(port, destination)))
    }

    func segment(_ index: Int, to destination: UInt16) -> Frame {
        let port = UInt16(40_000 + (number + index) % 1000)
        return Frame(
            Datagram(
                Pair.address(from, index), Pair.address(to, index),
                .tcp(port, destination, flags: Segment.TCPFlag.ack, sequence: 1, acknowledgement: 1)))
    }

    private static func address(_ prefix: Prefix, _ index: Int) -> IPAddress {
        let size = Int(prefix.last - prefix.first) + 1
        return IPAddress(family: .v4, value: prefix.first + UInt128(index % size))
    }
}
