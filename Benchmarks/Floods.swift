// SPDX-License-Identifier: Apache-2.0
import Network
import Policy
import TestSupport

/// Floods of random sources over large rule sets: no packet twice, every source a 32-bit number, or an IPv6 /64.
struct Floods: Section {
    static let name = "random"
    static let title = "Dropped packets from random sources, one CPU for sender and receiver"

    let settings: Settings
    let lab: Lab

    func run(_ report: inout Report) throws {
        let arena = try Arena(lab)
        var bare: Generator?
        for set in try ruleSets() {
            for count in [1, 64] {
                let targets = set.targets(count)
                guard !targets.isEmpty else { continue }
                settings.say("random sources: \(set.name), \(targets.count) targets")
                let generator = try arena.generator(targets, forging: .sources)
                bare = bare ?? generator
                try arena.add(
                    Bulkhead(executable: settings.bulkhead, rules: set.rules), [.xdp], section: Floods.title,
                    set: "\(set.name), \(count == 1 ? "1 target" : "\(count) targets")", rules: set.rules.count,
                    generator: generator)
            }
        }
        for count in settings.short ? [100, 10_000, 100_000] : [100, 1_000, 10_000, 100_000] {
            try addAlternatives(RuleSet.synthetic(count), to: arena)
        }
        guard let bare else { return }
        try arena.add(
            Bare(receivesPackets: false), section: Floods.title, set: "", rules: nil, generator: bare)
        let outcomes = try arena.measure(rounds: settings.rounds, milliseconds: settings.burstMilliseconds)
        let limit = outcomes.first { $0.label.filter == "bare program" }
        report.rows += arena.rows(outcomes, beside: limit, called: "bare XDP") + arena.absences
        guard let limit else { return }
        let words = outcomes.filter { $0.label.filter == "bulkhead" && $0.label.set != "synthetic" }.map { outcome in
            let share = zip(limit.nanoseconds, outcome.nanoseconds).map { $0 / $1 }.median
            return "\(outcome.label.set) \(Report.number(share))"
        }
        report.conclude(10, measured: words.joined(separator: ", "), held: nil)
    }

    /// Rules that do not overlap, beside nft's set of the same.
    private func addAlternatives(_ set: RuleSet, to arena: Arena) throws {
        settings.say("random sources: \(set.name) with \(set.rules.count) rules, and nft's set")
        let generator = try arena.generator(set.targets(1), forging: .sources)
        try arena.add(
            Bulkhead(executable: settings.bulkhead, rules: set.rules), [.xdp], section: Floods.title, set: set.name,
            rules: set.rules.count, generator: generator)
        try arena.add(
            NFT(form: .set, rules: set.rules), section: Floods.title, set: set.name, rules: set.rules.count,
            generator: generator)
    }

    private func ruleSets() throws -> [RuleSet] {
        let real = try settings.corpora.map { folder in
            try ["acl1", "fw1", "ipc1"].map { try RuleSet(classBench: "\($0)_10k", from: folder) }
        }
        return (real ?? [RuleSet(like: .acl, count: 10_000)])
            + [RuleSet(like: .acl, count: 10_000, inIPv6: true), RuleSet(like: .acl, count: 100_000)]
    }
}

extension RuleSet {
    /// Frames to so many destinations where nearly every packet from a random source is dropped.
    func targets(_ count: Int) -> [Frame] {
        var targets: [Frame] = []
        var seen: Set<[UInt8]> = []
        for frame in dropped {
            guard let target = frame.target, seen.insert(frame.bytes).inserted else { continue }
            if accepted(target) < RuleSet.fewSources { targets.append(frame) }
            if targets.count == count { break }
        }
        return targets
    }

    private static let fewSources = 0.001

    /// The share of all sources that may send such a packet, or more: rules that take the same sources count twice.
    private func accepted(_ target: Target) -> Double {
        var share = 0.0
        for rule in rules where rule.asks(target) {
            let sources = rule.sources(to: target.destination)
            if rule.action == .accept { share += sources }
            if sources == 1 || share >= RuleSet.fewSources { break }
        }
        return share
    }
}

extension Rule {
    /// Whether its service is such a packet's.
    fileprivate func asks(_ target: Target) -> Bool {
        guard let services else { return true }
        return services.contains { service in
            switch service {
            case .ports(target.ipProtocol, let ports, let sourcePorts):
                ports.contains { $0.contains(target.port) } && sourcePorts.contains { $0.contains(target.sourcePort) }
            case .protocol(target.ipProtocol): true
            default: false
            }
        }
    }

    /// The share of all sources whose packets to this destination it matches.
    fileprivate func sources(to destination: IPAddress) -> Double {
        ends.reduce(0) { share, ends in
            guard ends.to?.contains(destination) ?? true else { return share }
            guard let from = ends.from else { return 1 }
            let ranges = destination.family == .v4 ? from.v4 : from.v6
            let size = ranges.reduce(0.0) { $0 + Double($1.upperBound - $1.lowerBound) + 1 }
            return min(share + size / (destination.family == .v4 ? 0x1p32 : 0x1p128), 1)
        }
    }
}

/// Where a flood goes, and all of its packets but their sources.
private struct Target {
    var destination: IPAddress
    var ipProtocol: UInt8
    var sourcePort: UInt16
    var port: UInt16
}

extension Frame {
    /// That of a frame of IPv4 without options, or of IPv6.
    fileprivate var target: Target? {
        let isV6 = bytes[12...13].elementsEqual([0x86, 0xdd])
        let (place, size, header) = isV6 ? (38, 16, 54) : (30, 4, 34)
        guard bytes.count >= header + 4 else { return nil }
        let value = bytes[place..<place + size].reduce(UInt128(0)) { $0 << 8 | UInt128($1) }
        func port(_ place: Int) -> UInt16 { UInt16(bytes[place]) << 8 | UInt16(bytes[place + 1]) }
        return Target(
            destination: IPAddress(family: isV6 ? .v6 : .v4, value: value), ipProtocol: bytes[isV6 ? 20 : 23],
            sourcePort: port(header), port: port(header + 2))
    }
}
