// SPDX-License-Identifier: Apache-2.0
import Network
import Policy
import Wire

/// A random policy from a seed: nested and adjacent address sets of both families, every form of service, VLANs,
/// directions, entries, `within`.
public struct RandomPolicy: Sendable {
    public enum Size: Sendable {
        case small
        /// Hundreds of rules and sets: long lists, full buckets, several levels of address sets.
        case large
        /// 10,000 rules.
        case huge
    }

    public let seed: UInt64
    public let ruleset: Ruleset

    private static let file = "random.yaml"
    private static let vlans: [UInt16] = [0, 1, 2, 100, 4095]

    /// - Parameter start: When packets are judged, if rules are to have all conditions at once; nil: fewer.
    public init(seed: UInt64, size: Size = .small, mixedFrom start: Timestamp? = nil) {
        self.seed = seed
        var random = RandomNumbers(seed: seed)
        let isLarge = size != .small
        let entries = (0..<random.number(1...(isLarge ? 12 : 4))).map { RandomPolicy.entry($0, &random) }
        let sets =
            size == .huge
            ? (0..<2_000).map { _ in RandomPolicy.narrowSet(&random) }
            : (0..<random.number(isLarge ? 40...100 : 1...12)).map { _ in RandomPolicy.addressSet(&random) }
        let services = (0..<random.number(1...(isLarge ? 40 : 8))).map { _ in
            (0..<random.number(1...3)).map { _ in RandomPolicy.service(&random) }
        }
        // Few enough to leave most packets to the default, or so many that lists are long.
        let count = size == .huge ? 10_000...10_000 : isLarge ? 100...300 : random.once(in: 3) ? 0...60 : 0...12
        var rules = (0..<random.number(count)).map { rank in
            RandomPolicy.rule(rank, sets: sets, services: services, entries: entries.count, isLarge: isLarge, &random)
        }
        let groups = (0..<random.number(0...3)).map { number in
            DynamicGroup(name: "dynamic-\(number)", location: RandomPolicy.location(number + 5))
        }
        if !groups.isEmpty { RandomPolicy.askMembers(&rules, of: groups.count, isLarge: isLarge, &random) }
        // A separate generator, so that the rest of a seed's policy stays the same.
        var others = RandomNumbers(seed: seed &+ 0x9e37_79b9_7f4a_7c15)
        if others.once(in: 2) { RandomPolicy.askHost(&rules, &others) }
        let layers = others.once(in: 2) ? RandomPolicy.layer(&rules, isLarge: isLarge, &others) : []
        if !isLarge, others.once(in: 2) { RandomPolicy.askOrigin(&rules, entries: entries.count, &others) }
        if !isLarge, let start, others.once(in: 2) {
            let conditions = RandomConditions(
                start: start, steps: [0, 5, 60, 130, 3600, 7200], groups: groups.count, stays: [nil, 5, 50, 500])
            // A chain has room for a rule of each layer besides.
            let tries = rules.filter(\.isConditional).reduce(0) { $0 + $1.memberships.count }
            conditions.mix(into: &rules, atMost: 16 - 3 - tries, &others)
        }
        var ruleset = Ruleset(
            files: [SourceFile(name: RandomPolicy.file, text: "version: 1 # seed \(seed)\n")], entries: entries,
            groups: [], rules: rules, dynamicGroups: groups)
        ruleset.layers = layers
        self.ruleset = ruleset
    }

    /// Makes some rules ask for dynamic groups, for one combination of them or several. In a small policy so few rules
    /// have a condition that all may be tried.
    private static func askMembers(
        _ rules: inout [Rule], of groups: Int, isLarge: Bool, _ random: inout RandomNumbers
    ) {
        func membership() -> Membership {
            var result = Membership.any
            for group in 0..<groups {
                switch random.number(0...3) {
                case 0: result.inside.insert(group)
                case 1: result.outside.insert(group)
                default: break
                }
            }
            return result
        }
        var left = 16
        for rank in rules.indices {
            let isConditional = rules[rank].isConditional
            if random.once(in: isLarge ? rules.count : 6), let first = rules[rank].ends.first {
                rules[rank].ends = (0..<random.number(1...3)).map { _ in
                    let ends = random.once(in: 2) ? first : random.pick(rules).ends.first ?? first
                    return Rule.Ends(from: ends.from, to: ends.to, source: membership(), destination: membership())
                }
            }
            guard !isLarge else { continue }
            let terms = rules[rank].memberships.count
            if !isConditional && !rules[rank].asksMembers { continue }
            if terms <= left {
                left -= terms
            } else {
                rules[rank].ends = [Rule.Ends(from: rules[rank].ends.first?.from, to: nil)]
                rules[rank].limit = nil
                rules[rank].expires = nil
            }
        }
    }

    /// Makes some rules ask whether an end is one of the host's own addresses. All ends of a conditional rule ask the
    /// same, so that a packet has no more conditions to try.
    private static func askHost(_ rules: inout [Rule], _ random: inout RandomNumbers) {
        for rank in rules.indices where random.once(in: 4) {
            func ask() -> Bool? { random.pick([nil, true, true, false]) }
            if rules[rank].isConditional {
                let (source, destination) = (ask(), ask())
                for index in rules[rank].ends.indices {
                    rules[rank].ends[index].source.isHost = source
                    rules[rank].ends[index].destination.isHost = destination
                }
                continue
            }
            guard let first = rules[rank].ends.first else { continue }
            rules[rank].ends = (0..<random.number(1...4)).map { _ in
                let ends = random.once(in: 2) ? first : random.pick(rules).ends.first ?? first
                return Rule.Ends(
                    from: random.once(in: 2) ? nil : ends.from, to: random.once(in: 2) ? nil : ends.to,
                    source: Membership(isHost: ask()), destination: Membership(isHost: ask()))
            }
        }
    }

    /// Makes some rules of a small policy ask where a packet came from. In a large one the classes of packets, which
    /// are all combinations of what is asked, would be so many that it takes minutes to compile.
    private static func askOrigin(_ rules: inout [Rule], entries: Int, _ random: inout RandomNumbers) {
        for rank in rules.indices where random.once(in: 5) {
            let some = Set(random.some(of: Array(0..<entries)))
            rules[rank].via = Rule.Via(entries: some, host: some.isEmpty || random.once(in: 3))
        }
    }

    /// Something to ask of a packet's own fields.
    public static func match(_ random: inout RandomNumbers) -> RuleMatch {
        var match = RuleMatch()
        switch random.number(0...5) {
        case 0: match.tcpFlags = .init(set: random.pick([0, 2, 16, 18]), of: random.pick([18, 23, 63]))
        case 1: match.hopLimit = random.pick([0...63, 64...64, 64...255, 1...1])
        case 2: match.length = random.pick([0...39, 40...64, 40...1500, 60...60])
        case 3: match.fragment = Bool.random(using: &random)
        case 4: match.sourceMACs = random.some(of: macs) + [Frame.guest]
        default: match.destinationMACs = random.some(of: macs) + [Frame.peer]
        }
        return match
    }

    /// Times around those at which packets are judged, in a zone whose clocks change then.
    private static func times(_ random: inout RandomNumbers) -> RuleTimes {
        let days = Set(random.some(of: Array(0..<7)))
        // 2,000,000,000 seconds since 1970.
        let changes = (-2...2).map { step in
            TimeZoneTable.Change(
                minute: UInt32(33_333_333 + step * random.number(1...3000)),
                offset: Int32(random.number(-14...14) * 1800))
        }
        let zone = TimeZoneTable(
            name: "random", changes: [.init(minute: 0, offset: 0)] + changes.sorted { $0.minute < $1.minute })
        let from = random.number(0...1439)
        let to = random.number(0...1440)
        return RuleTimes(
            days: days.isEmpty ? [3] : days, from: from, to: to == from ? from + 1 : to,
            zone: random.once(in: 2) ? .utc : zone)
    }

    /// A limit whose price of a packet and of a byte is a whole number, so that it is used up exactly.
    private static func limit(_ random: inout RandomNumbers) -> RuleLimit {
        let isBytes = random.once(in: 2)
        var limit = RuleLimit(
            rate: isBytes ? 6000 : random.pick([1, 2, 3]), period: random.pick([.minute, .hour]),
            burst: isBytes ? random.number(500...20_000) : random.number(1...40),
            per: random.pick([.rule, .source, .destination]), unit: isBytes ? .bytes : .packets)
        limit.isOver = random.once(in: 2)
        if limit.per != .rule {
            (limit.v4Prefix, limit.v6Prefix) = (random.pick([8, 24, 32]), random.pick([32, 64, 112, 128]))
        }
        return limit
    }

    /// Divides the rules into layers, and makes some rules log, pass or ask for more, so few that all may be tried.
    /// Returns the names of the layers.
    private static func layer(_ rules: inout [Rule], isLarge: Bool, _ random: inout RandomNumbers) -> [String] {
        let layers = random.number(1...3)
        let ends = (1..<layers).map { _ in random.number(0...rules.count) }.sorted()
        for rank in rules.indices { rules[rank].layer = ends.count { $0 <= rank } }
        // A chain has room for a rule of each layer besides.
        var left = 16 - layers - rules.filter(\.isConditional).reduce(0) { $0 + $1.memberships.count }
        let often = isLarge ? max(rules.count / 6, 1) : 4
        for rank in rules.indices where !rules[rank].isConditional && random.once(in: often) {
            left -= rules[rank].memberships.count
            guard left >= 0 else { break }
            switch random.number(0...3) {
            case 0: rules[rank].match = match(&random)
            case 1: rules[rank].limit = limit(&random)
            default:
                rules[rank].action = random.pick([.log, .pass])
                rules[rank].isStateless = false
                if random.once(in: 3) { rules[rank].match = match(&random) }
                rules[rank].starts = random.pick([nil, nil, Timestamp(nanoseconds: 1), .distantFuture])
                if random.once(in: 3) { rules[rank].times = times(&random) }
            }
        }
        return (0..<layers).map { "layer-\($0)" }
    }

    /// Possible members of a dynamic group of such a policy.
    public static func members(_ random: inout RandomNumbers) -> [Prefix] {
        (0..<random.number(1...4)).map { _ in prefix(&random) }
    }

    private static func location(_ line: Int) -> SourceLocation { SourceLocation(file: file, line: line, column: 1) }

    private static func entry(_ number: Int, _ random: inout RandomNumbers) -> PortEntry {
        let admissions: [VLANAdmission?] = [nil, VLANAdmission.none, .any, .any, .list(Set(random.some(of: vlans)))]
        let actions: [Action] = [.accept, .drop, .reject]
        let identity = identity(&random)
        return PortEntry(
            name: "port-\(number)", location: location(number + 1), selector: .interfaces(["eth\(number)"]),
            protects: random.pick([nil, .host, .workload]), macs: identity.macs, addresses: identity.addresses,
            sharedMACs: identity.sharedMACs, sharedAddresses: identity.sharedAddresses, guards: identity.guards,
            vlans: random.pick(admissions),
            defaults: .init(
                in: random.pick(actions), out: random.pick(actions), essentials: Bool.random(using: &random),
                inLocation: location(number + 1), outLocation: location(number + 1)),
            judgesUnknown: !random.once(in: 4))
    }

    /// The identity and guards of a port. Half the ports have neither.
    private static func identity(
        _ random: inout RandomNumbers
    ) -> (
        macs: [MACAddress], addresses: [Prefix], sharedMACs: [MACAddress], sharedAddresses: [Prefix],
        guards: GuardChoice?
    ) {
        if random.once(in: 2) { return ([], [], [], [], .off) }
        func prefixes() -> [Prefix] {
            (0..<random.number(0...4)).map { _ in
                random.once(in: 6)
                    ? Prefix(random.pick(macs).linkLocal, length: random.pick([64, 127, 128])) : prefix(&random)
            }
        }
        let chosen = random.some(of: Guard.allCases)
        let guards: GuardChoice? = random.pick([nil, .strict, .list(Set(chosen)), .list(Set(chosen))])
        let own = random.once(in: 3) ? [] : random.some(of: macs)
        let shared = random.once(in: 3) ? random.some(of: macs) : []
        return (own, prefixes(), shared, random.once(in: 2) ? prefixes() : [], guards)
    }

    /// The MAC addresses of the ports, and one that no port has.
    public static let macs: [MACAddress] = [Frame.guest, Frame.peer, "52:54:00:00:00:03", "00:00:5e:00:01:07"]

    /// The share of rules with a condition, because a policy in which a packet may match too many of them is refused.
    private static func condition(onceIn many: Int, _ random: inout RandomNumbers) -> (RuleLimit?, Timestamp?) {
        switch random.number(0...many - 1) {
        case 0:
            let limit = RuleLimit(
                rate: random.pick([1, 2, 3]), period: .minute, burst: random.number(1...40),
                per: random.pick([.rule, .source]))
            return (limit, nil)
        case 1: return (nil, random.once(in: 2) ? Timestamp(nanoseconds: 1) : .distantFuture)
        default: return (nil, nil)
        }
    }

    private static func rule(
        _ rank: Int, sets: [AddressSet], services: [[Service]], entries: Int, isLarge: Bool,
        _ random: inout RandomNumbers
    ) -> Rule {
        func end() -> AddressSet? { random.once(in: 3) ? nil : random.pick(sets) }
        var ends = [Rule.Ends(from: end(), to: end())]
        if random.once(in: 6) {
            let few = sets.count > 100 ? (0..<10).map { _ in random.pick(sets) } : random.some(of: sets)
            ends = few.map { Rule.Ends(from: $0, to: $0) }
        }
        let (limit, expires) = condition(onceIn: isLarge ? sets.count > 100 ? 4000 : 60 : 10, &random)
        return Rule(
            name: "rule-\(rank)", location: location(rank + 10), ends: ends,
            services: random.once(in: 3) ? nil : random.pick(services),
            vlans: random.once(in: 5) ? Set(random.some(of: vlans)) : nil,
            directions: random.once(in: 3) ? [random.pick([Direction.in, .out])] : [.in, .out],
            entries: random.once(in: 3) ? Set(random.some(of: Array(0..<entries))) : nil,
            action: random.pick([Action.accept, .accept, .drop, .reject]), isStateless: Bool.random(using: &random),
            limit: limit, expires: expires, log: Bool.random(using: &random))
    }

    private static func addressSet(_ random: inout RandomNumbers) -> AddressSet {
        func prefixes(_ most: Int) -> [Prefix] { (0..<random.number(0...most)).map { _ in prefix(&random) } }
        if random.once(in: 20) { return .all.subtracting(AddressSet(prefixes(3))) }
        return AddressSet(prefixes(random.once(in: 4) ? 40 : 5)).subtracting(AddressSet(prefixes(2)))
    }

    /// A set for a policy of thousands of rules: a few prefixes, rarely wide ones.
    private static func narrowSet(_ random: inout RandomNumbers) -> AddressSet {
        AddressSet(
            (0..<random.number(1...2)).map { _ in
                let site = UInt128(random.number(0...0x1ffff))
                return Bool.random(using: &random)
                    ? Prefix(
                        IPAddress(v4: 0xc612_0000 + UInt32(site)),
                        length: random.once(in: 50) ? 20 : random.number(26...32))
                    : Prefix(
                        IPAddress(v6: UInt128(0x2001_0db8) << 96 | site << 64 | site & 0xff),
                        length: random.once(in: 50) ? 54 : random.pick([60, 63, 64, 65, 72, 120, 128]))
            })
    }

    private static func prefix(_ random: inout RandomNumbers) -> Prefix {
        if Bool.random(using: &random) {
            let bases: [UInt32] = [0, 0xc000_0200, 0xc612_0000, 0xc633_6400, 0xcb00_7100, 0xffff_ff00]
            let base = random.pick(bases) + UInt32(random.number(0...255))
            return Prefix(IPAddress(v4: base), length: random.pick([0, 1, 8, 15, 16, 17, 23, 24, 25, 28, 30, 31, 32]))
        }
        let base = UInt128(0x2001_0db8) << 96
        let bases: [UInt128] = [0, base, base + 1 << 64, base + 1 << 80, base + 0xffff << 32, UInt128.max << 8]
        let lengths = [0, 1, 7, 8, 9, 32, 40, 48, 56, 63, 64, 65, 96, 112, 120, 124, 127, 128]
        return Prefix(IPAddress(v6: random.pick(bases) + UInt128(random.number(0...255))), length: random.pick(lengths))
    }

    private static func service(_ random: inout RandomNumbers) -> Service {
        switch random.number(0...9) {
        case 0...4:
            return .ports(
                protocol: random.pick([6, 6, 6, 17, 17, 132]), destination: portRanges(&random),
                source: random.once(in: 3) ? portRanges(&random) : [0...UInt16.max])
        case 5, 6:
            let family = random.pick([AddressFamily.v4, .v6])
            let type: UInt8? =
                random.once(in: 3) ? nil : random.pick(family == .v4 ? [0, 3, 8, 11] : [1, 2, 128, 135, 255])
            return .icmp(
                family, type: type, code: type == nil || Bool.random(using: &random) ? nil : random.pick([0, 1, 255]))
        case 7: return .protocol(random.pick([0, 1, 2, 6, 17, 43, 44, 47, 50, 51, 58, 59, 60, 255]))
        default: return .ethertype(random.pick([nil, 0x0600, 0x88cc, 0x8847, 0xffff]))
        }
    }

    private static func portRanges(_ random: inout RandomNumbers) -> [ClosedRange<UInt16>] {
        if random.once(in: 6) { return [0...UInt16.max] }
        return (0..<random.number(1...3)).map { _ in
            let low = random.pick([0, 22, 53, 67, 80, 255, 256, 443, 546, 1024, 8000, 32768, 65535] as [UInt16])
            return low...(random.once(in: 2) ? low : UInt16.random(in: low...UInt16.max, using: &random))
        }
    }
}

extension Timestamp {
    fileprivate static let distantFuture = Timestamp(nanoseconds: 4_000_000_000_000_000_000)
}
