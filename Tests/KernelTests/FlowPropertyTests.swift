// SPDX-License-Identifier: Apache-2.0
import Compiler
import Datapath
import Foundation
import Fuzzing
import Network
import Policy
import Reference
import Simulation
import TestSupport
import Testing
import Wire

extension PacketTables {
    /// Packets of a few connections in any order and both directions, at several ports, while policies change and time
    /// passes: the kernel's programs against the model.
    @Suite struct FlowPropertyTests {
        /// The same seeds each time, until as many as a thousand others have been seen to agree.
        static var seed: UInt64 { Seed.first(usual: 1) }

        @Test func theKernelAgreesWithTheModel() throws {
            let runs = Seed.count("BULKHEAD_FLOW_RUNS", usual: 60)
            let reasons = try compare(runs) { start, random in (0..<3).map { _ in Self.ruleset(start, &random) } }
            guard runs >= 50 else { return }
            #expect(reasons.isSuperset(of: Self.allReasons))
        }

        static let allReasons: Set<Reason> = [
            .rule, .default, .invalidState, .established, .related, .policyChanged, .adopted, .quarantine,
        ]

        /// - Returns: the reasons that were met.
        func compare(
            _ runs: Int, _ test: String = #function, tracksAll: Bool = false, mixes: Bool = false,
            policies draw: (Timestamp, inout RandomNumbers) -> [Ruleset]
        ) throws -> Set<Reason> {
            let first = Self.seed
            print("flow property test: BULKHEAD_SEED=\(first), \(runs) runs")
            var reasons: [Reason: Int] = [:]
            var progress = Progress(test, runs: runs)
            for seed in first..<first + UInt64(runs) {
                defer { progress.advance("seed \(seed)") }
                try compare(seed: seed, &reasons, tracksAll: tracksAll, mixes: mixes, draw)
            }
            let words = reasons.map { "\($0.key.rawValue) \($0.value)" }.sorted().joined(separator: ", ")
            print("flow property test: \(words)")
            return Set(reasons.keys)
        }

        /// What is accepted both ways passes without a flow, with the verdicts that it would have with one. Also across
        /// policies, as long as the same ports accept both ways.
        @Test func withoutFlowsWhereTheyMakeNoDifference() throws {
            let runs = Seed.count("BULKHEAD_FLOW_RUNS", usual: 40)
            let reasons = try compare(runs, tracksAll: true) { start, random in Self.symmetric(start, &random) }
            guard runs >= 40 else { return }
            #expect(reasons.isSuperset(of: [.rule, .default, .invalidState, .established, .related]))
        }

        /// A single run tells its whole story.
        private static func tell(_ line: @autoclosure () -> String) {
            if ProcessInfo.processInfo.environment["BULKHEAD_FLOW_RUNS"] == "1" { print(line()) }
        }

        /// Policies that accept everything but TCP both ways at the same ports, by default or by a rule.
        private static func symmetric(_ start: Timestamp, _ random: inout RandomNumbers) -> [Ruleset] {
            let same = Set(random.some(of: [0, 1]) + [2])
            let others = Set(0...2).subtracting(same)
            return (0..<3).map { _ in
                var policy = ruleset(start, &random)
                let place = policy.entries[0].location
                policy.adopt = 120
                for rank in policy.rules.indices {
                    guard case .ports(protocol: 6, _, _)? = policy.rules[rank].services?.first else {
                        policy.rules[rank].entries = others
                        continue
                    }
                }
                // The other ports do not, whatever was drawn.
                let told = Rule(
                    name: "told", location: place, services: [.protocol(250)], entries: others, action: .drop)
                policy.rules.insert(told, at: 0)
                if random.once(in: 2) {
                    policy.rules.append(Rule(name: "all", location: place, entries: same, action: .accept))
                } else {
                    for entry in same {
                        policy.entries[entry].defaults.in = .accept
                        policy.entries[entry].defaults.out = .accept
                    }
                }
                return policy
            }
        }

        /// A host entry and two guests; the rules are drawn from a few.
        static func ruleset(_ start: Timestamp, _ random: inout RandomNumbers) -> Ruleset {
            let place = Policy.SourceLocation(file: "flows.yaml", line: 1, column: 1)
            func action() -> Action { random.once(in: 2) ? .accept : .drop }
            let entries = ["nic", "web", "db"].map { name in
                PortEntry(
                    name: name, location: place, selector: .interfaces([name]), vlans: .any,
                    defaults: .init(
                        in: action(), out: action(), essentials: true, inLocation: place, outLocation: place))
            }
            let all: ClosedRange<UInt16> = 0...UInt16.max
            let services: [[Service]?] = [
                nil, [.ports(protocol: 6, destination: [80...80], source: [all])],
                [.ports(protocol: 6, destination: [all], source: [80...80])],
                [.ports(protocol: 17, destination: [53...53], source: [all])],
                [.icmp(.v4, type: 8, code: nil), .icmp(.v6, type: 128, code: nil)],
            ]
            var rules = (0..<random.number(0...4)).map { rank in
                let action = action()
                let carried = random.pick(services)
                var rule = Rule(
                    name: "r\(rank)", location: place, ends: ends(&random), services: carried,
                    directions: random.pick([[.in], [.out], [.in, .out]]), action: action,
                    isStateless: action == .accept && random.once(in: 4),
                    limit: random.once(in: 4)
                        ? RuleLimit(
                            rate: 1, period: .minute, burst: random.number(1...5), per: random.pick([.rule, .source]))
                        : nil,
                    // Not close to any sum of the times that pass.
                    expires: random.once(in: 5)
                        ? Timestamp(nanoseconds: start.nanoseconds + random.pick([10, 35, 130]) * 1_000_000_000) : nil)
                // When a TCP connection is over, the model cannot tell. What a rule counts by goes with its name, and
                // whether it does.
                if action == .accept, !rule.isStateless, let carried, carried != services[1], carried != services[2],
                    random.once(in: 2)
                {
                    let subjects: [RuleLimit.Subject] = [.rule, .source, .destination, .source]
                    rule.connections = RuleConnections(maximum: random.number(1...2), per: subjects[rank % 4])
                    rule.name = "c\(rank)"
                }
                return rule
            }
            // Every name is in every policy, so that each keeps its counter. These match nothing.
            let names = (0..<4).flatMap { ["r\($0)", "c\($0)"] }
            for name in names where !rules.contains(where: { $0.name == name }) {
                rules.append(Rule(name: name, location: place, ends: [], action: .drop))
            }
            return Ruleset(
                files: [SourceFile(name: "flows.yaml", text: "")], entries: entries, groups: [], rules: rules,
                adopt: random.pick([0, 120]),
                dynamicGroups: ["first", "second"].map { DynamicGroup(name: $0, location: place) })
        }

        /// One rule in three asks for dynamic groups.
        private static func ends(_ random: inout RandomNumbers) -> [Rule.Ends] {
            func membership() -> Membership {
                random.pick([
                    .any, Membership(inside: [0]), Membership(outside: [0]), Membership(inside: [1]),
                    Membership(inside: [1], outside: [0]),
                ])
            }
            guard random.once(in: 3) else { return [Rule.Ends(from: nil, to: nil)] }
            return (0..<random.number(1...2)).map { _ in
                Rule.Ends(from: nil, to: nil, source: membership(), destination: membership())
            }
        }

        /// Prefixes around the ends of the connections.
        private static func prefixes(_ random: inout RandomNumbers) -> [Prefix] {
            let family = random.pick([AddressFamily.v4, .v6])
            let bits = family.bits
            return (0..<random.number(1...3)).map { _ in
                Prefix(
                    random.once(in: 2) ? Ends.client(family) : Ends.server(family),
                    length: random.pick([bits, bits, bits - 1, bits - 8, 0]))
            }
        }

        /// A member joins or leaves a dynamic group.
        static func changeMembers(
            _ simulator: Simulator, _ model: inout ReferenceWorlds, _ random: inout RandomNumbers
        ) throws {
            let group = random.pick(["first", "second"])
            if random.once(in: 3) {
                let gone = random.some(of: model.members[group].prefixes.sorted { "\($0)" < "\($1)" })
                try simulator.delete(gone, from: group)
                model.change(group) { members in for prefix in gone { members.delete(prefix) } }
            } else {
                let prefixes = prefixes(&random)
                // Not close to any sum of the times that pass.
                let seconds = random.pick([nil, 10, 35, 130])
                try simulator.add(prefixes, to: group, seconds: seconds)
                model.change(group) { members in
                    for prefix in prefixes { members.add(prefix, seconds: seconds) }
                }
            }
        }

        /// - Parameter tracksAll: The model keeps flows even for what needs none. Of that only verdicts are compared.
        ///   Of all else reasons and rules are, too, because each outcome that is thought possible doubles what is
        ///   possible next.
        func compare(
            seed: UInt64, _ reasons: inout [Reason: Int], tracksAll: Bool = false, mixes: Bool = false,
            _ draw: (Timestamp, inout RandomNumbers) -> [Ruleset]
        ) throws {
            var random = RandomNumbers(seed: seed)
            // Yesterday at noon, and half a second away from all edges of times of day.
            let day = UInt64(Date().timeIntervalSince1970) / 86400 - 1
            let start = Timestamp(nanoseconds: (day * 86400 + 43200 + 33) * 1_000_000_000 + 500_000_000)
            let policies = draw(start, &random)
            let images = try policies.map { try Compiler().compile($0) }
            let adopts = random.once(in: 2)
            let needsNoFlow = tracksAll ? policies.reduce(into: Set<Int>()) { $0.formUnion(Symmetry($1).entries) } : []
            var model = ReferenceWorlds(
                ReferenceFlows(policies[0], adopts: adopts, marks: !tracksAll, start: start))
            var traffic = FlowTraffic(&random)
            traffic.isMarked = mixes
            var counted: [Reason: Int] = [:]
            var cutOff: Set<Int> = []
            try FlowSimulator.use(images[0], adopts: adopts) { simulator in
                simulator.time = start.nanoseconds
                for step in 0..<300 {
                    if random.once(in: 40) {
                        let next = random.number(0...2)
                        try simulator.use(images[next])
                        model.use(policies[next])
                        Self.tell("policy \(next): \(policies[next].rules)")
                    }
                    if random.once(in: 25) {
                        // No sum of these is a timeout, so that the time the test itself takes does not matter.
                        let seconds = random.pick([21, 47, 93, 151, 401, 8009])
                        simulator.pass(seconds: seconds)
                        model.pass(seconds: seconds)
                        Self.tell("\(seconds) s later")
                    }
                    if random.once(in: 20) { try Self.changeMembers(simulator, &model, &random) }
                    if random.once(in: 30) { cutOff = random.once(in: 4) ? [random.number(0...2)] : [] }
                    let drawn = traffic.next(&random)
                    let isQuarantined = cutOff.contains(drawn.entry)
                    let protects: Protects = drawn.entry == 0 ? .host : .workload
                    let packet = PacketParser.parse(drawn.frame.bytes, frameLength: drawn.frame.bytes.count)
                    let quotation = PacketParser.quotation(in: drawn.frame.bytes, of: packet)
                    let isWithoutFlow = needsNoFlow.contains(drawn.entry) && !(quotation ?? packet).isTCP
                    let origin = mixes ? Self.origin(drawn, &random) : nil
                    let found = try simulator.judge(
                        frame: drawn.frame.bytes,
                        portRecord: images[0].portRecord(entry: drawn.entry, protects: protects),
                        direction: drawn.direction, isQuarantined: isQuarantined,
                        from: Simulator.Origin(origin, in: images[0]))
                    model.mark(PacketMarks(of: packet, in: drawn.frame.bytes))
                    func isFound(_ judgement: Judgement) -> Bool {
                        found.verdict == judgement.verdict && found.reason == judgement.reason
                            && found.rule == judgement.rule
                    }
                    func isSame(_ judgement: Judgement) -> Bool {
                        isFound(judgement) || isWithoutFlow && found.verdict == judgement.verdict
                    }
                    let expected = model.judge(
                        packet, quoting: quotation,
                        claiming: packet.claim(in: drawn.frame.bytes),
                        at: .init(
                            scope: drawn.entry, entry: drawn.entry, protects: protects, isQuarantined: isQuarantined,
                            origin: origin),
                        direction: drawn.direction, like: isSame)
                    let said = "\(found.verdict) \(found.reason?.rawValue ?? "-") \(found.rule ?? -1), not \(expected)"
                    Self.tell("\(step): \(drawn.entry) \(drawn.direction) \(packet.words): \(said)")
                    try #require(isSame(expected), "seed \(seed), step \(step): \(said): \(drawn)")
                    counted[expected.reason, default: 0] += 1
                }
            }
            reasons.merge(counted, uniquingKeysWith: +)
        }
    }
}

extension Packet {
    /// What a flow knows it by, and TCP's numbers.
    fileprivate var words: String {
        let ends = [(source, sourcePort), (destination, destinationPort)]
            .map { "\($0.map { "\($0)" } ?? "-") \($1)" }
        let tcp = isTCP ? " flags \(tcpFlags) \(sequence) ack \(acknowledgement)" : ""
        return "\(ipProtocol) \(ends.joined(separator: " > ")) vlan \(outerVLAN)\(tcp)"
    }
}

/// Packets of a few connections, as their ends, or someone who guesses, might send them.
struct FlowTraffic {
    struct Drawn {
        var frame: Frame
        var entry: Int
        var direction: Direction
    }

    private struct Connection {
        var family: AddressFamily
        var entry: Int
        var tags: [UInt16]
        /// The direction of the client's packets.
        var direction: Direction
        var kind: Int
        var clientPort: UInt16
        var serverPort: UInt16
        /// The next sequence numbers of the client and of the server.
        var sequences: (UInt32, UInt32)
    }

    private var connections: [Connection]
    /// Whether packets have code points, and their tags priorities.
    var isMarked = false

    init(_ random: inout RandomNumbers) {
        var connections: [Connection] = []
        for _ in 0..<5 {
            connections.append(
                Connection(
                    family: random.pick([.v4, .v6]), entry: random.number(0...2), tags: random.pick([[], [], [7]]),
                    direction: random.pick([.in, .out]), kind: random.pick([0, 0, 0, 0, 1, 2, 3]),
                    clientPort: random.pick([40000, 40001]), serverPort: random.pick([80, 53, 50000]),
                    sequences: (UInt32.random(in: 0...UInt32.max, using: &random), 0xffff_fff0)))
        }
        self.connections = connections
    }

    mutating func next(_ random: inout RandomNumbers) -> Drawn {
        let number = random.number(0...connections.count - 1)
        var connection = connections[number]
        let isAnswer = random.once(in: 2)
        let segment = segment(&connection, isAnswer, &random)
        connections[number] = connection
        let (client, server) = (Ends.client(connection.family), Ends.server(connection.family))
        var datagram = Datagram(isAnswer ? server : client, isAnswer ? client : server, segment)
        var direction = isAnswer == (connection.direction == .in) ? Direction.out : .in
        if random.once(in: 10) {
            datagram = error(about: datagram, &random)
            direction = direction == .in ? .out : .in
        }
        if random.once(in: 30) { direction = direction == .in ? .out : .in }
        let entry = random.once(in: 20) ? random.number(0...2) : connection.entry
        let priority: UInt8 = isMarked ? random.pick([0, 5, 7]) : 0
        if isMarked { datagram.trafficClass = random.pick([0, 3, 46 << 2, 8 << 2]) }
        return Drawn(
            frame: Frame(datagram, tags: connection.tags.map { Frame.Tag($0, priority: priority) }), entry: entry,
            direction: direction)
    }

    private func segment(
        _ connection: inout Connection, _ isAnswer: Bool, _ random: inout RandomNumbers
    ) -> Segment {
        let (from, to) =
            isAnswer ? (connection.serverPort, connection.clientPort) : (connection.clientPort, connection.serverPort)
        switch connection.kind {
        case 1: return .udp(from, to)
        case 2: return .sctp(from, to)
        case 3:
            if connection.family == .v4 { return .icmp(isAnswer ? 0 : 8) }
            return .icmpv6(isAnswer ? 129 : 128)
        default: break
        }
        let (client, server) = connection.sequences
        let (own, other) = isAnswer ? (server, client) : (client, server)
        // What an end would say, or a guess.
        let sequence = random.once(in: 6) ? own &+ UInt32(random.number(0...200_000)) &- 100_000 : own
        let acknowledgement =
            random.once(in: 6) ? other &- UInt32(random.number(0...200_000)) : other
        let flags = random.pick(isAnswer ? [18, 18, 16, 16, 24, 17, 4, 20, 2] : [2, 2, 16, 16, 16, 24, 17, 4, 3, 0])
        let payload = flags & 8 != 0 ? random.number(0...100) : 0
        let length = UInt32(payload + (flags & 2 != 0 ? 1 : 0) + (flags & 1 != 0 ? 1 : 0))
        if sequence == own {
            if isAnswer { connection.sequences.1 &+= length } else { connection.sequences.0 &+= length }
        }
        return .tcp(
            from, to, flags: UInt8(flags), sequence: sequence, acknowledgement: acknowledgement,
            payload: [UInt8](repeating: 1, count: payload))
    }

    /// An error that a router sends about a packet, sometimes to the wrong end, or a redirect.
    private func error(about datagram: Datagram, _ random: inout RandomNumbers) -> Datagram {
        let body: [UInt8] = [0, 0, 0, 0] + datagram.bytes.prefix(random.pick([20, 28, 48, 60, 100]))
        let v4: UInt8 = random.pick([3, 3, 11, 12, 5])
        let v6: UInt8 = random.pick([1, 2, 3, 4, 137])
        let target = random.once(in: 5) ? datagram.destination : datagram.source
        return datagram.family == .v4
            ? Datagram("203.0.113.1", target, .icmp(v4, 0, body: body))
            : Datagram("2001:db8:ffff::1", target, .icmpv6(v6, 0, body: body))
    }
}
