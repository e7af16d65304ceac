// SPDX-License-Identifier: Apache-2.0
import Foundation
import Network
import Policy
import TestSupport
import Wire

/// A random policy over so few addresses and services that every packet can be asked about.
struct TinyPolicy {
    var ruleset: Ruleset
    var protects: [Protects]

    static let v4 = (0..<8).map { IPAddress(v4: 0xc633_6400 + UInt32($0)) }
    static let v6 = (0..<8).map { IPAddress(v6: UInt128(0x2001_0db8) << 96 + UInt128($0)) }
    private static let any: [ClosedRange<UInt16>] = [0...UInt16.max]

    static let services: [[Service]] = [
        [.ports(protocol: 6, destination: [80...80], source: any)],
        [.ports(protocol: 6, destination: [80...90], source: any)],
        [.ports(protocol: 6, destination: any, source: any)],
        [.ports(protocol: 6, destination: [80...90, 443...443], source: [1024...UInt16.max])],
        [.ports(protocol: 17, destination: [53...53], source: any)],
        [.ports(protocol: 17, destination: any, source: [0...1023])],
        [.ports(protocol: 17, destination: [68...68], source: any)],
        [.icmp(.v4, type: 8, code: nil), .icmp(.v6, type: 128, code: nil)],
        [.icmp(.v4, type: nil, code: nil)], [.icmp(.v6, type: nil, code: nil)],
        [.icmp(.v6, type: 135, code: nil)],
        [.protocol(6)], [.protocol(17)], [.protocol(47)], [.protocol(51)], [.protocol(44)], [.protocol(58)],
        [
            .ports(protocol: 6, destination: [443...443], source: any),
            .ports(protocol: 17, destination: [53...53], source: any),
        ],
    ]

    static let tags: [UInt16] = [0, 7, 9]

    /// The seeds that a test tries: `BULKHEAD_POLICIES` of them, from `BULKHEAD_SEED` on. Prints which.
    static func seeds(_ test: String) -> Range<UInt64> {
        let first = Seed.first()
        let count = UInt64(Seed.count("BULKHEAD_POLICIES", usual: 20))
        print("\(test): BULKHEAD_SEED=\(first), \(count) policies")
        return first..<first + count
    }

    private static func place(_ line: Int) -> SourceLocation {
        SourceLocation(file: "tiny.yaml", line: line, column: 1)
    }

    /// - Parameters:
    ///   - rules: The most of them.
    ///   - hasConditions: Whether rules may have limits, expire, log or pass.
    init(seed: UInt64, rules: Int = 8, hasConditions: Bool = true) {
        var random = RandomNumbers(seed: seed)
        let count = random.number(1...4)
        var protects: [Protects] = []
        let entries = (0..<count).map { number -> PortEntry in
            let side: Protects = number == 0 ? .host : random.pick([.host, .workload, .workload])
            protects.append(side)
            return TinyPolicy.entry(number, side, &random)
        }
        var list = (0..<random.number(0...rules)).map { rank in
            TinyPolicy.rule(rank, entries: count, hasConditions: hasConditions, &random)
        }
        // A copy of an earlier rule now and then, with another action or none.
        for rank in list.indices where rank > 0 && random.once(in: 5) {
            var copy = random.pick(Array(list[..<rank]))
            copy.name = list[rank].name
            copy.location = list[rank].location
            if random.once(in: 2) { copy.action = random.pick([.accept, .drop]) }
            list[rank] = copy
        }
        let layers = hasConditions && random.once(in: 2) ? TinyPolicy.layer(&list, &random) : []
        ruleset = Ruleset(files: [], entries: entries, groups: [], rules: list)
        ruleset.layers = layers
        self.protects = protects
    }

    /// Divides the rules into layers, and lets some log or pass. Returns the layers' names.
    private static func layer(_ rules: inout [Rule], _ random: inout RandomNumbers) -> [String] {
        var layer = 0
        for rank in rules.indices {
            if rank > 0, random.once(in: 3) { layer += 1 }
            rules[rank].layer = layer
            if random.once(in: 4) { rules[rank].action = random.pick([.log, .pass, .pass]) }
        }
        return (0...layer).map { "layer-\($0)" }
    }

    private static func entry(_ number: Int, _ side: Protects, _ random: inout RandomNumbers) -> PortEntry {
        let actions: [Action] = [.accept, .drop, .reject]
        let isGuest = side == .workload
        let own = isGuest && random.once(in: 2)
        let addresses = own ? [Prefix(v4[number]), Prefix(v6[number])] : []
        let shared = isGuest && random.once(in: 4) ? [Prefix(v4[6], length: 31)] : []
        return PortEntry(
            name: "port-\(number)", location: place(number + 1), selector: .interfaces(["eth\(number)"]),
            protects: side, macs: [], addresses: addresses, sharedAddresses: shared,
            guards: isGuest
                ? random.pick([nil, .off, .strict, GuardChoice.list(own ? [.destination] : [.ra])])
                : random.pick([nil, .list([.ip])]),
            vlans: random.pick([nil, .any, VLANAdmission.none, .list([7])]),
            defaults: .init(
                in: random.pick(actions), out: random.pick(actions), essentials: random.once(in: 2),
                inLocation: place(number + 1), outLocation: place(number + 1)))
    }

    static func set(_ random: inout RandomNumbers) -> AddressSet? {
        if random.once(in: 3) { return nil }
        var prefixes: [Prefix] = []
        for _ in 0..<random.number(1...2) {
            let number = random.number(0...7)
            let bits = random.number(0...3)
            if !random.once(in: 3) { prefixes.append(Prefix(v4[number], length: 32 - bits)) }
            if !random.once(in: 3) { prefixes.append(Prefix(v6[number], length: 128 - bits)) }
        }
        let set = AddressSet(prefixes)
        return random.once(in: 8) ? AddressSet.all.subtracting(set) : set
    }

    private static func ends(_ random: inout RandomNumbers) -> Rule.Ends {
        func own() -> Bool? { random.once(in: 8) ? random.once(in: 2) : nil }
        return Rule.Ends(
            from: set(&random), to: set(&random), source: Membership(isHost: own()),
            destination: Membership(isHost: own()))
    }

    private static func rule(
        _ rank: Int, entries: Int, hasConditions: Bool, _ random: inout RandomNumbers
    ) -> Rule {
        let isFrame = random.once(in: 12)
        let ends = (0..<(random.once(in: 6) ? 2 : 1)).map { _ in TinyPolicy.ends(&random) }
        var rule = Rule(
            name: "rule-\(rank)", location: place(rank + 10),
            ends: isFrame ? [Rule.Ends(from: nil, to: nil)] : ends,
            services: isFrame ? [.ethertype(0x88cc)] : random.once(in: 3) ? nil : random.pick(services),
            vlans: random.once(in: 5) ? Set(random.some(of: tags)) : nil,
            directions: random.once(in: 3) ? [random.pick([Direction.in, .out])] : .both,
            entries: random.once(in: 3) ? Set(random.some(of: Array(0..<entries))) : nil,
            action: random.pick([.accept, .accept, .drop, .reject]))
        guard hasConditions else { return rule }
        if random.once(in: 10) { rule.limit = RuleLimit(rate: 1, period: .second) }
        if random.once(in: 20) { rule.expires = Timestamp(nanoseconds: 4_000_000_000_000_000_000) }
        return rule
    }
}
