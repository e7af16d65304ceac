// SPDX-License-Identifier: Apache-2.0
import Compiler
import Network
import Policy
import TestSupport
import Wire

/// A policy whose rules are drawn from what packets of a corpus carry, so that what the parser reads decides.
enum FuzzPolicy {
    /// What the clock on the wall shows when the tables are empty: half a second away from edges of times of day.
    static let start = Timestamp(nanoseconds: 1_700_000_000_500_000_000)
    /// The dynamic groups.
    static let groups = ["first", "second"]

    private static let place = Policy.SourceLocation(file: "fuzz.yaml", line: 1, column: 1)
    /// Rules with a condition: no more than one packet may match.
    private static let conditionsMost = 12

    static func ruleset(for corpus: Corpus, _ random: inout RandomNumbers) -> Ruleset {
        var entries = [
            entry("nic", .any, &random), entry("guest", nil, &random), entry("trunk", trunk(corpus), &random),
        ]
        bind(&entries[1], corpus, &random)
        if random.once(in: 2) { entries[0].guards = .strict }
        var rules = (0..<random.number(20...120)).map { rank in
            rule(rank, random.pick(corpus.members).packet, &random)
        }
        let origins = random.once(in: 3) ? entries.count : 0
        for _ in 0..<conditionsMost {
            setConditions(&rules[random.number(0...rules.count - 1)], corpus, origins: origins, &random)
        }
        let layers = random.number(1...3)
        for rank in rules.indices { rules[rank].layer = rank * layers / rules.count }
        var ruleset = Ruleset(
            files: [SourceFile(name: "fuzz.yaml", text: "")], entries: entries, groups: [], rules: rules,
            dynamicGroups: groups.map { DynamicGroup(name: $0, location: place) })
        ruleset.layers = (0..<layers).map { "layer-\($0)" }
        return ruleset
    }

    private static func entry(_ name: String, _ vlans: VLANAdmission?, _ random: inout RandomNumbers) -> PortEntry {
        let actions: [Action] = [.accept, .accept, .drop, .reject]
        return PortEntry(
            name: name, location: place, selector: .interfaces([name]), vlans: vlans,
            defaults: .init(
                in: random.pick(actions), out: random.pick(actions), essentials: !random.once(in: 4),
                inLocation: place, outLocation: place))
    }

    /// Gives a port some MAC addresses and the surroundings of some addresses of the corpus, or nothing, and some
    /// guards.
    private static func bind(_ entry: inout PortEntry, _ corpus: Corpus, _ random: inout RandomNumbers) {
        let guards = random.some(of: Guard.allCases)
        entry.guards = random.pick([.off, .strict, .list(Set(guards)), .list(Set(guards))])
        for _ in 0..<random.pick([0, 12]) {
            let packet = random.pick(corpus.members).packet
            if !packet.sourceMAC.isGroup { entry.macs.append(packet.sourceMAC) }
            if let source = packet.source { entry.addresses.append(Prefix(source, length: random.pick([8, 16, 32]))) }
        }
    }

    private static func trunk(_ corpus: Corpus) -> VLANAdmission {
        .list(Set([0, 10, 20] + corpus.members.filter { $0.packet.vlanTags == 1 }.map(\.packet.outerVLAN)))
    }

    private static func rule(_ rank: Int, _ packet: Packet, _ random: inout RandomNumbers) -> Rule {
        let action = random.pick([Action.accept, .accept, .drop, .reject])
        let services = packet.family != nil && random.once(in: 4) ? nil : service(of: packet, &random).map { [$0] }
        var ends = Rule.Ends(from: nil, to: nil)
        if packet.family != nil {
            // No rule takes everything.
            if services == nil || random.once(in: 2) { ends.from = set(around: packet.source, &random) }
            if random.once(in: 2) { ends.to = set(around: packet.destination, &random) }
        }
        return Rule(
            name: "rule-\(rank)", location: place, ends: [ends], services: services,
            vlans: random.once(in: 8) ? [packet.outerVLAN] : nil,
            directions: random.once(in: 3) ? [random.pick([Direction.in, .out])] : [.in, .out],
            action: action, isStateless: action == .accept && random.once(in: 2))
    }

    /// Time passes in steps none of whose sums is where a budget, a membership or the rule's time ends.
    ///
    /// - Parameter origins: How many entries rules may name as where a packet came from. Where they do, no flow takes
    ///   of a limit: of which one depends on what is known of that when the flow is judged anew.
    private static func setConditions(
        _ rule: inout Rule, _ corpus: Corpus, origins: Int, _ random: inout RandomNumbers
    ) {
        let packet = random.pick(corpus.members).packet
        var conditions = RandomConditions(
            start: start, steps: [0, 10, 35, 130], groups: groups.count, stays: [nil, 10, 35, 130],
            macs: [packet.sourceMAC, packet.destinationMAC])
        // How much a TCP connection carries, and when it is over, the model cannot tell.
        let mayBeTCP = rule.mayBeTCP
        conditions.countsFlows = { _ in !mayBeTCP && origins == 0 }
        conditions.draw(&rule, &random)
        if random.once(in: 3), packet.family != nil, rule.services != nil {
            for end in rule.ends.indices { rule.ends[end].source = membership(&random) }
        }
        if rule.action == .pass, mayBeTCP {
            // When a SYN over a connection is answered, nobody knows whether it met these.
            rule.match = .any
            rule.limit = nil
        } else if !mayBeTCP, origins > 0, random.once(in: 2) {
            let entries = Set(random.some(of: Array(0..<origins)))
            rule.via = Rule.Via(entries: entries, host: entries.isEmpty || random.once(in: 2))
        }
    }

    private static func membership(_ random: inout RandomNumbers) -> Membership {
        random.pick([Membership(inside: [0]), Membership(outside: [0]), Membership(inside: [1], outside: [0])])
    }

    private static func set(around address: IPAddress?, _ random: inout RandomNumbers) -> AddressSet? {
        guard let address else { return nil }
        let bits = address.family == .v4 ? 32 : 128
        return AddressSet([Prefix(address, length: bits - random.pick([0, 0, 1, 4, 8, 16]))])
    }

    private static func service(of packet: Packet, _ random: inout RandomNumbers) -> Service? {
        guard packet.family != nil else { return .ethertype(packet.etherType == 0 ? nil : packet.etherType) }
        if random.once(in: 5) { return .protocol(packet.ipProtocol) }
        guard packet.hasL4 else { return .protocol(packet.ipProtocol) }
        if [1, 58].contains(packet.ipProtocol) {
            let code: UInt8? = random.once(in: 2) ? packet.code : nil
            return .icmp(packet.ipProtocol == 1 ? .v4 : .v6, type: packet.type, code: code)
        }
        let all: ClosedRange<UInt16> = 0...UInt16.max
        let to =
            random.once(in: 4) ? packet.destinationPort...UInt16.max : packet.destinationPort...packet.destinationPort
        let from = random.once(in: 3) ? packet.sourcePort...packet.sourcePort : all
        return .ports(protocol: packet.ipProtocol, destination: [to], source: [from])
    }
}
